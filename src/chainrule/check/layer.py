"""`check_layer` and `check_loss`: the backward pass of a declaration held against its own forward pass.

Inputs are drawn so that layers with kinks (ReLU, max pooling, hinges) have a derivative: all entries differ by more
than the step of the differences, and none is 0. Parameters and running statistics are drawn at random too, because a
scale of one and a shift of zero hide faults. Cotangents are random, because ones hide faults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.check.differences import MethodName
from chainrule.check.gradient import GradientReport, check_gradient
from chainrule.check.snapshots import changed, snapshot
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, require_number, shown
from chainrule.initializers import fans
from chainrule.layers import Layer
from chainrule.layers.layer import as_shape
from chainrule.losses import Loss
from chainrule.losses.loss import Targets
from chainrule.typed import typed

#: The key from which layers that need one draw; any number does, as long as every call gets the same.
KEY = 20_240_229


def draw_input(shape: Shape, rng: np.random.Generator) -> Array:
    """Distinct numbers in about [−2, 2], shuffled, none of them 0 (float64).

    They lie around a grid whose spacing is at least 2e-3, so beyond 2,000 entries the range grows. Each is moved a
    little off the grid, so that no two differ by exactly a hinge's margin either.
    """
    n = math.prod(shape)
    spacing = max(4 / n, 2e-3)
    grid = (np.arange(n) - n / 2 + 0.25) * spacing
    return rng.permutation(grid + rng.uniform(-0.1, 0.1, n) * spacing).reshape(shape)


def draw_params(layer: Layer, x_shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    """Random parameters and buffers (float64): of either sign, away from 0, of size 1/√fan-in.

    Buffers that start positive (a running variance) are drawn positive.
    """
    buffers = layer.buffer_shapes(x_shape)
    start = layer.init_params(x_shape, lambda i: np.random.default_rng(i))
    drawn = {}
    for name, shape in (layer.param_shapes(x_shape) | buffers).items():
        if name in buffers and np.all(start[name] > 0):
            drawn[name] = rng.uniform(0.5, 1.5, shape)
        else:
            size = 1.0 if len(shape) < 2 else 1 / math.sqrt(max(fans(shape)[0], 1))
            drawn[name] = rng.uniform(0.4, 1.4, shape) * rng.choice([-1.0, 1.0], shape) * size
    return drawn


@typed
def check_layer(
    layer: Layer,
    x_shape: Shape | None = None,
    *,
    seed: int = 0,
    method: MethodName = "auto",
    train: bool | None = None,
    num_checks: int | None = None,
    tolerance: float | None = None,
) -> list[GradientReport]:
    """Check ∂L/∂x and ∂L/∂ every parameter of `layer`: one report each, for `train` False and True (or the one given).

    A backward pass that changes its cache gets a report of its own, named `cache`.
    x_shape: the input's shape; by default that of the layer's first example that fits. The other options are those of
    `check_gradient`. Raises `ConfigError` or `ShapeError` where the layer does not take that shape.

    >>> from chainrule.layers import Affine
    >>> for report in check_layer(Affine(2), (3, 4), train=True, method="central"):
    ...     print(report.name, report.ok, report.checked)
    Affine.x (train) True 12
    Affine.W (train) True 8
    Affine.b (train) True 2
    """
    require_number("check_layer", "seed", seed, integer=True, low=0)
    shape = _example_shape(layer) if x_shape is None else as_shape("check_layer", "x_shape", x_shape)
    layer.bind(shape)
    rng = np.random.default_rng(seed)
    values = {"x": _input("check_layer", "x_shape", shape, rng), **draw_params(layer, shape, rng)}
    names = ("x", *layer.param_shapes(shape))
    reports = []
    for mode in (False, True) if train is None else (train,):
        label = f"{layer.name}.{{}} ({'train' if mode else 'test'})"
        run = _Pass(layer, values, mode)
        found = run.gradients(run.random_dout(rng))
        if run.changed_cache is not None:
            reports.append(_failure(label.format("cache"), 0, f"backward changes {run.changed_cache} in place"))
        for name in names:
            if name not in found:
                reports.append(_failure(label.format(name), values[name].size, "backward returns no gradient for it"))
                continue
            reports.append(
                check_gradient(
                    lambda v, name=name, run=run: run.output(name, v),  # type: ignore[misc]
                    values[name],
                    lambda dout, name=name, run=run: run.gradients(dout)[name],  # type: ignore[misc]
                    method=method,
                    name=label.format(name),
                    num_checks=num_checks,
                    tolerance=tolerance,
                    seed=seed,
                )
            )
        for name in found:
            if name not in names:
                reports.append(_failure(label.format(name), 0, "backward returns a gradient for something unknown"))
    return reports


@typed
def check_loss(
    loss: Loss,
    scores_shape: Shape,
    targets: Array | Targets,
    *,
    seed: int = 0,
    method: MethodName = "auto",
    num_checks: int | None = None,
    tolerance: float | None = None,
) -> GradientReport:
    """Check ∂L/∂scores of `loss` for scores of `scores_shape`.

    targets: the array `y`, or a function (rng, shape) that draws it. The other options are those of `check_gradient`.

    >>> from chainrule.losses import SquaredError
    >>> check_loss(SquaredError(), (2, 3), np.zeros((2, 3))).ok
    True
    """
    require_number("check_loss", "seed", seed, integer=True, low=0)
    scores_shape = as_shape("check_loss", "scores_shape", scores_shape)
    if 0 in scores_shape:
        raise ShapeError(f"check_loss: scores_shape must have no axis of length 0, got {scores_shape}")
    rng = np.random.default_rng(seed)
    scores = _input("check_loss", "scores_shape", scores_shape, rng)
    if isinstance(targets, type):
        raise DTypeError(f"check_loss: targets must be an array or a function that draws it, got {describe(targets)}")
    y = targets(rng, scores_shape) if callable(targets) else targets
    value, _ = loss(scores, y)
    if np.shape(value) != ():
        return _failure(
            f"{loss.name}.scores", scores.size, f"the loss has shape {np.shape(value)}, not that of a number"
        )
    return check_gradient(
        lambda s: loss(s, y)[0],
        scores,
        lambda dout: dout * loss(scores.astype(dout.dtype), y)[1],
        method=method,
        name=f"{loss.name}.scores",
        num_checks=num_checks,
        tolerance=tolerance,
        seed=seed,
    )


class _Pass:
    """One layer at one point in one mode, evaluated in whatever dtype the check wants."""

    def __init__(self, layer: Layer, values: Mapping[str, Array], train: bool) -> None:
        self.layer, self.values, self.train = layer, values, train
        self.cast: dict[np.dtype, dict[str, Array]] = {}
        self.changed_cache: str | None = None  # what of the cache the last backward pass changed

    def at(self, dtype: np.dtype) -> dict[str, Array]:
        if dtype not in self.cast:
            self.cast[dtype] = {n: v.astype(dtype) for n, v in self.values.items()}
        return self.cast[dtype]

    def forward(self, values: Mapping[str, Array]) -> tuple[Array, Any]:
        params = {n: v for n, v in values.items() if n != "x"}
        return self.layer.forward(values["x"], params, train=self.train, key=KEY)

    def output(self, name: str, value: Array) -> Array:
        return self.forward({**self.at(value.dtype), name: value})[0]

    def random_dout(self, rng: np.random.Generator) -> Array:
        return rng.normal(size=self.forward(self.values)[0].shape)

    def gradients(self, dout: Array) -> Mapping[str, Array]:
        _, cache = self.forward(self.at(dout.dtype))
        before = snapshot(cache)
        found = self.layer.backward(dout, cache)
        self.changed_cache = changed(before, cache, "cache")
        return found


def _input(owner: str, argument: str, shape: Shape, rng: np.random.Generator) -> Array:
    try:
        return draw_input(shape, rng)
    except (MemoryError, ValueError, OverflowError):
        raise ConfigError(f"{owner}: {argument} must fit in memory, got {shown(shape)}") from None


def _example_shape(layer: Layer) -> Shape:
    examples = type(layer).examples()
    for example, shape in sorted(examples, key=lambda e: e[0] != layer):
        try:
            example.bind(shape)
            layer.bind(shape)
        except ShapeError:
            continue
        return shape
    raise ConfigError(f"check_layer: no example of {layer.name} fits {layer}; give x_shape")


def _failure(name: str, size: int, problem: str) -> GradientReport:
    nan = float("nan")
    return GradientReport(name, "none", float("inf"), None, nan, nan, 0, size, 0, 0.0, (problem,))
