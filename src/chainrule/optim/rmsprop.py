"""RMSProp.

    c ← ρ c + (1 − ρ) g²        w ← w − η g / (√c + ε)

Each parameter's step is divided by the root of a running mean of its squared gradients, so that steep and flat
directions move alike. Source: Tieleman & Hinton, Coursera "Neural Networks for Machine Learning", lecture 6.5, 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.update_rule import ScaleByLearningRate, Slots, Step, Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class DivideByRMS(Transform):
    """c ← ρ c + (1 − ρ) u², u ← u / (√c + ε)."""

    decay_rate: float
    epsilon: float

    slots = ("cache",)

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """c ← ρ c + (1 − ρ) u², u ← u / (√c + ε)."""
        cache = self.decay_rate * slots["cache"] + (1 - self.decay_rate) * (u * u)
        return u / (namespace(u).sqrt(cache) + self.epsilon), {"cache": cache}


@dataclass(frozen=True)
class RMSProp(UpdateRule):
    """w ← w − η g / (√c + ε), c being the running mean of g² with decay rate ρ."""

    learning_rate: float = 1e-2
    decay_rate: float = 0.99
    epsilon: float = 1e-8

    key = "rmsprop"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative", decay_rate="fraction", epsilon="positive")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Divide by the running root mean square, scale by −η."""
        return (DivideByRMS(self.decay_rate, self.epsilon), ScaleByLearningRate(self.learning_rate))
