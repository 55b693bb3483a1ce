"""How precise a function is: the rounding noise in its values, measured by high differences.

The k-th differences of a smooth function at m + 1 equally spaced points vanish as the spacing does, those of noise with
variance σ² have the mean square (2k)!/(k!)² σ². So σₖ² = (k!)²/(2k)! · mean of squared k-th differences.
Source: Moré & Wild, "Estimating computational noise", SIAM Journal on Scientific Computing 33, 2011, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.arrays import Array

POINTS, ORDER = 9, 5
STARTS = (0, 16, -24)


def relative_noise(f: Callable[[Array], Array], x: Array, rng: np.random.Generator) -> float:
    """σ / |f| of the noisiest output of `f` near `x`; the least of several stretches, as some may meet a kink.

    >>> x, rng = np.ones(3), np.random.default_rng(0)
    >>> relative_noise(lambda v: np.exp(v), x, rng) < 1e-14
    True
    >>> 1e-9 < relative_noise(lambda v: np.exp(v.astype(np.float32)).astype(np.float64), x, rng) < 1e-6
    True
    """
    step = 1e-6 * np.maximum(1, abs(x)) * rng.uniform(0.5, 1.0, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    return min(_along(f, x + start * step, step) for start in STARTS)


def _along(f: Callable[[Array], Array], x: Array, step: Array) -> float:
    values = np.stack([np.asarray(f(x + k * step), np.float64) for k in range(POINTS)])  # (POINTS, ...)
    size = float(np.max(abs(values), initial=0.0))
    if not np.isfinite(values).all() or size == 0:
        return 0.0
    differences = np.diff(values, ORDER, axis=0)
    gamma = math.factorial(ORDER) ** 2 / math.factorial(2 * ORDER)
    return math.sqrt(gamma * float(np.max(np.mean(differences**2, axis=0)))) / size
