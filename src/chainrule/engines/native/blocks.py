"""Batch normalisation, ReLU, disjoint max pooling and dropout, in this order, any left out: one block."""

from __future__ import annotations

from typing import Any

from chainrule.engines.native.memory import NONE, Buffer
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.layers import BatchNorm, Dropout, MaxPool2D, ReLU
from chainrule.layers.layer import Layer
from chainrule.layers.pooling import fit_pooling

MOST_PARTS = 64  # of a sum: native/program.hpp
_MOST_TAPS = 16  # of a block's window: native/kernels/block.cpp


def block_length(layers: list[Placed], x: Value, *, ahead: bool = False) -> int:
    """How many of the first layers make one block; `ahead`: x is what comes before a product, whose shape differs."""
    order = 0
    for i, here in enumerate(layers):
        rank = _block_rank(here.layer)
        if rank <= order:
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


def lower_block(plan: Plan, layers: list[Placed], x: Value) -> Value:
    """The layers of one block as one pass forward, and two backward where a batch is normalised."""
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
            partials = plan.buffer(MOST_PARTS * 2 * C)
            plan.emit(
                "forward", "moments", [z, gamma, mean, var, rstd, scale, partials, float(layer.eps)],
                [z, batch_mean, var, rstd, scale, partials], floats=z.h * z.w * z.c,
            )  # fmt: skip
            plan.emit(
                "running", "running_moments",
                [mean, var, running_mean, running_var, C, float(layer.momentum)], [batch_mean, var],
            )  # fmt: skip
        else:
            mean = running_mean
            plan.emit("forward", "fixed_scale", [C, gamma, running_var, scale, float(layer.eps)], [scale])
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
            coefficients, sums = plan.buffer(3 * C), plan.buffer(MOST_PARTS * 2 * C)
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
