"""Depthwise convolution: each channel has a kernel of its own, so that lanes of vectors are channels."""

from __future__ import annotations

import itertools
from typing import Any

from chainrule.engines.native.gradients import lower_bias_gradient, mask_target, masked, padded
from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.engines.native.products import _taps
from chainrule.geometry import Windows
from chainrule.layers import Conv2D
from chainrule.layers.layer import Layer


def is_depthwise(layer: Layer, x: Value) -> bool:
    """Whether groups, channels and filters are as many."""
    return type(layer) is Conv2D and layer.groups == layer.filters == x.data.c > 1


def lower_depthwise(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    """y = W ⋆ x + b, channel by channel."""
    layer: Any = here.layer
    at = layer.windows(*x.shape[1:])
    (kh, kw), (sh, sw), (dh, dw) = at.kernel, at.stride, at.dilation
    top, bottom, left, right = at.padding
    C, taps = x.data.c, kh * kw
    x.uses += 1
    t = _rounded(plan, "forward", x.data)
    t.need_border(top, bottom, left, right)
    y = plan.value((C, *at.output), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    flops, floats = 2 * C * taps * y.data.h * y.data.w, C * (x.data.h * x.data.w + y.data.h * y.data.w)
    packed = plan.buffer(padded(C) * taps)
    plan.emit("forward", "pack_channels", [W, packed, C, taps, plan.network.mixed, *range(taps)], [packed])
    plan.clear_border("forward", y.data)

    def runs() -> list[int]:
        return [(i * dh - top) * t.row + (j * dw - left) * t.pixel for i in range(kh) for j in range(kw)]

    plan.emit(
        "forward", "correlate_channels", lambda: [t, y.data, NONE, packed, b, sh, sw, relu, 0, *runs()],
        [t, y.data, packed],
        flops=flops, floats=floats, note="convolution + bias + ReLU" if relu else "",
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        lower_bias_gradient(plan, here, d)
        d = _rounded(plan, "backward", d)
        dW = plan.gradient(here.names["W"])
        plan.emit(
            "backward", "correlate_channels_weights", lambda: [t, d, dW, sh, sw, *runs()], [t, d],
            flops=flops, floats=floats,
        )  # fmt: skip
        if x.needs_gradient:
            _input_gradient(plan, at, x, d, W, flops, floats)

    plan.tape.append(backward)
    return y


def _rounded(plan: Plan, phase: str, tensor: Tensor) -> Tensor:
    """The tensor itself, or under mixed precision a copy whose numbers are bfloat16."""
    if not plan.network.mixed:
        return tensor
    made = plan.tensor((tensor.c, tensor.h, tensor.w))
    plan.clear_border(phase, made)
    plan.emit(phase, "round_numbers", [tensor, made], [tensor, made], floats=2 * tensor.c * tensor.h * tensor.w)
    return made


def _input_gradient(plan: Plan, at: Windows, x: Value, d: Tensor, W: int, flops: int, floats: int) -> None:
    """One correlation for each phase of the stride: the taps that meet its pixels, over the windows they belong to."""
    (kh, kw), stride, (dh, dw) = at.kernel, at.stride, at.dilation
    dx, accumulate, mask = mask_target(plan, x)
    C, taps = dx.c, kh * kw
    for r, q in itertools.product(range(min(stride[0], dx.h)), range(min(stride[1], dx.w))):
        rows, columns = _taps(kh, dh, stride[0], at.padding[0], r), _taps(kw, dw, stride[1], at.padding[2], q)
        used = [(i, j, down, across) for i, down in rows for j, across in columns]
        ends = [-(-(dx.h - r) // stride[0]), -(-(dx.w - q) // stride[1])]
        down, across = ([shift for _, shift in axis] or [0] for axis in (rows, columns))
        d.need_border(
            max(0, -min(down)), max(0, ends[0] + max(down) - d.h),
            max(0, -min(across)), max(0, ends[1] + max(across) - d.w),
        )  # fmt: skip
        packed = plan.buffer(max(1, padded(C) * len(used)))
        if used:
            offsets = [i * kw + j for i, j, _, _ in used]
            plan.emit("backward", "pack_channels", [W, packed, C, taps, plan.network.mixed, *offsets], [packed])

        def arguments(r: int = r, q: int = q, used: Any = used, packed: Any = packed) -> list[Any]:
            runs = [a * d.row + b * d.pixel for _, _, a, b in used]
            at_mask = NONE if mask is None else mask.phase(r, q, stride)[0]
            return [d, dx.phase(r, q, stride), at_mask, packed, NONE, 1, 1, 0, accumulate, *runs]

        plan.emit(
            "backward", "correlate_channels", arguments, [d, dx, packed, *([mask] if mask else [])],
            flops=flops // (stride[0] * stride[1]), floats=floats // (stride[0] * stride[1]), note="input gradient",
        )  # fmt: skip
