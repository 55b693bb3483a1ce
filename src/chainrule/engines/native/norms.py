"""Layers that look at each row by itself: group, instance, layer and RMS normalisation, LRN, softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engines.native.memory import NONE
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.layers import GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm, Softmax
from chainrule.layers.layer import Layer


def _lower_norm(plan: Plan, here: Placed, x: Value) -> Value:
    layer: Any = here.layer
    C = x.data.c
    # The last axis of features are their channels, that of anything else the pixels of a line.
    along_lines = isinstance(layer, (LayerNorm, RMSNorm)) and len(x.shape) > 1
    groups = layer.groups if isinstance(layer, GroupNorm) else C if isinstance(layer, InstanceNorm) else 1
    centred = not isinstance(layer, RMSNorm)
    kernel = "line_norm" if along_lines else "group_norm"
    count = plan.capacity * (x.data.h * C if along_lines else groups)
    gamma, beta = (plan.param(here.names[n]) if n in here.names else NONE for n in ("gamma", "beta"))
    x.uses += 1
    y = plan.value(x.shape)
    mean, rstd = plan.buffer(count) if centred else None, plan.buffer(count)
    kept = [b for b in (mean, rstd) if b is not None]
    floats = 2 * x.data.h * x.data.w * C
    plan.clear_border("forward", y.data)
    plan.emit(
        "forward", f"{kernel}_forward", [x.data, y.data, gamma, beta, mean, rstd, groups, centred, float(layer.eps)],
        [x.data, y.data, *kept], floats=floats,
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        dgamma, dbeta = (plan.gradient(here.names[n]) if n in here.names else NONE for n in ("gamma", "beta"))
        dx, accumulate = plan.target(x, in_place=True) if x.needs_gradient else (d, 0)
        if x.needs_gradient or dgamma != NONE:
            plan.emit(
                "backward", f"{kernel}_backward",
                [d, x.data, dx, gamma, mean, rstd, dgamma, dbeta, groups, centred, x.needs_gradient, accumulate],
                [d, x.data, dx, *kept], floats=floats,
            )  # fmt: skip

    plan.tape.append(backward)
    return y


def _lower_local_response_norm(plan: Plan, here: Placed, x: Value) -> Value:
    layer: Any = here.layer
    options = [layer.size, *(float(v) for v in (layer.alpha, layer.beta, layer.k))]
    x.uses += 1
    y = plan.value(x.shape)
    plan.clear_border("forward", y.data)
    plan.emit("forward", "local_response_forward", [x.data, y.data, *options], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x, in_place=True)
            arguments = [d, x.data, dx, *options, accumulate]
            plan.emit("backward", "local_response_backward", arguments, [d, x.data, dx])

    plan.tape.append(backward)
    return y


def _lower_softmax(plan: Plan, here: Placed, x: Value) -> Value:
    along_lines = len(x.shape) > 1
    x.uses += 1
    y = plan.value(x.shape)
    y.uses += 1  # by the backward pass: no gradient may take its place
    plan.clear_border("forward", y.data)
    plan.emit("forward", "softmax_forward", [x.data, y.data, along_lines], [x.data, y.data])

    def backward() -> None:
        plan.layer = here.label
        d = plan.grad_of(y)
        if x.needs_gradient:
            dx, accumulate = plan.target(x, in_place=True)
            arguments = [d, y.data, dx, along_lines, accumulate]
            plan.emit("backward", "softmax_backward", arguments, [d, y.data, dx])

    plan.tape.append(backward)
    return y


#: Layer -> the function that lowers it.
NORMS: dict[type[Layer], Callable[[Plan, Placed, Value], Value]] = {
    GroupNorm: _lower_norm,
    InstanceNorm: _lower_norm,
    LayerNorm: _lower_norm,
    RMSNorm: _lower_norm,
    LocalResponseNorm: _lower_local_response_norm,
    Softmax: _lower_softmax,
}
