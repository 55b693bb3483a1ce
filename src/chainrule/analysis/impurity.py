"""Split criteria of decision trees, from counts of classes.

With p_c = n_c/n:

    misclassification   1 − max_c p_c
    Gini                Σ_c p_c (1 − p_c)
    entropy             −Σ_c p_c log₂ p_c   (bits; 0 log 0 = 0)

A split into children of n_i rows has the impurity Σᵢ n_i/n · I(child i); what it gains is I(parent) minus that (for the
entropy: information gain). All three are concave in p, so no split gains less than 0; misclassification is made of
straight pieces and does not see a split whose children keep the same majority.
Source: Hastie, Tibshirani & Friedman, "The elements of statistical learning", 2009, section 9.2.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.errors import ConfigError, DTypeError, describe, require_number

Counts = Sequence[int]


def misclassification(counts: Counts) -> float:
    """The share of rows outside the largest class.

    >>> misclassification([300, 100])
    0.25
    """
    shares = _shares(counts)
    return 1 - max(shares)


def gini(counts: Counts) -> float:
    """The chance that two rows drawn with replacement differ in class.

    >>> gini([300, 100])
    0.375
    """
    return sum(p * (1 - p) for p in _shares(counts))


def entropy(counts: Counts) -> float:
    """Bits that a row's class is worth: 0 for one class, 1 for two classes of equal size.

    >>> entropy([400, 400]), round(entropy([300, 100]), 4)
    (1.0, 0.8113)
    """
    return -sum(p * math.log2(p) for p in _shares(counts) if p > 0) + 0.0


CRITERIA: Mapping[str, Callable[[Counts], float]] = {
    "misclassification": misclassification,
    "entropy": entropy,
    "gini": gini,
}


def parent_of(children: Sequence[Counts]) -> list[int]:
    """The counts before the split: the children's, class by class."""
    if not children or len({len(child) for child in children}) > 1:
        raise ConfigError(f"split: the children must count the same classes, got {[list(c) for c in children]}")
    return [sum(column) for column in zip(*children, strict=True)]


def split_impurity(criterion: Callable[[Counts], float], children: Sequence[Counts]) -> float:
    """The mean impurity of the children, weighted by their rows; empty ones do not count.

    >>> split_impurity(misclassification, [[200, 400], [200, 0]])
    0.25
    """
    total = sum(parent_of(children))
    return sum(sum(c) / total * criterion(c) for c in children if sum(c))


def gain(criterion: Callable[[Counts], float], children: Sequence[Counts]) -> float:
    """What the split takes off the impurity; for `entropy` the information gain."""
    return criterion(parent_of(children)) - split_impurity(criterion, children)


def _shares(counts: Any) -> list[float]:
    if isinstance(counts, (str, bytes)) or not hasattr(counts, "__iter__"):
        raise DTypeError(f"split: counts must be a list of integers, got {describe(counts)}")
    numbers = list(counts)
    for n in numbers:
        require_number("split", "each count", n, integer=True, low=0)
    total = sum(numbers)
    if total == 0:
        raise ConfigError(f"split: counts must hold at least one row, got {numbers}")
    return [int(n) / int(total) for n in numbers]
