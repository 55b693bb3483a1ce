"""The native engine: a compiled plan that runs whole training steps without the interpreter."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.data.normalized import NormalizedRows
from chainrule.engines.engine import Evaluation, checked_row_numbers
from chainrule.engines.native.lowering import make_plan, read
from chainrule.engines.native.memory import BUFFERS, GRADIENTS, PARAMS, SLOTS, make_arena
from chainrule.engines.native.plan import BAD_LABEL, CAREFUL, DIVERGED, OK, Operation, Plan, Value
from chainrule.engines.native.rules import native_parts
from chainrule.engines.reference import ReferenceEngine, is_finite
from chainrule.errors import (
    ChainruleError,
    ConfigError,
    ShapeError,
    require_bool,
    require_number,
    unknown,
)
from chainrule.network import Network, as_array
from chainrule.optim import UpdateRule

#: The environment variable that sets the number of threads.
VARIABLE = "CHAINRULE_THREADS"

_TEST_ROWS = 128  # of a forward pass in test mode


def default_threads() -> int:
    """$CHAINRULE_THREADS, else $OMP_NUM_THREADS, else the cores this process may use."""
    for name in (VARIABLE, "OMP_NUM_THREADS"):
        given = os.environ.get(name, "")
        if given.isdigit() and int(given) > 0:
            return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Compiled:
    """A plan with its memory and its program."""

    def __init__(self, engine: NativeEngine, capacity: int, *, train: bool) -> None:
        from chainrule.engines import _native

        self.plan: Plan
        self.scores: Value
        self.capacity = capacity
        self.plan, _, self.scores = make_plan(engine.network, capacity, train=train, winograd=engine.winograd)
        floats = self.plan.finish()
        self.plan.arena = self.arena = make_arena(floats)
        self.program = _native.Program(engine.instruction_set, engine.threads)
        for op in self.plan.operations:
            self.program.add(op.phase, op.kernel, op.arguments())
        net = engine.network
        for space, memory in (
            (0, self.arena),
            (PARAMS, net.params.flat),
            (GRADIENTS, net.gradients.flat),
            (BUFFERS, net.buffers.flat),
            *((SLOTS + i, slot) for i, slot in enumerate(engine.slots.values())),
        ):
            self.program.bind(space, memory)
        calls, self.plan.calls = self.plan.calls, []  # they refer to the plan: no cycle, no wait for the collector
        self.program.set_callback(lambda index, n, step: calls[index](n, step))
        if engine.parts is not None:
            self.program.set_rule(engine.parts)


class NativeEngine(ReferenceEngine):
    """Runs a float32 `Network` by compiled kernels; the same numbers as the reference engine to rounding.

    threads: how many; see `default_threads`. instruction_set: one of `_native.instruction_sets()`, the best unless
    given. winograd: whether 3 × 3 convolutions of many channels take the way with fewer products. The results do not
    depend on the number of threads, bit for bit. After a step `network.gradients` holds no gradient of weights that
    were updated together with it; `loss_and_gradients` fills it.
    """

    def __init__(
        self,
        network: Network,
        rule: UpdateRule,
        threads: int | None = None,
        instruction_set: str | None = None,
        winograd: bool = True,
    ) -> None:
        from chainrule.engines import _native

        if network.dtype != np.float32:
            raise ConfigError(f"engine native: the network's dtype must be float32, got {network.dtype}")
        super().__init__(network, rule)
        if threads is not None:
            require_number("NativeEngine", "threads", threads, integer=True, low=1)
        self.threads = default_threads() if threads is None else int(threads)
        known = _native.instruction_sets()
        if instruction_set is not None and instruction_set not in known:
            raise unknown("instruction set", instruction_set, known)
        self.instruction_set = known[0] if instruction_set is None else instruction_set
        require_bool("NativeEngine", "winograd", winograd)
        self.winograd = winograd
        self._reg = network.reg
        self.parts = native_parts(rule, network.reg)
        self._train: _Compiled | None = None
        self._test: _Compiled | None = None
        self._predicting = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: they compile plans of their own."""
        return {n: v for n, v in self.__dict__.items() if n not in ("_train", "_test", "_predicting")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._train = self._test = None
        self._predicting = threading.Lock()

    # -- plans ------------------------------------------------------------------------------------------------------

    def _compiled(self, rows: int, *, train: bool) -> _Compiled:
        if self._reg != self.network.reg:  # it is part of the plan
            self._reg, self._train = self.network.reg, None
            self.parts = native_parts(self.rule, self._reg)
        made = self._train if train else self._test
        if made is None or made.capacity < rows:
            made = _Compiled(self, rows, train=train)
            if train:
                self._train = made
            else:
                self._test = made
        return made

    def plan(self, rows: int = 1, *, train: bool = True) -> Plan:
        """The plan for batches of `rows`; `print(engine.plan(100).explain())` lists its operations."""
        require_number("NativeEngine", "rows", rows, integer=True, low=1)
        return self._compiled(int(rows), train=train).plan

    def time_operations(self, run: Callable[[], Any], rows: int) -> list[tuple[Operation, float]]:
        """The operations of the plan for batches of `rows`, with the seconds each takes in `run()`; 0 if not run."""
        made = self._compiled(rows, train=True)
        made.program.set_timed(True)
        run()
        left = {phase: iter(made.program.seconds(phase)) for phase in {op.phase for op in made.plan.operations}}
        made.program.set_timed(False)
        return [(op, next(left[op.phase])) for op in made.plan.operations]

    # -- the protocol -----------------------------------------------------------------------------------------------

    def step(self, x: Array, y: Array, factor: float = 1.0) -> float:
        """Forward, loss, backward, checks, and the update; the running statistics last."""
        batch, targets = self._batch(x, y)
        made = self._compiled(len(batch), train=True)
        if self.parts is None or not self._rate(factor) < 1e12:
            return self._careful_step(made, batch, targets, factor)
        status, loss = self._run(made, _STEP, batch, targets, factor)
        if status == CAREFUL:
            return self._careful_step(made, batch, targets, factor)
        self._require(status, batch, targets)
        self.step_number += 1
        return loss

    def steps(
        self,
        X: Array,
        y: Array,
        batches: Sequence[Array],
        factors: Sequence[float] | None = None,
        losses: list[float] | None = None,
    ) -> list[float]:
        """Train on the rows `batches[i]` of (X, y) one after another, in one call; the losses.

        factors: of the learning rate, one a step. The same numbers as `step` on each batch.
        """
        taken: list[float] = [] if losses is None else losses
        before = len(taken)
        lies_ready = isinstance(X, np.ndarray) and X.dtype == np.float32 and X.flags.c_contiguous and X.flags.aligned
        take = self._steps if lies_ready else super().steps  # the whole set is not copied for some steps
        take(X, y, batches, factors, taken)
        return taken[before:]

    def _steps(
        self, X: Array, y: Array, batches: Sequence[Array], factors: Sequence[float] | None, taken: list[float]
    ) -> None:
        data, targets = self._batch(X, y)
        rows = [checked_row_numbers("NativeEngine", batch, len(data)) for batch in batches]
        rates = np.ones(len(rows)) if factors is None else np.asarray(factors, np.float64)
        if not rows:
            return
        made = self._compiled(max(map(len, rows)), train=True)
        losses = np.zeros(len(rows))
        resident = self.parts is not None and not made.plan.fallbacks and self._are_targets(made, targets)
        order, ends = np.concatenate(rows), np.cumsum([len(r) for r in rows], dtype=np.int64)
        done = 0
        while done < len(rows):
            status = CAREFUL
            if resident and self._rate(float(rates[done:].max())) < 1e12:
                first = int(ends[done]) - len(rows[done])
                count, status = made.program.train(
                    _STEP, data, order[first:], ends[done:] - first, *self._targets(made, targets),
                    self.network.seed, self.step_number, rates[done:], losses[done:],
                )  # fmt: skip
                self.step_number += count
                taken += losses[done : done + count].tolist()
                done += count
            if done < len(rows) and status != OK:  # that step is told, or done with care, by itself
                taken.append(self.step(data[rows[done]], targets[rows[done]], float(rates[done])))
                done += 1

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, Mapping[str, Array]]:
        """As the next step would see them."""
        batch, targets = self._batch(x, y)
        made = self._compiled(len(batch), train=True)
        status, loss = self._run(made, _GRADIENTS, batch, targets, 1.0)
        if status == BAD_LABEL:
            self._require(status, batch, targets)
        if status != OK:  # the kernels stop at a loss that is not finite; the reference says what follows from it
            with np.errstate(all="ignore"):
                return super().loss_and_gradients(batch, targets)
        return loss, self.network.gradients

    def predict(self, x: Array) -> Array:
        """Scores in test mode."""
        # Scores are read where the next run puts others; numbers beyond single precision become infinite.
        with self._predicting, np.errstate(all="ignore"):
            return self._scores(x)

    def _scores(self, x: Array) -> Array:
        rows = x if isinstance(x, NormalizedRows) else self.network.as_input(x)  # those are normalised a part at a time
        made = self._compiled(min(len(rows), _TEST_ROWS), train=False)
        out = np.empty((len(rows), *self.network.output_shape), np.float32)
        for start in range(0, len(rows), made.capacity):
            part = _aligned(self.network.as_input(rows[start : start + made.capacity]))
            made.program.run(["forward"], len(part), part, None, None, None, 0, 0, 1.0)
            out[start : start + len(part)] = read(made.plan, made.scores.data, out.shape[1:], len(part))
        return out

    def evaluate(self, x: Array, y: Array, batch_size: int = 1000) -> Evaluation:
        """Score and mean loss, without the regularisation term; scores that are not finite score −∞."""
        return self._evaluation(self.predict(x), as_array("y", y))

    def _rate(self, factor: float) -> float:
        return self.rule.learning_rate * factor if isinstance(self.rule, UpdateRule) else math.inf

    # -- inside -----------------------------------------------------------------------------------------------------

    def _batch(self, x: Array, y: Array) -> tuple[Array, Array]:
        net = self.network
        with np.errstate(all="ignore"):  # what is not finite is reported by name
            batch, targets = _aligned(net.as_input(x)), as_array("y", y)
        if len(targets) != len(batch) if targets.ndim else True:
            raise ShapeError(f"NativeEngine: y must have {len(batch)} rows, as X has, got shape {targets.shape}")
        return batch, targets

    def _targets(self, made: _Compiled, targets: Array) -> tuple[Any, Any]:
        """Labels and numbers as the kernel of the loss takes them: at least one of the two is None."""
        kernel = made.plan.loss_kernel
        if kernel is None:
            return None, None
        if targets.ndim == 1 and not kernel.real_targets:
            return np.ascontiguousarray(targets, np.int64), None
        with np.errstate(all="ignore"):  # a number beyond single precision becomes infinite, and so does the loss
            return None, np.ascontiguousarray(targets, np.float32)

    def _check(self, targets: Array) -> None:
        """Raise as the loss would on targets that do not fit."""
        from chainrule.losses.loss import check

        scores = np.broadcast_to(np.float32(0), (len(targets), *self.network.output_shape))
        check(self.network.loss_function, scores, targets)

    def _checks(self, made: _Compiled, targets: Array) -> bool:
        """Whether the kernel of the loss checks them itself, as it comes to them: whole numbers, labels of classes."""
        kernel = made.plan.loss_kernel
        return kernel is not None and kernel.checks_labels and targets.ndim == 1 and targets.dtype.kind in "iu"

    def _are_targets(self, made: _Compiled, targets: Array) -> bool:
        """Whether the kernel of the loss can take them."""
        if self._checks(made, targets):
            return True
        try:
            self._check(targets)
        except ChainruleError:  # the step that meets the wrong ones tells it
            return False
        return True

    def _run(self, made: _Compiled, phases: list[str], x: Array, y: Array, factor: float) -> tuple[int, float]:
        if not self._checks(made, y):
            self._check(y)
        made.plan.targets, made.plan.loss = y, 0.0
        labels, numbers = self._targets(made, y)
        status, loss = made.program.run(
            phases, len(x), x, None, labels, numbers, self.network.seed, self.step_number, factor
        )
        return status, loss + made.plan.loss

    def _require(self, status: int, batch: Array, targets: Array) -> None:
        if status == BAD_LABEL:
            self.network.loss_function(np.zeros((len(batch), *self.network.output_shape), np.float32), targets)
        if status != OK:
            with np.errstate(all="ignore"):
                raise self.network.diagnose(batch, targets, self.step_number + 1)

    def _careful_step(self, made: _Compiled, batch: Array, targets: Array, factor: float) -> float:
        """Gradients by kernels, then the reference's update, which looks at each number and can be undone."""
        net = self.network
        with np.errstate(all="ignore"):
            status, loss = self._run(made, _GRADIENTS, batch, targets, factor)
            size = float(net.gradients.flat @ net.gradients.flat)
            if status != OK or not (np.isfinite(loss) and (np.isfinite(size) or is_finite(net.gradients.flat))):
                self._require(status or DIVERGED, batch, targets)
            self._update(factor, size)
            made.program.run(["running"], len(batch), batch, None, None, None, net.seed, self.step_number, factor)
            self.step_number += 1
        return loss


def _aligned(x: Array) -> Array:
    return np.require(x, requirements=["C", "A"])


_STEP = ["forward", "loss", "backward", "check", "update", "running"]
_GRADIENTS = ["forward", "loss", "backward", "gradients"]
