"""AdaGrad.

    c ← c + g²        w ← w − η g / (√c + ε)

The sum of squares only grows, so steps shrink like 1/√t, and shrink least where gradients are rare.
Source: Duchi, Hazan & Singer, JMLR 2011, section 1.1 (diagonal form).
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.update_rule import ScaleByLearningRate, Slots, Step, Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class DivideBySumOfSquares(Transform):
    """c ← c + u², u ← u / (√c + ε)."""

    epsilon: float

    slots = ("cache",)

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """c ← c + u², u ← u / (√c + ε)."""
        cache = slots["cache"] + u * u
        return u / (namespace(u).sqrt(cache) + self.epsilon), {"cache": cache}


@dataclass(frozen=True)
class AdaGrad(UpdateRule):
    """w ← w − η g / (√c + ε), c being the sum of all g² so far."""

    learning_rate: float = 1e-2
    epsilon: float = 1e-8

    key = "adagrad"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative", epsilon="positive")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Divide by the root of the sum of squares, scale by −η."""
        return (DivideBySumOfSquares(self.epsilon), ScaleByLearningRate(self.learning_rate))
