"""Activations, pooling and flattening: one operation forward, one backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.geometry import Windows, entries
from chainrule.layers import (
    ELU,
    GELU,
    SELU,
    AveragePool2D,
    Flatten,
    GlobalAveragePool,
    LeakyReLU,
    MaxPool2D,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.layers.pooling import fit_pooling

_KINDS: dict[type[Layer], tuple[int, str | None]] = {  # number in native/kernels/activation.cpp, the field it takes
    LeakyReLU: (0, "slope"),
    Tanh: (1, None),
    Sigmoid: (2, None),
    ELU: (3, "alpha"),
    SiLU: (4, None),
    Softplus: (5, "beta"),
    SELU: (6, None),
    GELU: (7, None),  # 8 for the approximation by tanh
}


def _lower_activation(plan: Plan, here: Placed, x: Value) -> Value:
    kind, name = _KINDS[type(here.layer)]
    a = float(getattr(here.layer, name)) if name else 0.0
    if isinstance(here.layer, GELU) and here.layer.approximate == "tanh":
        kind += 1
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


#: Layer -> the function that lowers it.
SIMPLE: dict[type[Layer], Callable[[Plan, Placed, Value], Value]] = {
    **dict.fromkeys(_KINDS, _lower_activation),
    MaxPool2D: _lower_max_pool,
    AveragePool2D: _lower_average_pool,
    GlobalAveragePool: _lower_average_pool,
    Flatten: _lower_flatten,
}
