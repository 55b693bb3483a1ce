"""Stochastic gradient descent.

    w ← w − η g

Source: Robbins & Monro 1951; Goodfellow, Bengio & Courville, "Deep Learning", 2016, algorithm 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.optim.update_rule import ScaleByLearningRate, Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class SGD(UpdateRule):
    """w ← w − η g, with learning rate η."""

    learning_rate: float = 1e-2

    key = "sgd"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Scale by −η."""
        return (ScaleByLearningRate(self.learning_rate),)
