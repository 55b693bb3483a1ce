"""An ensemble beside its members: how much better it is on the same rows, and how sure that is.

With aᵢ the ensemble's score on row i (1 if right, else 0) and bᵢ the mean of its members' scores on that row,

    dᵢ = aᵢ − bᵢ          difference = d̄          standard error = √( Σ (dᵢ − d̄)² / (n (n − 1)) )

Pairing takes out what rows have in common: a row that everyone gets right, or wrong, adds nothing. The rows are the
sample here and the members are given: the error says how the difference would vary over other test rows, not over
members trained anew.
For a regression the score is R² = 1 − Σ rᵢ²/S with residuals r and S = Σ (yᵢ − ȳ)²; row i then has the share
−n rᵢ²/S of it, S being taken as known.
Source: Mitchell, "Machine Learning", 1997, section 5.6 (paired tests); the standard error of a mean of differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ShapeError
from chainrule.require import as_numbers
from chainrule.typed import typed


@dataclass(frozen=True)
class Comparison:
    """Scores (accuracies, or R²) of the members and of the ensemble on `count` rows; losses where there are any.

    The loss is −log of the probability of the true class, averaged, or the mean squared error of a regression.
    """

    count: int
    members: tuple[float, ...]
    mean: float
    ensemble: float
    difference: float
    standard_error: float
    mean_loss: float | None
    ensemble_loss: float | None


@typed
def paired_difference(a: Array, b: Array) -> tuple[float, float]:
    """The mean of a − b over rows (N,), and its standard error; NaN for a single row.

    >>> paired_difference(np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    (0.5, 0.28867513459481287)
    """
    a, b = as_numbers("paired_difference", "a", a), as_numbers("paired_difference", "b", b)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise ShapeError(f"paired_difference: a and b must have one shape (N,), N >= 1, got {a.shape} and {b.shape}")
    d = a.astype(np.float64) - b  # (N,)
    n = len(d)
    return float(d.mean()), float(d.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
