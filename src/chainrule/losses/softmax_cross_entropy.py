"""Softmax cross-entropy.

    p = softmax(s)          L = −(1/N) Σₙ Σ꜀ tₙ꜀ log pₙ꜀

    ∂L/∂sₙ꜀ = (1/N) (pₙ꜀ Σⱼ tₙⱼ − tₙ꜀)

because ∂ log pⱼ/∂s꜀ = [j = c] − p꜀. For one-hot t the row is p minus one at the label. The targets t come from integer
labels or are given as probabilities; label smoothing ε replaces t by (1 − ε) t + ε/C, class weights scale the term of
each class. Scores are shifted by their row maximum first: softmax does not change, and exp cannot overflow.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.2.2.3; label smoothing: Szegedy et al. 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array, Shape, namespace, one_hot
from chainrule.errors import ConfigError, ShapeError, require_list, require_number
from chainrule.losses import loss as base
from chainrule.losses.loss import Loss, Targets


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """Mean cross-entropy between softmax(scores) and labels (N,) or target probabilities (N, C).

    label_smoothing: ε in [0, 1). class_weights: C factors >= 0, one a class (the mean is still over N).

    >>> import numpy as np
    >>> loss, dscores = SoftmaxCrossEntropy()(np.zeros((2, 4)), np.array([0, 3]))
    >>> round(float(loss), 4)  # ln 4
    1.3863
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require_number(self.name, "label_smoothing", self.label_smoothing, low=0, high=1, open_high=True)
        if self.class_weights is not None:
            weights: Any = self.class_weights
            weights = weights.tolist() if isinstance(weights, np.ndarray) else weights
            require_list(self.name, "class_weights", weights, "numbers, one a class")
            for weight in weights:
                require_number(self.name, "class_weights", weight, low=0)
            if len(weights) < 2:
                raise ConfigError(f"{self.name}: class_weights must hold a number for each class, got {len(weights)}")
            object.__setattr__(self, "class_weights", tuple(weights))

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """L = −(1/N) Σ t log p, and (p Σt − t)/N."""
        xp = namespace(scores)
        n, classes = scores.shape
        shifted = scores - xp.max(scores, axis=1, keepdims=True)  # (N, C)
        exp = xp.exp(shifted)
        total = xp.sum(exp, axis=1, keepdims=True)  # (N, 1)
        t = one_hot(y, classes, scores) if len(y.shape) == 1 else xp.astype(y, scores.dtype)
        if self.label_smoothing:
            t = (1 - self.label_smoothing) * t + self.label_smoothing / classes
        if self.class_weights is not None:
            t = t * xp.asarray(self.class_weights, dtype=scores.dtype)
        log_p = shifted - xp.log(total)
        log_p = xp.where(t > 0, log_p, 0.0)  # 0 · log 0 is 0: a class masked by a score of −∞ costs nothing
        return -xp.sum(t * log_p) / n, (exp / total * xp.sum(t, axis=1, keepdims=True) - t) / n

    def check_scores(self, scores: Array) -> None:
        """Scores (N, C), with one class weight a class."""
        base.require_class_scores(self.name, scores)
        classes = scores.shape[1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ConfigError(
                f"{self.name}: class_weights must hold {classes} numbers, one a class, got {len(self.class_weights)}"
            )

    def check_targets(self, scores: Array, y: Array) -> None:
        """Labels (N,) in [0, C), or probabilities (N, C) that are not negative and sum to one."""
        if len(y.shape) == 2 and tuple(y.shape) == tuple(scores.shape):
            base.require_distribution(self.name, y)
        elif len(y.shape) == 1:
            base.require_labels(self.name, scores, y)
        else:
            raise ShapeError(
                f"{self.name}: y must be labels of shape {(scores.shape[0],)} or probabilities of shape "
                f"{tuple(scores.shape)}, got shape {tuple(y.shape)}"
            )

    def predict(self, scores: Array) -> Array:
        """The class of the highest score."""
        return namespace(scores).argmax(scores, axis=1)

    def probabilities(self, scores: Array) -> Array:
        """softmax(scores), (N, C)."""
        xp = namespace(scores)
        exp = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        return exp / xp.sum(exp, axis=1, keepdims=True)

    def score(self, scores: Array, y: Array) -> float:
        """Accuracy; a row of probabilities counts as its most probable class."""
        return super().score(scores, namespace(y).argmax(y, axis=1) if len(y.shape) == 2 else y)

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """Integer and soft labels, smoothing, weights, one row."""
        return [
            (cls(), (3, 4), base.class_labels),
            (cls(), (1, 2), base.class_labels),
            (cls(), (3, 5), base.soft_labels),
            (cls(label_smoothing=0.1), (4, 3), base.class_labels),
            (cls(label_smoothing=0.2, class_weights=(0.5, 1.0, 2.0)), (4, 3), base.soft_labels),
            (cls(class_weights=(0.5, 1.0, 2.0)), (5, 3), base.class_labels),
        ]
