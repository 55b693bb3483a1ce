"""From layers to operations: one function a layer, in one explicit list; other layers run by their own files.

Neighbours are fused by name where one pass over memory serves them all:

    product + ReLU         the affine layer or convolution writes max(y, 0), and its consumer's gradient is masked
    block                  batch normalisation, ReLU, disjoint max pooling and dropout, in this order, any left out
    update                 the gradient of an affine layer's W meets the update rule while it is in cache
    loss                   softmax, cross-entropy and their gradient
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.arrays import Stream, derive_key
from chainrule.engines.native.memory import GRADIENTS, NONE, PARAMS, Buffer, Tensor, address
from chainrule.engines.native.plan import Plan, Value, real
from chainrule.geometry import Windows, entries
from chainrule.layers import (
    ELU,
    SELU,
    Affine,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePool,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.layers.pooling import fit_pooling
from chainrule.layers.sequential import parameter_names
from chainrule.losses import Loss, SoftmaxCrossEntropy

_MOST_PARTS = 64  # of a sum: native/images.hpp
_MOST_TAPS = 16  # of a block's window: native/kernels/block.cpp


class Placed(NamedTuple):
    """A layer in its place: its tensors' names in the network, and the indices that lead to it."""

    layer: Layer
    names: Mapping[str, str]
    path: tuple[int, ...]

    @property
    def label(self) -> str:
        """How listings name it."""
        return f"{'.'.join(map(str, self.path))} {self.layer.name}"


def placed(layers: Sequence[Layer], names: Mapping[str, str] | None, path: tuple[int, ...]) -> list[Placed]:
    """The layers in order, those inside a `Sequential` in its place."""
    result: list[Placed] = []
    for i, (layer, own) in enumerate(zip(layers, parameter_names(tuple(layers)), strict=True)):
        here = {n: whole if names is None else names[whole] for n, whole in own.items()}
        at = (*path, i)
        if isinstance(layer, Sequential) and type(layer) is Sequential:  # a subclass may compute something else
            result += placed(layer.layers, here, at)
        else:
            result.append(Placed(layer, here, at))
    return result


def lower(plan: Plan, layers: list[Placed], x: Value) -> Value:
    """Append the operations of the layers, and what they need backward to the tape."""
    i = 0
    while i < len(layers):
        here = layers[i]
        plan.layer = here.label
        follower = layers[i + 1].layer if i + 1 < len(layers) else None
        count = _block_length(layers[i:], x)
        if type(here.layer) in _PRODUCTS:
            alone = type(follower) is ReLU and _block_length(layers[i + 1 :], x, ahead=True) == 1
            x = _PRODUCTS[type(here.layer)](plan, here, x, alone)
            i += 1 + alone
        elif count:
            x = _lower_block(plan, layers[i : i + count], x)
            i += count
        elif type(here.layer) in _LOWERINGS and _suits(here.layer, x):
            x = _LOWERINGS[type(here.layer)](plan, here, x)
            i += 1
        else:
            x = _lower_call(plan, here, x)
            i += 1
    return x


def _suits(layer: Layer, x: Value) -> bool:
    if isinstance(layer, (Flatten, Residual, Branches)):
        return len(x.shape) in (1, 3)
    if isinstance(layer, Softplus):
        return layer.beta == 1
    return True


# -- products ----------------------------------------------------------------------------------------------------------


def _masked(plan: Plan, y: Value) -> Tensor:
    """The gradient at y, zeroed where a fused ReLU was not positive, unless its maker has done that already."""
    d = plan.grad_of(y)
    if y.rectified and not y.masked:
        zeros = [NONE] * 4
        plan.emit(
            "backward",
            "block_backward",
            [d, y.data, d, zeros, 1, 1, 1, NONE, 0, 1.0],
            [d, y.data],
            floats=3 * y.data.h * y.data.w * y.data.c,
            note="ReLU",
        )
    return d


def _mask_target(plan: Plan, x: Value) -> tuple[Tensor, int, Tensor | None]:
    """Where a product writes the gradient of its input, and the mask it can apply on the way out."""
    dx, accumulate = plan.target(x)
    mask = x.data if x.rectified and x.uses == 1 else None
    if mask is not None:
        x.masked = True
        dx.share_border(mask)  # one distance then serves both
    return dx, accumulate, mask


