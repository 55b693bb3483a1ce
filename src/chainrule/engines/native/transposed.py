"""Transposed convolution: forward as a convolution's input gradient, backward as that convolution."""

from __future__ import annotations

import itertools
from typing import Any

from chainrule.engines.native.gradients import lower_bias_gradient, mask_target, masked, padded
from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.engines.native.products import _merge, _operand, _taps


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
    operand = _operand(plan, "forward", x.data, groups)
    plan.clear_border("forward", y.data)
    for r, q in itertools.product(range(min(stride[0], y.data.h)), range(min(stride[1], y.data.w))):
        rows, columns = _taps(kh, dh, stride[0], top, r), _taps(kw, dw, stride[1], left, q)
        used = [(i, j, down, across) for i, down in rows for j, across in columns]
        ends = [-(-(y.data.h - r) // stride[0]), -(-(y.data.w - q) // stride[1])]
        down, across = ([shift for _, shift in axis] or [0] for axis in (rows, columns))
        operand.tensor.need_border(
            max(0, -min(down)), max(0, ends[0] + max(down) - x.data.h),
            max(0, -min(across)), max(0, ends[1] + max(across) - x.data.w),
        )  # fmt: skip
        offsets = operand.offsets([[c * Fg * taps + i * kw + j for c in range(Cg)] for i, j, _, _ in used])
        packed = plan.buffer(max(1, groups * padded(Fg) * len(used) * operand.channels))
        if offsets:
            pack = [W, packed, groups, Fg, taps, Cg * Fg * taps, *offsets]
            plan.emit("forward", f"pack{operand.kernels}", pack, [packed])

        def arguments(r: int = r, q: int = q, used: Any = used, packed: Any = packed) -> list[Any]:
            t = operand.tensor
            runs, length = _merge([a * t.row + b * t.pixel for _, _, a, b in used], operand.channels)
            view = y.data.phase(r, q, stride)
            return [t, view, NONE, packed, b, 1, 1, relu, 0, groups, length, *runs]

        plan.emit(
            "forward", f"correlate{operand.kernels}", arguments, [operand.tensor, y.data, packed],
            flops=flops // (stride[0] * stride[1]), floats=floats // (stride[0] * stride[1]),
            note="transposed convolution + bias + ReLU" if relu else "",
        )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        lower_bias_gradient(plan, here, d)
        d.need_border(top, bottom, left, right)

        def runs_over(t: Tensor, length: int) -> tuple[list[int], int]:
            offsets = [(i * dh - top) * t.row + (j * dw - left) * t.pixel for i in range(kh) for j in range(kw)]
            return _merge(offsets, length)

        by_tap = [[f * taps + i * kw + j for f in range(Fg)] for i in range(kh) for j in range(kw)]
        layout = [groups, Cg, Fg * taps, Cg * Fg * taps]
        sums = plan.buffer(groups * taps * Fg * Cg)

        def weight_arguments() -> list[Any]:
            runs, length = runs_over(d, Fg)
            return [d, x.data, sums, *stride, groups, length, *runs]

        plan.emit(
            "backward", f"correlate_weights{operand.kernels}", weight_arguments, [x.data, d, sums],
            flops=flops, floats=floats,
        )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        plan.emit("backward", "unpack_gradient", [dW, sums, *layout, *itertools.chain(*by_tap)], [sums])
        if not x.needs_gradient:
            return
        dx, accumulate, mask = mask_target(plan, x)
        arrived = _operand(plan, "backward", d, groups)
        arrived.tensor.need_border(top, bottom, left, right)
        packed = plan.buffer(groups * padded(Cg) * taps * arrived.channels)
        plan.emit("backward", f"pack{arrived.kernels}", [W, packed, *layout, *arrived.offsets(by_tap)], [packed])

        def arguments() -> list[Any]:
            runs, length = runs_over(arrived.tensor, arrived.channels)
            at_mask = NONE if mask is None else mask.view()[0]
            return [arrived.tensor, dx, at_mask, packed, NONE, *stride, 0, accumulate, groups, length, *runs]

        plan.emit(
            "backward", f"correlate{arrived.kernels}", arguments,
            [arrived.tensor, dx, packed, *([mask] if mask else [])], flops=flops, floats=floats, note="input gradient",
        )  # fmt: skip

    plan.tape.append(backward)
    return y
