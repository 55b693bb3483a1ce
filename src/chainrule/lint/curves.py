"""Numbers taken from a curve of losses, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.arrays import Array


def finite(losses: Sequence[float] | Array) -> bool:
    """Whether no loss is NaN or infinite."""
    return bool(np.isfinite(losses).all())


def ends(losses: Sequence[float]) -> tuple[float, float]:
    """The medians of the first three steps (a loss falls fastest there) and of the last tenth, ten steps at least."""
    width = max(len(losses) // 10, 10)
    return float(np.median(losses[:3])), float(np.median(losses[-width:]))


def thirds(losses: Sequence[float]) -> tuple[tuple[float, float, float], float]:
    """The means of three thirds, and the standard error of such a mean from differences of neighbouring steps."""
    values = np.asarray(losses, np.float64)
    parts = np.array_split(values, 3)
    first, middle, last = (float(part.mean()) for part in parts)
    noise = float(np.std(np.diff(values))) / np.sqrt(2)  # of one step
    return (first, middle, last), float(noise / np.sqrt(len(parts[0])))
