"""Convolutions of 3 × 3 windows with stride 1 by Winograd's F(2 × 2, 3 × 3): 16 products in place of 36."""

from __future__ import annotations

from typing import Any

from chainrule.engines.native.gradients import lower_bias_gradient, mask_target, masked, padded
from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.geometry import Windows

PLACES = 16
#: From so many channels on both sides the products that are saved outweigh the transforms (docs/engines.md).
LEAST_CHANNELS = 32


def suits(plan: Plan, layer: Any, at: Windows, channels: int) -> bool:
    """Whether a convolution is taken this way; a row's scores then do not depend on the batch it is in."""
    return (
        plan.winograd
        and not plan.network.mixed
        and (at.kernel, at.stride, at.dilation, layer.groups) == ((3, 3), (1, 1), (1, 1), 1)
        and min(channels, layer.filters) >= LEAST_CHANNELS
    )


def _patches(size: int) -> int:
    return -(-size // 2)


def _reach(tensor: Tensor, before: tuple[int, int], outputs: tuple[int, int]) -> None:
    """Ask for the border that the patches of `outputs` need, the first of which begins `before` the first pixel."""
    (top, left), (h, w) = before, outputs
    bottom, right = 2 * _patches(h) + 2 - top - tensor.h, 2 * _patches(w) + 2 - left - tensor.w
    tensor.need_border(max(0, top), max(0, bottom), max(0, left), max(0, right))


def lower_winograd(plan: Plan, here: Placed, x: Value, relu: bool, at: Windows) -> Value:
    """Forward, both gradients, and the transforms of the weights."""
    layer: Any = here.layer
    C, F = x.data.c, layer.filters
    top, _, left, _ = at.padding
    x.uses += 1
    _reach(x.data, (top, left), at.output)
    y = plan.value((F, *at.output), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    patches = _patches(at.output[0]) * _patches(at.output[1])
    flops, area = 2 * PLACES * C * F * patches, C * x.data.h * x.data.w + F * at.output[0] * at.output[1]
    packed = plan.buffer(PLACES * C * padded(F))
    plan.emit("forward", "pack_winograd", [W, packed, C, F, 9, 9 * C, 0], [packed])
    plan.clear_border("forward", y.data)

    def shift() -> int:
        return -top * x.data.row - left * x.data.pixel

    plan.emit(
        "forward", "correlate_winograd", lambda: [x.data, y.data, NONE, packed, b, shift(), relu, 0],
        [x.data, y.data, packed], flops=flops, floats=area,
        note="Winograd" + (" + bias + ReLU" if relu else ""),
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        lower_bias_gradient(plan, here, d)
        sums = plan.buffer(PLACES * C * F)
        plan.emit(
            "backward", "correlate_weights_winograd", lambda: [x.data, d, sums, shift()], [x.data, d, sums],
            flops=flops, floats=area, note="Winograd",
        )  # fmt: skip
        plan.emit("backward", "unpack_winograd", [plan.gradient(here.names["W"]), sums, C, F], [sums])
        if not x.needs_gradient:
            return
        dx, accumulate, mask = mask_target(plan, x)
        before = (2 - top, 2 - left)
        _reach(d, before, (dx.h, dx.w))
        turned = plan.buffer(PLACES * F * padded(C))
        plan.emit("backward", "pack_winograd", [W, turned, F, C, 9 * C, 9, 1], [turned])
        places = _patches(dx.h) * _patches(dx.w)
        plan.emit(
            "backward", "correlate_winograd",
            lambda: [d, dx, NONE if mask is None else mask.view()[0], turned, NONE,
                     -before[0] * d.row - before[1] * d.pixel, 0, accumulate],
            [d, dx, turned, *([mask] if mask else [])],
            flops=2 * PLACES * C * F * places, floats=area, note="Winograd, input gradient",
        )  # fmt: skip

    plan.tape.append(backward)
    return y
