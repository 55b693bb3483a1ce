"""Deep copies of what a function was given, to see afterwards what it changed.

Only plain containers and arrays are looked into; any other object stands for itself, and what changes inside it is not
seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def snapshot(value: Any) -> Any:
    """A copy of `value` that shares no array and no container with it."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: snapshot(member) for key, member in value.items()}
    if isinstance(value, (tuple, list)):
        return [snapshot(member) for member in value]
    return value


def changed(before: Any, now: Any, path: str) -> str | None:
    """Where `now` differs from the snapshot `before`, as `path` with an index or key; None if nowhere.

    >>> held = {"mask": np.ones(2), "p": 0.5}
    >>> before = snapshot(held)
    >>> held["mask"] *= 2
    >>> changed(before, held, "cache")
    "cache['mask']"
    """
    if isinstance(before, np.ndarray):
        same = isinstance(now, np.ndarray) and before.shape == now.shape and before.dtype == now.dtype
        return None if same and _equal(before, now) else path
    if isinstance(before, dict):
        if not isinstance(now, Mapping) or before.keys() != now.keys():
            return path
        return _first(changed(before[key], now[key], f"{path}[{key!r}]") for key in before)
    if isinstance(before, list):
        if not isinstance(now, (tuple, list)) or len(before) != len(now):
            return path
        return _first(changed(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(before, now, strict=True)))
    if before is now:
        return None
    try:
        return None if before == now else path
    except Exception:  # objects that refuse to be compared; another object stands there
        return path


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def _first(paths: Any) -> str | None:
    return next((path for path in paths if path is not None), None)
