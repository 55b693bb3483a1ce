"""A plan: the operations of a training step (or of a forward pass) in order, and where each finds its numbers.

Layers are lowered in order to operations over values; what each needs in the backward pass goes on a tape that is
played in reverse. When all is known (borders, lifetimes), the arena is laid out and arguments become addresses.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.arrays import Shape
from chainrule.engines.native.losses import LossKernel
from chainrule.engines.native.memory import BUFFERS, GRADIENTS, NONE, PARAMS, Buffer, Tensor, address, lay_out
from chainrule.network import Network

#: The phases of a training step, in the order in which lifetimes are counted.
PHASES = ("forward", "loss", "backward", "gradients", "check", "update", "running")

#: What a run ends with, in the order of `Status` in native/program.hpp.
OK, DIVERGED, CAREFUL, BAD_LABEL = range(4)


@dataclass(eq=False)
class Value:
    """What one layer hands to the next: numbers of `shape` a row, and their gradient.

    rectified: the numbers went through a ReLU on their way out, so that the gradient passes where they are positive;
    masked: what writes the gradient has seen to that.
    """

    shape: Shape
    data: Tensor
    needs_gradient: bool = True
    rectified: bool = False
    grad: Tensor | None = None
    uses: int = 0
    masked: bool = False


@dataclass(frozen=True)
class Operation:
    """One kernel call: `arguments` are made when all addresses are known."""

    phase: str
    kernel: str
    layer: str
    arguments: Callable[[], list[int]]
    touches: tuple[Buffer, ...]
    flops: int = 0  # for one row
    floats: int = 0  # read and written, for one row
    note: str = ""


class Plan:
    """Operations for batches of up to `capacity` rows of `network`."""

    def __init__(self, network: Network, capacity: int, *, train: bool, winograd: bool = True) -> None:
        self.network, self.capacity, self.train, self.winograd = network, capacity, train, winograd
        self.operations: list[Operation] = []
        self.tape: list[Callable[[], None]] = []
        self.tensors: list[Tensor] = []
        self.buffers: list[Buffer] = []
        self.calls: list[Callable[[int, int], int]] = []
        self.fallbacks: list[str] = []
        self.fused_weights: set[str] = set()  # updated together with their gradient
        self.layer = ""
        #: What calls into Python share with the engine: the memory, the batch's targets, and the loss of the step.
        self.arena: Any = None
        self.targets: Any = None
        self.loss = 0.0
        self.loss_kernel: LossKernel | None = None

    # -- making tensors and operations ------------------------------------------------------------------------------

    def tensor(self, shape: Shape) -> Tensor:
        """A tensor for one row of `shape`: features, or an image (C, ..., W) whose lines are the axes between."""
        c, h, w = (shape[0], math.prod(shape[1:-1]), shape[-1]) if len(shape) > 1 else (math.prod(shape), 1, 1)
        made = Tensor(h, w, c)
        self.tensors.append(made)
        return made

    def part(self, tensor: Tensor, channel: int, count: int) -> Tensor:
        """Channels `channel` to before `channel + count` of a tensor."""
        made = Tensor(tensor.h, tensor.w, count, parent=tensor, channel=channel)
        self.tensors.append(made)
        return made

    def value(self, shape: Shape, **options: Any) -> Value:
        """A new value."""
        return Value(tuple(shape), self.tensor(shape), **options)

    def buffer(self, floats: int) -> Buffer:
        """Memory that is no tensor."""
        made = Buffer(floats)
        self.buffers.append(made)
        return made

    def emit(
        self,
        phase: str,
        kernel: str,
        arguments: Iterable[Any] | Callable[[], Iterable[Any]],
        touches: Sequence[Tensor | Buffer],
        **notes: Any,
    ) -> None:
        """Append an operation on the tensors and buffers it `touches`.

        Arguments may be integers, floats, None, tensors (their views) and buffers (their places); a function where they
        depend on borders that later layers may still widen.
        """
        buffers = tuple(t.buffer if isinstance(t, Tensor) else t for t in touches)

        def resolved() -> list[int]:
            return _numbers(arguments() if callable(arguments) else arguments)

        self.operations.append(Operation(phase, kernel, self.layer, resolved, buffers, **notes))

    def call(self, phase: str, function: Callable[[int, int], int], touches: Sequence[Tensor | Buffer]) -> None:
        """Append a call of a Python function of (rows, step)."""
        index = len(self.calls)
        self.calls.append(function)
        self.emit(phase, "call", [index], touches)

    def clear_border(self, phase: str, tensor: Tensor) -> None:
        """Zero the border, if it turns out to have one, before the numbers inside are written."""
        root = tensor.root
        self.emit(phase, "clear_border", lambda: [root, *root.border], [root])

    # -- parameters and gradients -----------------------------------------------------------------------------------

    def param(self, name: str) -> int:
        """The address of a parameter, or of a buffer such as a running mean."""
        net = self.network
        space, views = (PARAMS, net.params) if name in net.params else (BUFFERS, net.buffers)
        return address(space, views.slices[name].start)

    def gradient(self, name: str) -> int:
        """The address of a parameter's gradient."""
        return address(GRADIENTS, self.network.gradients.slices[name].start)

    def grad_of(self, value: Value) -> Tensor:
        """The gradient that has arrived at a value."""
        if value.grad is None:  # nothing reached it: its consumers pass nothing on
            value.grad = self.tensor(value.shape)
            value.grad.need_border(*value.data.root.border)
        return value.grad

    def target(self, value: Value, *, in_place: bool = False) -> tuple[Tensor, int]:
        """Where to write the gradient of a value, and whether to add to what is there.

        in_place: the operation may overwrite the value itself, as nothing reads it any more.
        """
        if value.grad is not None:
            return value.grad, 1
        if in_place and value.uses == 1 and value.data.parent is None and not value.rectified:
            value.grad = value.data
        else:
            value.grad = self.tensor(value.shape)
            self.clear_border("backward", value.grad)
        return value.grad, 0

    # -- finishing --------------------------------------------------------------------------------------------------

    def finish(self) -> int:
        """Sort operations by phase, drop those that do nothing, lay the arena out; the floats it needs."""
        self.operations.sort(key=lambda op: PHASES.index(op.phase))  # stable
        self.operations = [op for op in self.operations if not _is_idle(op, self)]
        for time, op in enumerate(self.operations):
            for buffer in op.touches:
                buffer.touch(time)
        self.tape.clear()  # its functions refer to the plan: memory would wait for the cycle collector
        return lay_out(self.tensors, self.buffers, self.capacity)

    def explain(self) -> str:
        """The list of operations: phase, kernel, layer, what it reads and writes, arithmetic, fusions, fallbacks."""
        lines = [f"{'phase':10} {'kernel':22} {'layer':34} {'MB':>9} {'MFLOP':>10}  notes"]
        for op in self.operations:
            mega, flops = op.floats * 4 * self.capacity / 1e6, op.flops * self.capacity / 1e6
            lines.append(f"{op.phase:10} {op.kernel:22} {op.layer:34} {mega:9.3f} {flops:10.2f}  {op.note}".rstrip())
        total = sum(op.flops for op in self.operations) * self.capacity / 1e6
        lines.append(f"{len(self.operations)} operations for up to {self.capacity} rows, {total:.1f} MFLOP in products")
        if self.fallbacks:
            lines.append("run by the reference engine: " + ", ".join(self.fallbacks))
        return "\n".join(lines)


def real(value: float) -> int:
    """A double as the integer whose bits it shares."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _numbers(arguments: Iterable[Any]) -> list[int]:
    numbers: list[int] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            numbers += argument.view()
        elif isinstance(argument, Buffer):
            numbers.append(argument.at)
        elif isinstance(argument, float):
            numbers.append(real(argument))
        elif argument is None:
            numbers.append(NONE)
        elif isinstance(argument, (list, tuple)):
            numbers += _numbers(argument)
        else:
            numbers.append(int(argument))
    return numbers


def _is_idle(op: Operation, plan: Plan) -> bool:
    if op.kernel != "clear_border":
        return False
    (buffer,) = op.touches
    return not any(any(t.border) for t in plan.tensors if t.parent is None and t.buffer is buffer)
