"""Affine layers and convolutions: the layers that multiply matrices, with a ReLU that follows fused in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.geometry import Windows
from chainrule.layers import Affine, Conv2D
from chainrule.layers.layer import Layer


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


PRODUCTS: dict[type[Layer], Callable[[Plan, Placed, Value, bool], Value]] = {
    Affine: _lower_affine,
    Conv2D: _lower_conv2d,
}
