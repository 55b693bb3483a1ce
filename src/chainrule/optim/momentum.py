"""Gradient descent with momentum, classical and Nesterov's.

    v ← μ v − η g        w ← w + v                      (classical)
    v ← μ v − η g        w ← w + μ v − η g              (Nesterov)

The velocity sums past steps with weights 1, μ, μ², …; with a constant gradient it grows to −η g/(1 − μ).
Nesterov's form takes the gradient where the velocity is about to lead; in the variables used here it adds μ v + u
instead of v.
Source: Polyak 1964; Sutskever, Martens, Dahl & Hinton, ICML 2013, equations 1 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array
from chainrule.optim.update_rule import (
    ScaleByLearningRate,
    Slots,
    Step,
    Transform,
    UpdateRule,
    require_rates,
)


@dataclass(frozen=True)
class Velocity(Transform):
    """v ← μ v + u, then u ← v, or u ← μ v + u for Nesterov's form."""

    momentum: float
    nesterov: bool = False

    slots = ("velocity",)

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """v ← μ v + u."""
        v = self.momentum * slots["velocity"] + u
        return (self.momentum * v + u if self.nesterov else v), {"velocity": v}


@dataclass(frozen=True)
class Momentum(UpdateRule):
    """v ← μ v − η g, w ← w + v, with learning rate η and momentum μ in [0, 1)."""

    learning_rate: float = 1e-2
    momentum: float = 0.9

    key = "sgd_momentum"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative", momentum="fraction")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Scale by −η, then accumulate the velocity."""
        return (ScaleByLearningRate(self.learning_rate), Velocity(self.momentum))


@dataclass(frozen=True)
class Nesterov(UpdateRule):
    """v ← μ v − η g, w ← w + μ v − η g, with learning rate η and momentum μ in [0, 1)."""

    learning_rate: float = 1e-2
    momentum: float = 0.9

    key = "nesterov"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative", momentum="fraction")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Scale by −η, then accumulate and look ahead."""
        return (ScaleByLearningRate(self.learning_rate), Velocity(self.momentum, nesterov=True))
