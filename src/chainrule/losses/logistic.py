"""Logistic loss (binary cross-entropy of a score).

    L = (1/N) Σₙ log(1 + exp(−tₙ sₙ)),   t = ±1          P(y = 1) = σ(s) = 1/(1 + exp(−s))

    ∂L/∂sₙ = −(1/N) tₙ σ(−tₙ sₙ)

because d log(1 + e⁻ᶻ)/dz = −σ(−z) for z = t s. With e = exp(−|z|), which cannot overflow, the loss is
max(−z, 0) + log(1 + e), and σ(−z) is e/(1 + e) for z > 0 and 1/(1 + e) otherwise.
Source: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd ed. 2009, section 10.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.losses import loss as base
from chainrule.losses.loss import Loss, Targets


@dataclass(frozen=True)
class Logistic(Loss):
    """Mean of log(1 + exp(−t s)) over scores (N,) and labels (N,), 0/1 or −1/+1.

    threshold: the score above which label 1 is predicted; 0 is where both labels are equally probable. It has no part
    in the loss.

    >>> import numpy as np
    >>> loss, dscores = Logistic()(np.zeros(2), np.array([0, 1]))
    >>> round(float(loss), 4), dscores.tolist()  # ln 2
    (0.6931, [0.25, -0.25])
    >>> Logistic(threshold=0.5).predict(np.array([0.4, 0.6])).tolist()
    [0, 1]
    """

    threshold: float = 0.0

    def __post_init__(self) -> None:
        require_number(self.name, "threshold", self.threshold)

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """L = mean log(1 + exp(−t s)), and −t σ(−t s)/N."""
        xp = namespace(scores)
        t = base.binary_signs(scores, y)  # (N,)
        z = t * scores
        e = xp.exp(-xp.abs(z))
        loss = xp.mean(xp.maximum(-z, 0.0) + xp.log1p(e))
        return loss, -t * xp.where(z > 0, e, 1.0) / (1 + e) / scores.shape[0]

    def check_scores(self, scores: Array) -> None:
        """Scores (N,)."""
        base.require_binary_scores(self.name, scores)

    def check_targets(self, scores: Array, y: Array) -> None:
        """Labels (N,), 0/1 or −1/+1."""
        base.require_binary_labels(self.name, scores, y)

    def predict(self, scores: Array) -> Array:
        """Labels 0/1: 1 where the score is above the threshold."""
        return base.zero_one(scores - self.threshold)

    def probabilities(self, scores: Array) -> Array:
        """Columns P(y = 0) and P(y = 1), (N, 2); each is computed directly, so that neither rounds to 0 early."""
        xp = namespace(scores)
        e = xp.exp(-xp.abs(scores))
        likely, unlikely = 1 / (1 + e), e / (1 + e)  # (N,)
        return xp.stack((xp.where(scores > 0, unlikely, likely), xp.where(scores > 0, likely, unlikely)), axis=1)

    def score(self, scores: Array, y: Array) -> float:
        """Accuracy; a label of −1 counts as 0."""
        return super().score(scores, base.zero_one(y))

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """Both kinds of labels, one row."""
        return [(cls(), (5,), base.zero_one_labels), (cls(), (4,), base.sign_labels), (cls(), (1,), base.sign_labels)]