def _lower_affine(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    layer: Any = here.layer
    D, M = x.data.c, layer.units
    x.uses += 1
    y = plan.value((M,), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    note = "affine + bias + ReLU" if relu else ""
    plan.emit(
        "forward", "affine_forward", [x.data, y.data, W, b, relu], [x.data, y.data],
        flops=2 * D * M, floats=D + M, note=note,
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = _masked(plan, y)
        if x.needs_gradient:
            dx, accumulate, mask = _mask_target(plan, x)
            touched = [d, dx, *([mask] if mask else [])]
            plan.emit(
                "backward", "affine_backward",
                lambda: [d, dx, W, NONE if mask is None else mask.view()[0], accumulate], touched,
                flops=2 * D * M, floats=D + M, note="ReLU of the layer before" if mask else "",
            )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        plan.emit("gradients", "affine_gradient", [x.data, d, dW], [x.data, d], flops=2 * D * M, floats=D + M)
        plan.emit("check", "check_products", [x.data, d], [x.data, d], floats=D + M)
        decay = plan.network.body.params[here.names["W"]].decay
        plan.emit(
            "update", "affine_update", [x.data, d, W, decay], [x.data, d],
            flops=2 * D * M, floats=D + M, note="gradient + update rule",
        )  # fmt: skip
        plan.fused_weights.add(here.names["W"])
        if layer.bias:
            db = plan.gradient(here.names["b"])
            plan.emit("backward", "bias_gradient", [d, db], [d], floats=M)

    plan.tape.append(backward)
    return y


def _taps(count: int, dilation: int, stride: int, before: int, phase: int) -> list[tuple[int, int]]:
    """The taps that meet pixels phase, phase + stride, … of one axis, with the windows they belong to there.

    Pixel stride·q + phase is tap i of window q + δ where δ·stride = phase + before − i·dilation.
    """
    reached = [(i, divmod(phase + before - i * dilation, stride)) for i in range(count)]
    return sorted(((i, q) for i, (q, rest) in reached if rest == 0), key=lambda pair: pair[1])


def _merge(offsets: list[int], length: int) -> tuple[list[int], int]:
    """Runs of `length` floats joined where all follow each other in equal groups."""
    group = 1
    while group < len(offsets) and offsets[group] == offsets[group - 1] + length:
        group += 1
    starts = offsets[::group]
    whole = [start + i * length for start in starts for i in range(group)]
    return (starts, length * group) if whole == offsets else (offsets, length)


def _lower_conv2d(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    layer: Any = here.layer
    C, H, Wd = x.shape
    at = layer.windows(H, Wd)
    (kh, kw), (sh, sw), (dh, dw) = at.kernel, at.stride, at.dilation
    top, bottom, left, right = at.padding
    groups, F = layer.groups, layer.filters
    Cg, Fg, taps = C // groups, F // groups, kh * kw
    x.uses += 1
    x.data.need_border(top, bottom, left, right)
    y = plan.value((F, *at.output), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    flops = 2 * F * Cg * taps * at.output[0] * at.output[1]
    area_in, area_out = C * H * Wd, F * at.output[0] * at.output[1]

    forward_offsets = [c * taps + i * kw + j for i in range(kh) for j in range(kw) for c in range(Cg)]
    packed = plan.buffer(groups * _padded(Fg) * taps * Cg)
    pack = [W, packed, groups, Fg, Cg * taps, Fg * Cg * taps, *forward_offsets]
    plan.emit("forward", "pack", pack, [packed])
    plan.clear_border("forward", y.data)

    def forward_runs() -> tuple[list[int], int]:
        t = x.data
        offsets = [(i * dh - top) * t.row + (j * dw - left) * t.pixel for i in range(kh) for j in range(kw)]
        return _merge(offsets, Cg)

    def arguments() -> list[Any]:
        runs, length = forward_runs()
        return [x.data, y.data, NONE, packed, b, sh, sw, relu, 0, groups, length, *runs]

    plan.emit(
        "forward", "correlate", arguments, [x.data, y.data, packed],
        flops=flops, floats=area_in + area_out, note="convolution + bias + ReLU" if relu else "",
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = _masked(plan, y)
        if layer.bias:
            db = plan.gradient(here.names["b"])
            plan.emit("backward", "bias_gradient", [d, db], [d], floats=area_out)
        sums = plan.buffer(groups * taps * Cg * Fg)

        def weight_arguments() -> list[Any]:
            runs, length = forward_runs()
            return [x.data, d, sums, sh, sw, groups, length, *runs]

        plan.emit(
            "backward", "correlate_weights", weight_arguments, [x.data, d, sums],
            flops=flops, floats=area_in + area_out,
        )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        unpack = [dW, sums, groups, Fg, Cg * taps, Fg * Cg * taps, *forward_offsets]
        plan.emit("backward", "unpack_gradient", unpack, [sums])
        if x.needs_gradient:
            _conv_input_gradient(plan, at, x, d, W, (groups, Cg, Fg), flops)

    plan.tape.append(backward)
    return y


def _conv_input_gradient(
    plan: Plan, at: Windows, x: Value, d: Tensor, W: int, sizes: tuple[int, int, int], flops: int
) -> None:
    """One correlation for each phase of the stride: the taps that meet its pixels, over the windows they belong to."""
    groups, Cg, Fg = sizes
    (kh, kw), stride, (dh, dw) = at.kernel, at.stride, at.dilation
    taps = kh * kw
    dx, accumulate, mask = _mask_target(plan, x)
    for r, q in itertools.product(range(min(stride[0], dx.h)), range(min(stride[1], dx.w))):
        rows, columns = (
            _taps(count, dilation, step, before, phase)
            for count, dilation, step, before, phase in (
                (kh, dh, stride[0], at.padding[0], r),
                (kw, dw, stride[1], at.padding[2], q),
            )
        )
        used = [(i, j, a, b) for i, a in rows for j, b in columns]
        ends = [-(-(size - phase) // step) for size, phase, step in ((dx.h, r, stride[0]), (dx.w, q, stride[1]))]
        reach = [[shift for _, shift in axis] or [0] for axis in (rows, columns)]
        d.need_border(
            max(0, -min(reach[0])), max(0, ends[0] + max(reach[0]) - d.h),
            max(0, -min(reach[1])), max(0, ends[1] + max(reach[1]) - d.w),
        )  # fmt: skip
        offsets = [f * Cg * taps + i * kw + j for i, j, _, _ in used for f in range(Fg)]
        packed = plan.buffer(max(1, groups * _padded(Cg) * len(offsets)))
        pack = [W, packed, groups, Cg, taps, Fg * Cg * taps, *offsets]
        if offsets:
            plan.emit("backward", "pack", pack, [packed])

        def arguments(r: int = r, q: int = q, used: Any = used, packed: Any = packed) -> list[Any]:
            runs, length = _merge([a * d.row + b * d.pixel for _, _, a, b in used], Fg)
            view = dx.phase(r, q, stride)
            masked = NONE if mask is None else mask.phase(r, q, stride)[0]
            return [d, view, masked, packed, NONE, 1, 1, 0, accumulate, groups, length, *runs]

        plan.emit(
            "backward", "correlate", arguments, [d, dx, packed, *([mask] if mask else [])],
            flops=flops // (stride[0] * stride[1]), floats=dx.c * ends[0] * ends[1] + d.c * d.h * d.w,
            note="input gradient",
        )  # fmt: skip


def _padded(outputs: int) -> int:
    return -(-outputs // 16) * 16  # whole vectors of the widest instruction set


_PRODUCTS: dict[type[Layer], Callable[[Plan, Placed, Value, bool], Value]] = {
    Affine: _lower_affine,
    Conv2D: _lower_conv2d,
}


# -- blocks ------------------------------------------------------------------------------------------------------------


def _block_length(layers: list[Placed], x: Value, *, ahead: bool = False) -> int:
    """How many of the first layers make one block; `ahead`: x is what comes before a product, whose shape differs."""
    order = 0
    for i, here in enumerate(layers):
        rank = _block_rank(here.layer)
        if rank <= order or (i == 0 and not ahead and rank == 1 and len(x.shape) not in (1, 3)):
            return i
        if rank == 3 and not ahead and len(x.shape) == 3 and not _is_disjoint(here.layer, x):
            return i
        order = rank
    return len(layers)


def _block_rank(layer: Layer) -> int:
    return {BatchNorm: 1, ReLU: 2, MaxPool2D: 3, Dropout: 4}.get(type(layer), 0)


def _is_disjoint(layer: Any, x: Value) -> bool:
    at = fit_pooling(layer, *x.shape[1:])
    tiled = tuple(size * count for size, count in zip(at.kernel, at.output, strict=True))
    return at.stride == at.kernel and not any(at.padding) and tiled == at.image and at.taps <= _MOST_TAPS


def _lower_block(plan: Plan, layers: list[Placed], x: Value) -> Value:
    parts = {type(p.layer): p for p in layers}
    norm, pool, drop = parts.get(BatchNorm), parts.get(MaxPool2D), parts.get(Dropout)
    relu = ReLU in parts
    if drop is not None and (not plan.train or drop.layer.rate == 0):  # type: ignore[attr-defined]
        drop = None
    if not (norm or pool or relu or drop):
        return x
    plan.layer = " + ".join(p.label for p in layers)
    note = "fused block" if len(layers) > 1 else ""
    shape, window = x.shape, (1, 1)
    if pool is not None:
        window = fit_pooling(pool.layer, *x.shape[1:]).kernel
        shape = pool.layer.output_shape((1, *x.shape))[1:]
    label = plan.layer
    x.uses += 1
    z, C = x.data, x.data.c
    y = plan.value(shape)
    floats = z.h * z.w * z.c + y.data.h * y.data.w * y.data.c
    scale: Buffer | None = None
    rstd: Buffer | None = None
    mean: Buffer | int | None = None  # of the batch, or the running one
    beta = NONE
    if norm is not None:
        layer: Any = norm.layer
        gamma, beta = plan.param(norm.names["gamma"]), plan.param(norm.names["beta"])
        running_mean, running_var = plan.param(norm.names["running_mean"]), plan.param(norm.names["running_var"])
        scale = plan.buffer(C)
        if plan.train:
            mean = batch_mean = plan.buffer(C)
            var, rstd = plan.buffer(C), plan.buffer(C)
            partials = plan.buffer(_MOST_PARTS * 2 * C)
            plan.emit(
                "forward", "moments", [z, gamma, mean, var, rstd, scale, partials, layer.eps],
                [z, batch_mean, var, rstd, scale, partials], floats=z.h * z.w * z.c,
            )  # fmt: skip
            plan.emit(
                "running", "running_moments",
                [mean, var, running_mean, running_var, C, float(layer.momentum)], [batch_mean, var],
            )  # fmt: skip
        else:
            mean = running_mean
            plan.emit("forward", "fixed_scale", [C, gamma, running_var, scale, layer.eps], [scale])
    keep, keep_scale = None, 1.0
    if drop is not None:
        rate = drop.layer.rate  # type: ignore[attr-defined]
        keep, keep_scale = plan.buffer(-(-plan.capacity * y.data.h * y.data.w * y.data.c // 4)), 1 / (1 - rate)
        threshold = min(round(rate * 2**32), 2**32 - 1)
        path = drop.path
        plan.emit("forward", "dropout_mask", lambda: [keep.at, *y.data.view()[1:], threshold, *path], [keep])
    plan.clear_border("forward", y.data)
    constants = [b for b in (scale, mean, rstd, keep) if isinstance(b, Buffer)]
    plan.emit(
        "forward", "block_forward",
        [z, y.data, scale, mean, beta, relu, *window, keep, keep_scale], [z, y.data, *constants],
        floats=floats, note=note,
    )  # fmt: skip

    def backward() -> None:
        plan.layer = label
        d = plan.grad_of(y)
        coefficients = None
        if norm is not None:
            coefficients, sums = plan.buffer(3 * C), plan.buffer(_MOST_PARTS * 2 * C)
            dgamma, dbeta = plan.gradient(norm.names["gamma"]), plan.gradient(norm.names["beta"])
            gamma = plan.param(norm.names["gamma"])
            plan.emit(
                "backward", "block_sums",
                [d, z, scale, mean, beta, relu, *window, keep, sums, keep_scale], [d, z, *constants, sums],
                floats=floats, note=note,
            )  # fmt: skip
            plan.emit(
                "backward", "block_gradients",
                [d, z, gamma, mean, rstd, dgamma, dbeta, coefficients, sums],
                [*constants, coefficients, sums],
            )  # fmt: skip
        if not x.needs_gradient:
            return
        dz, accumulate = plan.target(x, in_place=True)
        more = [coefficients] if coefficients is not None else []
        plan.emit(
            "backward", "block_backward",
            [d, z, dz, scale, mean, beta, coefficients, relu, *window, keep, accumulate, keep_scale],
            [d, z, dz, *constants, *more], floats=floats + dz.h * dz.w * dz.c, note=note,
        )  # fmt: skip

    if plan.train:
        plan.tape.append(backward)
    return y


# -- other layers ------------------------------------------------------------------------------------------------------

_KINDS: dict[type[Layer], tuple[int, str | None]] = {  # number in native/kernels/activation.cpp, the field it takes
    LeakyReLU: (0, "slope"),
    Tanh: (1, None),
    Sigmoid: (2, None),
    ELU: (3, "alpha"),
    SiLU: (4, None),
    Softplus: (5, None),
    SELU: (6, None),
}


def _lower_activation(plan: Plan, here: Placed, x: Value) -> Value:
    kind, name = _KINDS[type(here.layer)]
    a = float(getattr(here.layer, name)) if name else 0.0
    x.uses += 1
    y = plan.value(x.shape)
    plan.clear_border("forward", y.data)
    plan.emit("forward", "activate", [x.data, y.data, kind, a], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x, in_place=True)
            plan.emit("backward", "activate_backward", [d, x.data, dx, kind, accumulate, a], [d, x.data, dx])

    plan.tape.append(backward)
    return y


def _window(at: Windows) -> list[int]:
    return [*at.kernel, *at.stride, at.padding[0], at.padding[2], *at.image]


def _lower_max_pool(plan: Plan, here: Placed, x: Value) -> Value:
    at = fit_pooling(here.layer, *x.shape[1:])
    x.uses += 1
    y = plan.value((x.shape[0], *at.output))
    winners = plan.buffer(plan.capacity * y.data.h * y.data.w * y.data.c)
    plan.clear_border("forward", y.data)
    plan.emit("forward", "max_pool_forward", [x.data, y.data, winners, *_window(at)], [x.data, y.data, winners])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "max_pool_backward", [d, dx, winners, *_window(at), accumulate], [d, dx, winners])

    plan.tape.append(backward)
    return y


def _lower_average_pool(plan: Plan, here: Placed, x: Value) -> Value:
    layer: Any = here.layer
    x.uses += 1
    if isinstance(layer, GlobalAveragePool):
        _, h, w = x.shape
        y = plan.value(x.shape[:1])
        window, counts = [h, w, h, w, 0, 0, h, w], [h, w]
    else:
        at = fit_pooling(layer, *x.shape[1:])
        y = plan.value((x.shape[0], *at.output))
        window = _window(at)
        counts = [n for axis in range(2) for n in entries(at, axis, padding=layer.count_include_pad)]
    plan.clear_border("forward", y.data)
    plan.emit("forward", "average_pool_forward", [x.data, y.data, *window, *counts], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "average_pool_backward", [d, dx, *window, accumulate, *counts], [d, dx])

    plan.tape.append(backward)
    return y


def _lower_flatten(plan: Plan, here: Placed, x: Value) -> Value:
    if len(x.shape) == 1:
        return x
    x.uses += 1
    y = plan.value((x.data.c * x.data.h * x.data.w,))
    plan.emit("forward", "flatten", [x.data, y.data], [x.data, y.data], floats=2 * y.data.c)

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "unflatten", [d, dx, accumulate], [d, dx], floats=2 * y.data.c)

    plan.tape.append(backward)
    return y


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
    **dict.fromkeys(_KINDS, _lower_activation),
    MaxPool2D: _lower_max_pool,
    AveragePool2D: _lower_average_pool,
    GlobalAveragePool: _lower_average_pool,
    Flatten: _lower_flatten,
    Residual: _lower_residual,
    Branches: _lower_branches,
}


# -- what has no kernel ------------------------------------------------------------------------------------------------


def _lower_call(plan: Plan, here: Placed, x: Value) -> Value:
    """Run a layer by its own file, on copies of what the arena holds."""
    layer, net = here.layer, plan.network
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
        return 0

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
            for name, value in layer.update_buffers(tensors(), kept["cache"]).items():
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


def make_plan(network: Any, capacity: int, *, train: bool) -> tuple[Plan, Value, Value]:
    """The plan of a training step, or of a forward pass in test mode; its input and its scores."""
    plan = Plan(network, capacity, train=train)
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
    if type(loss) is SoftmaxCrossEntropy and len(scores.shape) == 1 and scores.shape[0] > 1:
        plan.loss_is_native = True
        weights = [real(float(w)) for w in loss.class_weights or ()]
        smoothing = float(loss.label_smoothing)
        plan.emit(
            "loss", "softmax_cross_entropy", [scores.data, d, smoothing, *weights], [scores.data, d],
            note="softmax + cross-entropy + gradient",
        )  # fmt: skip
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
                plan.emit("loss", "l2_loss", [at, stop - start, net.reg], [])


def _lower_update(plan: Plan) -> None:
    net = plan.network
    plan.layer = "parameters"
    base_w, base_g = address(PARAMS, 0), address(GRADIENTS, 0)
    if net.reg:
        for start, stop, decay in ranges(plan, set()):
            if decay:
                plan.emit(
                    "gradients", "l2_gradient",
                    [base_w + start, base_g + start, stop - start, net.reg], [],
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
