"""Binary hinge loss.

    L = (1/N) Σₙ max(0, Δ − tₙ sₙ),   t = ±1

    ∂L/∂sₙ = −(1/N) tₙ where tₙ sₙ < Δ, else 0

At tₙ sₙ = Δ the derivative does not exist; the subgradient 0 is used.
Source: Cortes & Vapnik, "Support-vector networks", Machine Learning 20, 1995.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.losses import loss as base
from chainrule.losses.loss import Loss, Targets


@dataclass(frozen=True)
class BinaryHinge(Loss):
    """Mean of max(0, margin − t s) over scores (N,) and labels (N,), 0/1 or −1/+1.

    margin: Δ, positive.

    >>> import numpy as np
    >>> loss, dscores = BinaryHinge()(np.array([0.5, -3.0]), np.array([1, -1]))
    >>> float(loss), dscores.tolist()
    (0.25, [-0.5, 0.0])
    """

    margin: float = 1.0

    has_kinks = True

    def __post_init__(self) -> None:
        require_number(self.name, "margin", self.margin, low=0, open_low=True)

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """L = mean max(0, Δ − t s), and −t [t s < Δ]/N."""
        xp = namespace(scores)
        t = base.binary_signs(scores, y)  # (N,)
        slack = xp.maximum(self.margin - t * scores, 0.0)
        return xp.mean(slack), xp.where(slack > 0, -t, 0.0) / scores.shape[0]

    def check_scores(self, scores: Array) -> None:
        """Scores (N,)."""
        base.require_binary_scores(self.name, scores)

    def check_targets(self, scores: Array, y: Array) -> None:
        """Labels (N,), 0/1 or −1/+1."""
        base.require_binary_labels(self.name, scores, y)

    def predict(self, scores: Array) -> Array:
        """Labels 0/1: 1 where the score is positive."""
        return base.zero_one(scores)

    def score(self, scores: Array, y: Array) -> float:
        """Accuracy; a label of −1 counts as 0."""
        return super().score(scores, base.zero_one(y))

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """Both kinds of labels, another margin, one row."""
        return [
            (cls(), (5,), base.zero_one_labels),
            (cls(margin=0.5), (4,), base.sign_labels),
            (cls(), (1,), base.sign_labels),
        ]
