"""Lion (evolved sign momentum).

    u = sign(β₁ m + (1 − β₁) g)        m ← β₂ m + (1 − β₂) g        w ← w − η (u + λ w)

Every step has the same size η in every coordinate, so learning rates are 3 to 10 times smaller than Adam's.
Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.decay import WeightDecay
from chainrule.optim.update_rule import ScaleByLearningRate, Slots, Step, Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class SignOfMean(Transform):
    """u ← sign(β₁ m + (1 − β₁) u), m ← β₂ m + (1 − β₂) u."""

    beta1: float
    beta2: float

    slots = ("m",)

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """The sign is taken of a mean that leans more on the new gradient than the one that is kept."""
        m = slots["m"]
        sign = namespace(u).sign(self.beta1 * m + (1 - self.beta1) * u)
        return sign, {"m": self.beta2 * m + (1 - self.beta2) * u}


@dataclass(frozen=True)
class Lion(UpdateRule):
    """w ← w − η (sign(β₁ m + (1 − β₁) g) + λ w), the decay λ applying to weights only."""

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    key = "lion"

    def __post_init__(self) -> None:
        require_rates(
            self.key,
            self,
            learning_rate="not negative",
            beta1="fraction",
            beta2="fraction",
            weight_decay="not negative",
        )

    @property
    def chain(self) -> tuple[Transform, ...]:
        """The sign, scaled by −η, then −η λ w."""
        return (
            SignOfMean(self.beta1, self.beta2),
            ScaleByLearningRate(self.learning_rate),
            WeightDecay(self.weight_decay, self.learning_rate),
        )
