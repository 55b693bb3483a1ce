"""From layers to operations: one function a layer, in one explicit list; other layers run by their own files.

Neighbours are fused by name where one pass over memory serves them all:

    product + ReLU         the affine layer or convolution writes max(y, 0), and its consumer's gradient is masked
    block                  batch normalisation, ReLU, disjoint max pooling and dropout, in this order, any left out
    update                 the gradient of an affine layer's W meets the update rule while it is in cache
    loss                   softmax, cross-entropy and their gradient
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.arrays import Stream, derive_key
from chainrule.engines.native.blocks import block_length, lower_block
from chainrule.engines.native.depthwise import is_depthwise, lower_depthwise
from chainrule.engines.native.losses import LOSS_KERNELS
from chainrule.engines.native.memory import GRADIENTS, PARAMS, Tensor, address
from chainrule.engines.native.norms import NORMS
from chainrule.engines.native.placed import Placed, placed
from chainrule.engines.native.plan import DIVERGED, OK, Plan, Value
from chainrule.engines.native.products import PRODUCTS
from chainrule.engines.native.shaping import SHAPING
from chainrule.engines.native.simple import SIMPLE
from chainrule.engines.native.transposed import lower_conv_transpose2d
from chainrule.errors import ChainruleError
from chainrule.layers import Branches, ConvTranspose2D, ReLU, Residual
from chainrule.layers.layer import Layer
from chainrule.layers.rounded_products import with_rounded_products
from chainrule.layers.sequential import parameter_names
from chainrule.losses import Loss

_PRODUCTS = {**PRODUCTS, ConvTranspose2D: lower_conv_transpose2d}


def lower(plan: Plan, layers: list[Placed], x: Value) -> Value:
    """Append the operations of the layers, and what they need backward to the tape."""
    i = 0
    while i < len(layers):
        here = layers[i]
        plan.layer = here.label
        follower = layers[i + 1].layer if i + 1 < len(layers) else None
        count = block_length(layers[i:], x)
        if type(here.layer) in _PRODUCTS:
            alone = type(follower) is ReLU and block_length(layers[i + 1 :], x, ahead=True) == 1
            product = lower_depthwise if is_depthwise(here.layer, x) else _PRODUCTS[type(here.layer)]
            x = product(plan, here, x, alone)
            i += 1 + alone
        elif count:
            x = lower_block(plan, layers[i : i + count], x)
            i += count
        elif type(here.layer) in _LOWERINGS:
            x = _LOWERINGS[type(here.layer)](plan, here, x)
            i += 1
        else:
            x = _lower_call(plan, here, x)
            i += 1
    return x


# -- layers of layers -------------------------------------------------------------------------------------------------


def _inside(here: Placed) -> list[list[Placed]]:
    """The paths of a composite layer, each a list of placed layers."""
    composite: Any = here.layer
    names = parameter_names(composite.children)
    paths = []
    for i, (child, own) in enumerate(zip(composite.children, names, strict=True)):
        inner = {n: here.names[whole] for n, whole in own.items()}
        paths.append(placed(child.layers, inner, (*here.path, i)))
    return paths


def _lower_residual(plan: Plan, here: Placed, x: Value) -> Value:
    x.uses += 1  # the addition; each path counts itself
    outs = [lower(plan, path, x) for path in _inside(here)]
    a, b = outs[0], outs[1] if len(outs) > 1 else x
    for out in outs:
        out.uses += 1
    plan.layer = here.label
    y = plan.value(a.shape)
    plan.clear_border("forward", y.data)
    plan.emit("forward", "add", [a.data, b.data, y.data], [a.data, b.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        for path in (a, b):
            if path.needs_gradient:
                to, accumulate = plan.target(path)
                plan.emit("backward", "copy", [d, to, accumulate], [d, to])

    plan.tape.append(backward)
    return y


def _lower_branches(plan: Plan, here: Placed, x: Value) -> Value:
    x.uses += 1
    outs = [lower(plan, path, x) for path in _inside(here)]
    plan.layer = here.label
    channels = sum(out.shape[0] for out in outs)
    y = plan.value((channels, *outs[0].shape[1:]))
    plan.clear_border("forward", y.data)
    starts = list(itertools.accumulate([0, *(out.shape[0] for out in outs)]))
    slices = [plan.part(y.data, s, out.data.c) for s, out in zip(starts, outs, strict=False)]
    for out, to in zip(outs, slices, strict=True):
        out.uses += 1
        plan.emit("forward", "copy", [out.data, to, 0], [out.data, to])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        for out, start in zip(outs, starts, strict=False):
            if out.needs_gradient:
                part = plan.part(d, start, out.data.c)
                to, accumulate = plan.target(out)
                plan.emit("backward", "copy", [part, to, accumulate], [d, to])

    plan.tape.append(backward)
    return y


_LOWERINGS: dict[type[Layer], Callable[[Plan, Placed, Value], Value]] = {
    **SIMPLE,
    **NORMS,
    **SHAPING,
    Residual: _lower_residual,
    Branches: _lower_branches,
}


# -- what has no kernel ------------------------------------------------------------------------------------------------


def _lower_call(plan: Plan, here: Placed, x: Value) -> Value:
    """Run a layer by its own file, on copies of what the arena holds."""
    net = plan.network
    layer = with_rounded_products(here.layer) if net.mixed else here.layer
    x.uses += 1
    y = plan.value(layer.output_shape((1, *x.shape))[1:])
    plan.fallbacks.append(here.label)
    kept: dict[str, Any] = {}

    def tensors() -> dict[str, Any]:
        return {n: net.tensors[whole] for n, whole in here.names.items()}

    def forward(n: int, step: int) -> int:
        key = None
        if layer.uses_key and plan.train:
            key = derive_key(net.seed, Stream.FORWARD, step)
            for i in here.path:
                key = derive_key(key, Stream.FORWARD, layer=i)
        with np.errstate(all="ignore"):
            out, kept["cache"] = layer.forward(read(plan, x.data, x.shape, n), tensors(), train=plan.train, key=key)
        write(plan, y.data, out)
        if not plan.train:
            kept.clear()
        elif layer.buffers:
            kept["statistics"] = layer.update_buffers(tensors(), kept["cache"])
            return OK if all(np.isfinite(s).all() for s in kept["statistics"].values()) else DIVERGED
        return OK

    plan.clear_border("forward", y.data)
    plan.call("forward", forward, [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        dx, accumulate = plan.target(x) if x.needs_gradient else (None, 0)

        def run(n: int, step: int) -> int:
            dout = read(plan, d, y.shape, n)
            with np.errstate(all="ignore"):
                grads = layer.backward(dout, kept["cache"])
            for name, whole in here.names.items():
                if name in layer.params:
                    net.gradients[whole] = grads[name]
            if dx is not None:
                write(plan, dx, grads["x"], add=bool(accumulate))
            return 0

        plan.call("backward", run, [d, *([dx] if dx is not None else [])])

    plan.tape.append(backward)
    if layer.buffers and plan.train:

        def running(n: int, step: int) -> int:
            for name, value in kept["statistics"].items():
                net.buffers[here.names[name]] = value
            return 0

        plan.call("running", running, [])
    return y


def read(plan: Plan, tensor: Tensor, shape: Sequence[int], n: int) -> Any:
    """A copy of the first n rows of a tensor, channels first."""
    return np.array(tensor.array(plan.arena, n), order="C").reshape(n, *shape)


def write(plan: Plan, tensor: Tensor, array: Any, *, add: bool = False) -> None:
    """Put rows, channels first, into a tensor, or add them to it."""
    n = array.shape[0]
    to = tensor.array(plan.arena, n)
    values = np.asarray(array).reshape(n, tensor.c, tensor.h, tensor.w)
    if add:
        to += values
    else:
        to[...] = values


# -- the whole ---------------------------------------------------------------------------------------------------------


def make_plan(network: Any, capacity: int, *, train: bool, winograd: bool = True) -> tuple[Plan, Value, Value]:
    """The plan of a training step, or of a forward pass in test mode; its input and its scores."""
    plan = Plan(network, capacity, train=train, winograd=winograd)
    x = plan.value(network.input_shape, needs_gradient=False)
    plan.layer = "input"
    plan.clear_border("forward", x.data)
    plan.emit("forward", "load_input", [x.data], [x.data], floats=2 * x.data.h * x.data.w * x.data.c)
    scores = lower(plan, placed(network.layers, None, ()), x)
    plan.layer = "scores"
    if train:
        scores.uses += 1
        _lower_loss(plan, network.loss_function, scores)
        for backward in reversed(plan.tape):
            backward()
        _lower_update(plan)
    else:
        plan.call("loss", lambda n, step: 0, [scores.data])  # keeps the scores' memory until the end
    return plan, x, scores


def _lower_loss(plan: Plan, loss: Loss, scores: Value) -> None:
    net = plan.network
    plan.layer = f"loss {loss.name}"
    scores.grad = plan.tensor(scores.shape)
    d = scores.grad
    plan.clear_border("loss", d)
    kernel = LOSS_KERNELS.get(type(loss))
    if kernel is not None and _takes(loss, scores):
        plan.loss_kernel = kernel
        arguments = [scores.data, d, *kernel.options(loss)]
        plan.emit("loss", kernel.name, arguments, [scores.data, d], note=kernel.note)
    else:
        plan.fallbacks.append(plan.layer)

        def run(n: int, step: int) -> int:
            with np.errstate(all="ignore"):
                value, dscores = loss(read(plan, scores.data, scores.shape, n), plan.targets)
            plan.loss = float(value)
            write(plan, d, dscores)
            return 0 if np.isfinite(plan.loss) else 1

        plan.call("loss", run, [scores.data, d])
    if net.reg:
        for start, stop, decay in ranges(plan, set()):
            if decay:
                at = address(PARAMS, start)
                plan.emit("loss", "l2_loss", [at, stop - start, float(net.reg)], [])


def _takes(loss: Loss, scores: Value) -> bool:
    """Whether the scores have the axes that the loss wants; it says itself what is wrong when it is called."""
    try:
        loss.check_scores(np.broadcast_to(np.float32(0), (1, *scores.shape)))
    except ChainruleError:
        return False
    return True


def _lower_update(plan: Plan) -> None:
    net = plan.network
    plan.layer = "parameters"
    base_w, base_g = address(PARAMS, 0), address(GRADIENTS, 0)
    if net.reg:
        for start, stop, decay in ranges(plan, set()):
            if decay:
                plan.emit(
                    "gradients", "l2_gradient",
                    [base_w + start, base_g + start, stop - start, float(net.reg)], [],
                )  # fmt: skip
    for start, stop, decay in ranges(plan, plan.fused_weights):
        plan.emit("check", "check_gradient", [base_g + start, stop - start], [])
        plan.emit("update", "update", [base_w + start, stop - start, decay], [])


def ranges(plan: Plan, without: set[str]) -> list[tuple[int, int, bool]]:
    """Stretches (start, stop, decay) of the flat vector of parameters, those named in `without` left out."""
    net = plan.network
    result: list[tuple[int, int, bool]] = []
    for name, where in net.params.slices.items():
        decay = net.body.params[name].decay
        if name in without:
            continue
        if result and result[-1][1] == where.start and result[-1][2] == decay:
            result[-1] = (result[-1][0], where.stop, decay)
        else:
            result.append((where.start, where.stop, decay))
    return result
