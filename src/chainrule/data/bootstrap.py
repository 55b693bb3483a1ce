"""Bootstrap samples: as many rows as there are, drawn with replacement, and the rows that were not drawn.

Of N rows (1 − 1/N)^N, about 1/e = 36.8 %, are left out of a sample: they are "out of bag", and can test what was
trained on the others.
Sources: Efron, "Bootstrap methods", Annals of Statistics 7, 1979; Breiman, "Bagging predictors", Machine Learning 24,
1996, section 2; Breiman, "Out-of-bag estimation", technical report, Berkeley, 1996.
"""

from __future__ import annotations

import numpy as np

from chainrule.arrays import Stream, generator
from chainrule.errors import require_number


def bootstrap_rows(n: int, seed: int) -> np.ndarray:
    """n rows drawn with replacement from 0 ... n − 1, (n,) int64, the same for the same `seed`.

    >>> rows = bootstrap_rows(10_000, seed=0)
    >>> len(rows), len(out_of_bag(rows, 10_000)) / 10_000
    (10000, 0.3645)
    """
    require_number("bootstrap_rows", "n", n, integer=True, low=1)
    require_number("bootstrap_rows", "seed", seed, integer=True, low=0, high=2**64, open_high=True)
    return generator(seed, Stream.BOOTSTRAP).integers(0, n, n)


def out_of_bag(rows: np.ndarray, n: int) -> np.ndarray:
    """The rows of 0 ... n − 1 that are not in the sample `rows`, in order."""
    return np.flatnonzero(np.bincount(rows, minlength=n) == 0)
