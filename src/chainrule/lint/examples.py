"""Small subjects for the examples of rules, from which their tests are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.layers import Affine, Layer, ReLU
from chainrule.lint.subject import Outcome, Subject
from chainrule.lint.subjects import of_network, of_recipe, of_solver
from chainrule.losses import Loss
from chainrule.network import Network
from chainrule.recipes import apply_overrides, load_recipe
from chainrule.solver import Epoch, History, Solver


def declared(*layers: Layer, loss: Loss | None = None) -> Subject:
    """Layers and a loss, without data."""
    return of_network(Network(layers, loss, input_shape=16), None)


def clusters(rows: int = 300, classes: int = 3, features: int = 8, seed: int = 0) -> tuple[Array, Array]:
    """Points around one centre a class, in random order; (rows, features) float32 and labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, features))
    y = rng.integers(0, classes, rows)
    return (centres[y] + 0.7 * rng.normal(size=(rows, features))).astype(np.float32), y


def parts(**changes: Any) -> dict[str, Array]:
    """Clusters in three parts; entries of `changes` replace theirs."""
    made: dict[str, Array] = {}
    for seed, (part, rows) in enumerate((("train", 300), ("val", 100), ("test", 100))):
        made[f"X_{part}"], made[f"y_{part}"] = clusters(rows, seed=seed)
    return made | changes


def hidden(units: int = 16, classes: int = 3, **options: Any) -> list[Layer]:
    """One hidden layer."""
    return [Affine(units, **options), ReLU(), Affine(classes)]


def with_data(
    layers: Sequence[Layer] | None = None,
    data: dict[str, Array] | None = None,
    loss: Loss | None = None,
    reg: float = 0.0,
) -> Subject:
    """A network and data, clusters in three parts unless given."""
    data = parts() if data is None else data
    shape = data["X_train"].shape[1:]
    return of_network(Network(hidden() if layers is None else layers, loss, shape, reg=reg), data)


def training(
    layers: Sequence[Layer] | None = None, data: dict[str, Array] | None = None, reg: float = 0.0, **options: Any
) -> Subject:
    """A solver that has not begun."""
    data = parts() if data is None else data
    network = Network(hidden() if layers is None else layers, None, data["X_train"].shape[1:], reg=reg)
    return of_solver(Solver(network, data, verbose=False, **{"optim_config": {"learning_rate": 0.1}, **options}))


def recipe(*overrides: str) -> Subject:
    """The recipe digits-mlp with entries replaced, nothing loaded."""
    return of_recipe(apply_overrides(load_recipe("digits-mlp"), list(overrides)))


def curve(
    losses: Sequence[float],
    train: Sequence[float] = (0.5, 0.8, 0.9),
    val: Sequence[float] = (0.5, 0.78, 0.87),
    val_losses: Sequence[float] = (1.0, 0.6, 0.4),
    outcome: Outcome | None = None,
    classes: int | None = 10,
) -> Subject:
    """The record of a training: the loss of every step, and the scores of every epoch."""
    rows = zip(train, val, val_losses, strict=True)
    epochs = [Epoch(i + 1, float(losses[-1]), a, b, c, 1.0, 1.0, 1.0) for i, (a, b, c) in enumerate(rows)]
    history = History(list(map(float, losses)), [0.1, *train], [0.1, *val], epochs)
    return Subject(name="curve", history=history, outcome=outcome, classes=classes)


def falling(steps: int = 300, start: float = 2.3, end: float = 0.3, noise: float = 0.05) -> list[float]:
    """A loss that falls as in a sound training."""
    t = np.arange(steps) / steps
    drawn = np.random.default_rng(0).normal(size=steps)
    return (end + (start - end) * np.exp(-6 * t) + noise * drawn * np.exp(-t)).tolist()
