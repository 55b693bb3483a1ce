"""Layers that move or drop numbers: padding, squeezing, spatial dropout; and PReLU, whose slopes belong to channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engines.native.memory import Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.geometry import four_sides
from chainrule.layers import Pad, PadChannels, PReLU, SpatialDropout, Squeeze
from chainrule.layers.layer import Layer


def _lower_pad(plan: Plan, here: Placed, x: Value) -> Value:
    layer: Any = here.layer
    top, left, before = 0, 0, 0
    if isinstance(layer, Pad):
        top, _, left, _ = four_sides(layer.padding)
    else:
        before = layer.before
    x.uses += 1
    y = plan.value(layer.output_shape((1, *x.shape))[1:])
    plan.clear_border("forward", y.data)
    plan.emit("forward", "pad", [x.data, y.data, top, left, before], [x.data, y.data])

    def inner(d: Tensor) -> list[int]:
        at, _, _, _, pixel, row, image = d.view()
        return [at + top * row + left * pixel + before, x.data.h, x.data.w, x.data.c, pixel, row, image]

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "copy", lambda: [inner(d), dx, accumulate], [d, dx])

    plan.tape.append(backward)
    return y


def _lower_squeeze(plan: Plan, here: Placed, x: Value) -> Value:
    x.uses += 1
    y = plan.value(())
    plan.emit("forward", "copy", [x.data, y.data, 0], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "copy", [d, dx, accumulate], [d, dx])

    plan.tape.append(backward)
    return y


def _lower_spatial_dropout(plan: Plan, here: Placed, x: Value) -> Value:
    rate = here.layer.rate  # type: ignore[attr-defined]
    if not plan.train or rate == 0:
        return x
    C, scale, path = x.data.c, 1 / (1 - rate), here.path
    threshold = min(round(rate * 2**32), 2**32 - 1)
    x.uses += 1
    y = plan.value(x.shape)
    keep = plan.buffer(-(-plan.capacity * C // 4))  # bytes
    plan.emit("forward", "dropout_mask", lambda: [keep.at, 1, 1, C, C, C, C, threshold, *path], [keep])
    plan.clear_border("forward", y.data)
    plan.emit("forward", "scale_channels", [x.data, y.data, keep, 0, scale], [x.data, y.data, keep])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x)
            plan.emit("backward", "scale_channels", [d, dx, keep, accumulate, scale], [d, dx, keep])

    plan.tape.append(backward)
    return y


def _lower_prelu(plan: Plan, here: Placed, x: Value) -> Value:
    alpha = plan.param(here.names["alpha"])
    x.uses += 1
    y = plan.value(x.shape)
    plan.clear_border("forward", y.data)
    plan.emit("forward", "prelu_forward", [x.data, y.data, alpha], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        dx, accumulate = plan.target(x, in_place=True) if x.needs_gradient else (d, 0)
        dalpha = plan.gradient(here.names["alpha"])
        arguments = [d, x.data, dx, alpha, dalpha, x.needs_gradient, accumulate]
        plan.emit("backward", "prelu_backward", arguments, [d, x.data, dx])

    plan.tape.append(backward)
    return y


#: Layer -> the function that lowers it.
SHAPING: dict[type[Layer], Callable[[Plan, Placed, Value], Value]] = {
    Pad: _lower_pad,
    PadChannels: _lower_pad,
    Squeeze: _lower_squeeze,
    SpatialDropout: _lower_spatial_dropout,
    PReLU: _lower_prelu,
}
