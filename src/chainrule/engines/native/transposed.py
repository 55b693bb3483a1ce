"""Transposed convolution: forward as a convolution's input gradient, backward as that convolution."""

from __future__ import annotations

import itertools
from typing import Any

from chainrule.engines.native.memory import NONE
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.engines.native.products import _mask_target, _masked, _merge, _padded, _taps


def lower_conv_transpose2d(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    """y = fold(Wᵀ x) + b: one correlation for each phase of the stride, as in the input gradient of `Conv2D`."""
    layer: Any = here.layer
    at = layer.windows(*x.shape[1:])  # over y, one for each pixel of x
    (kh, kw), stride, (dh, dw) = at.kernel, at.stride, at.dilation
    top, bottom, left, right = at.padding
    groups, taps = layer.groups, kh * kw
    Cg, Fg = x.data.c // groups, layer.filters // groups
    x.uses += 1
    y = plan.value((layer.filters, *at.image), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    flops = 2 * x.data.c * Fg * taps * x.data.h * x.data.w
    floats = x.data.c * x.data.h * x.data.w + y.data.c * y.data.h * y.data.w
    plan.clear_border("forward", y.data)
    for r, q in itertools.product(range(min(stride[0], y.data.h)), range(min(stride[1], y.data.w))):
        rows, columns = _taps(kh, dh, stride[0], top, r), _taps(kw, dw, stride[1], left, q)
        used = [(i, j, down, across) for i, down in rows for j, across in columns]
        ends = [-(-(y.data.h - r) // stride[0]), -(-(y.data.w - q) // stride[1])]
        down, across = ([shift for _, shift in axis] or [0] for axis in (rows, columns))
        x.data.need_border(
            max(0, -min(down)), max(0, ends[0] + max(down) - x.data.h),
            max(0, -min(across)), max(0, ends[1] + max(across) - x.data.w),
        )  # fmt: skip
        offsets = [c * Fg * taps + i * kw + j for i, j, _, _ in used for c in range(Cg)]
        packed = plan.buffer(max(1, groups * _padded(Fg) * len(offsets)))
        if offsets:
            plan.emit("forward", "pack", [W, packed, groups, Fg, taps, Cg * Fg * taps, *offsets], [packed])

        def arguments(r: int = r, q: int = q, used: Any = used, packed: Any = packed) -> list[Any]:
            runs, length = _merge([a * x.data.row + b * x.data.pixel for _, _, a, b in used], Cg)
            view = y.data.phase(r, q, stride)
            return [x.data, view, NONE, packed, b, 1, 1, relu, 0, groups, length, *runs]

        plan.emit(
            "forward", "correlate", arguments, [x.data, y.data, packed],
            flops=flops // (stride[0] * stride[1]), floats=floats // (stride[0] * stride[1]),
            note="transposed convolution + bias + ReLU" if relu else "",
        )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = _masked(plan, y)
        d.need_border(top, bottom, left, right)
        if layer.bias:
            plan.emit("backward", "bias_gradient", [d, plan.gradient(here.names["b"])], [d], floats=floats)

        def runs_over(length: int) -> tuple[list[int], int]:
            offsets = [(i * dh - top) * d.row + (j * dw - left) * d.pixel for i in range(kh) for j in range(kw)]
            return _merge(offsets, length)

        offsets = [f * taps + i * kw + j for i in range(kh) for j in range(kw) for f in range(Fg)]
        sums = plan.buffer(groups * taps * Fg * Cg)

        def weight_arguments() -> list[Any]:
            runs, length = runs_over(Fg)
            return [d, x.data, sums, *stride, groups, length, *runs]

        plan.emit(
            "backward", "correlate_weights", weight_arguments, [x.data, d, sums], flops=flops, floats=floats,
        )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        layout = [groups, Cg, Fg * taps, Cg * Fg * taps, *offsets]
        plan.emit("backward", "unpack_gradient", [dW, sums, *layout], [sums])
        if not x.needs_gradient:
            return
        dx, accumulate, mask = _mask_target(plan, x)
        packed = plan.buffer(groups * _padded(Cg) * taps * Fg)
        plan.emit("backward", "pack", [W, packed, *layout], [packed])

        def arguments() -> list[Any]:
            runs, length = runs_over(Fg)
            masked = NONE if mask is None else mask.view()[0]
            return [d, dx, masked, packed, NONE, *stride, 0, accumulate, groups, length, *runs]

        plan.emit(
            "backward", "correlate", arguments, [d, dx, packed, *([mask] if mask else [])],
            flops=flops, floats=floats, note="input gradient",
        )  # fmt: skip

    plan.tape.append(backward)
    return y
