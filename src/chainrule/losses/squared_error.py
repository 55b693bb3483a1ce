"""Squared error (mean squared error, MSE).

    L = (1/K) Σᵢ (sᵢ − yᵢ)²

    ∂L/∂sᵢ = (2/K) (sᵢ − yᵢ)

K counts all elements: the mean is over the batch and over the outputs, without a factor ½. That is the convention of
scikit-learn's `mean_squared_error` and of the `MSELoss` of deep-learning libraries.
Source: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd ed. 2009, section 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.arrays import Array, Shape, namespace
from chainrule.losses import loss as base
from chainrule.losses.loss import Loss, Targets


@dataclass(frozen=True)
class SquaredError(Loss):
    """Mean of (s − y)² over all elements; y must have exactly the shape of the scores.

    >>> import numpy as np
    >>> loss, dscores = SquaredError()(np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))
    >>> float(loss), dscores.tolist()
    (2.5, [[1.0], [2.0]])
    """

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """L = mean (s − y)², and 2 (s − y)/K."""
        xp = namespace(scores)
        error = scores - xp.astype(y, scores.dtype)
        return xp.mean(error * error), error * (2 / math.prod(scores.shape))

    def check_scores(self, scores: Array) -> None:
        """Any shape with at least one element."""
        base.require_elements(self.name, scores)

    def check_targets(self, scores: Array, y: Array) -> None:
        """Finite numbers in exactly the shape of the scores."""
        base.require_same_shape(self.name, scores, y)
        base.require_finite(self.name, y)

    def predict(self, scores: Array) -> Array:
        """The scores themselves."""
        return scores

    def score(self, scores: Array, y: Array) -> float:
        """R² = 1 − Σ (y − s)²/Σ (y − ȳ)², averaged over the outputs.

        An output whose targets are all equal has no variance to explain: it counts 1 if met exactly, else 0.
        """
        s = np.asarray(scores, dtype=np.float64).reshape(scores.shape[0], -1)  # (N, outputs)
        t = np.asarray(y, dtype=np.float64).reshape(s.shape)
        residual = ((t - s) ** 2).sum(axis=0)
        total = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        varies = total > 0
        r2 = np.where(varies, 1 - residual / np.where(varies, total, 1), residual == 0)
        return float(r2.mean())

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """One output a row, several, images, one number."""
        return [(cls(), shape, base.real_targets) for shape in ((5,), (3, 4), (2, 2, 3, 3), (1, 1))]
