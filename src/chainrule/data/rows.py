"""Walking over rows in blocks, so that checks and statistics never need a second copy of a large data set."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

_BLOCK = 2**20  # elements: 8 MB of float64 at a time


def row_blocks(X: np.ndarray, elements: int = _BLOCK) -> Iterator[slice]:
    """Slices over the first axis of `X` (N, ...), in order, each of about a million elements, or of `elements`."""
    rows = max(elements // max(math.prod(X.shape[1:]), 1), 1)
    for start in range(0, X.shape[0], rows):
        yield slice(start, min(start + rows, X.shape[0]))


def first_nonfinite_row(X: np.ndarray) -> int | None:
    """The index of the first row of `X` (N, ...) that holds NaN or infinity, or None.

    >>> first_nonfinite_row(np.array([[0.0, 1.0], [2.0, np.inf]]))
    1
    """
    if X.dtype.kind not in "fc":
        return None
    for rows in row_blocks(X):
        block = X[rows]
        finite = np.isfinite(block).reshape(block.shape[0], -1).all(axis=1)  # (rows,)
        if not finite.all():
            return rows.start + int(np.argmin(finite))
    return None
