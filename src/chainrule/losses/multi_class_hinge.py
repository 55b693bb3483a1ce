"""Multi-class hinge loss (Weston–Watkins).

    L = (1/N) Σₙ Σ_{j ≠ yₙ} max(0, sₙⱼ − sₙᵧ + Δ)

    ∂L/∂sₙⱼ = (1/N) [sₙⱼ − sₙᵧ + Δ > 0]  for j ≠ yₙ          ∂L/∂sₙᵧ = −Σ_{j ≠ yₙ} ∂L/∂sₙⱼ

because every violated margin pulls its own score down and the right one up. At a tie the subgradient 0 is used.
Source: Weston & Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace, one_hot
from chainrule.errors import require_number
from chainrule.losses import loss as base
from chainrule.losses.loss import Loss, Targets


@dataclass(frozen=True)
class MultiClassHinge(Loss):
    """Mean over the batch of Σ_{j ≠ y} max(0, s_j − s_y + margin), for scores (N, C) and labels (N,).

    margin: Δ, positive.

    >>> import numpy as np
    >>> loss, dscores = MultiClassHinge()(np.array([[2.0, 1.5, -3.0]]), np.array([0]))
    >>> float(loss), dscores.tolist()
    (0.5, [[-1.0, 1.0, 0.0]])
    """

    margin: float = 1.0

    has_kinks = True

    def __post_init__(self) -> None:
        require_number(self.name, "margin", self.margin, low=0, open_low=True)

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """L = (1/N) Σ max(0, s_j − s_y + Δ), and ([violated] − [j = y] · count)/N."""
        xp = namespace(scores)
        n, classes = scores.shape
        t = one_hot(y, classes, scores)  # (N, C)
        right = xp.sum(xp.where(t > 0, scores, 0.0), axis=1, keepdims=True)  # (N, 1)
        slack = xp.where(t > 0, 0.0, xp.maximum(scores - right + self.margin, 0.0))
        violated = xp.astype(slack > 0, scores.dtype)
        return xp.sum(slack) / n, (violated - t * xp.sum(violated, axis=1, keepdims=True)) / n

    def check_scores(self, scores: Array) -> None:
        """Scores (N, C)."""
        base.require_class_scores(self.name, scores)

    def check_targets(self, scores: Array, y: Array) -> None:
        """Labels (N,) in [0, C)."""
        base.require_labels(self.name, scores, y)

    def predict(self, scores: Array) -> Array:
        """The class of the highest score."""
        return namespace(scores).argmax(scores, axis=1)

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """A common case, another margin, two classes and one row."""
        return [
            (cls(), (3, 4), base.class_labels),
            (cls(margin=0.25), (5, 3), base.class_labels),
            (cls(), (1, 2), base.class_labels),
        ]
