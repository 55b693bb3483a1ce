"""Pulling weights towards zero, on weights only: not on biases or normalisation parameters.

    L2             u ← u + λ w            before a rule: the gradient of ½ λ ‖W‖² added to the loss
    weight decay   u ← u − η f λ w        after a rule: w shrinks by η λ w whatever the rule makes of the gradient

For plain SGD the two are the same; for adaptive rules they are not (Loshchilov & Hutter, ICLR 2019, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array
from chainrule.optim.update_rule import Slots, Step, Transform, require_rates


@dataclass(frozen=True)
class L2(Transform):
    """u ← u + λ w where `step.decay` is one."""

    reg: float

    def __post_init__(self) -> None:
        require_rates("L2", self, reg="not negative")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """u ← u + λ w."""
        pull = self.reg * w
        return u + (pull if step.decay is None else pull * step.decay), slots


@dataclass(frozen=True)
class WeightDecay(Transform):
    """u ← u − η f λ w where `step.decay` is one."""

    weight_decay: float
    learning_rate: float

    def __post_init__(self) -> None:
        require_rates("WeightDecay", self, weight_decay="not negative", learning_rate="not negative")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """u ← u − η f λ w."""
        pull = w * (self.learning_rate * step.factor * self.weight_decay)
        return u - (pull if step.decay is None else pull * step.decay), slots
