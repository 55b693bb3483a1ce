"""Results of a submission against ours: which is wrong, where, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.grade.inside.wire import Foreign

#: Differences below this part of the typical size of the numbers, 1, are rounding.
_ABSOLUTE = 1e-9


@dataclass(frozen=True)
class Finding:
    """One result that is wrong: its name, and in what."""

    name: str
    words: str

    def __str__(self) -> str:
        return f"{self.name} {self.words}"


def compare_all(expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
    """Every expected result, and inputs that were changed."""
    found = []
    for name, value in expected.items():
        if name == "changed":
            continue
        if isinstance(value, Mapping):
            found += compare_named(name, value, got.get(name), tolerance)
        else:
            found += compare(name, value, got.get(name), tolerance)
    return found + changed(got)


def only(*names: str) -> Any:
    """A judge that looks at some results alone."""

    def judge(expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        part = {name: expected[name] for name in names}
        return compare_all(part, {name: got.get(name) for name in (*names, "changed")}, tolerance)

    return judge


def changed(got: Mapping[str, Any]) -> list[Finding]:
    """Inputs that the submission wrote to."""
    names = got.get("changed")
    if not isinstance(names, list):
        return []
    return [Finding(name, "is an input, and is changed in place") for name in names if isinstance(name, str)]


def compare_named(name: str, expected: Mapping[str, Any], got: Any, tolerance: float) -> list[Finding]:
    """A dictionary of arrays: the same names, each right."""
    if not isinstance(got, Mapping):
        return [Finding(name, f"must be a dictionary, is {_kind(got)}")]
    found = []
    extra = sorted(set(got) - set(expected))
    if extra:
        found.append(Finding(name, f"has entries that are no parameters: {', '.join(extra[:5])}"))
    for key, value in expected.items():
        if key not in got:
            found.append(Finding(f"{name}[{key!r}]", "is missing"))
        else:
            found += compare(f"{name}[{key!r}]", value, got[key], tolerance)
    return found


def compare(name: str, expected: Any, got: Any, tolerance: float) -> list[Finding]:
    """A number or an array."""
    words = difference(expected, got, tolerance)
    return [] if words is None else [Finding(name, words)]


def difference(expected: Any, got: Any, tolerance: float) -> str | None:
    """In what `got` is wrong, or None."""
    if isinstance(got, (Foreign, str, Mapping)) or got is None:
        return f"must be an array, is {_kind(got)}" if np.ndim(expected) else f"must be a number, is {_kind(got)}"
    want = np.asarray(expected, np.float64)
    try:
        have = np.asarray(got, np.float64)
    except (TypeError, ValueError):
        return "must be an array of numbers"
    if want.ndim == 0 and have.size == 1:
        have = have.reshape(())
    if have.shape != want.shape:
        return f"must have shape {want.shape}, has {have.shape}"
    if want.size == 0:
        return None
    if not np.isfinite(have).all():
        if not np.array_equal(np.isfinite(have), np.isfinite(want)):  # a known mistake's results may be infinite too
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(have))[0])
            return f"holds {have[where]}{_at(where)}"
        want, have = (np.nan_to_num(value, nan=0, posinf=0, neginf=0) for value in (want, have))
    with np.errstate(over="ignore"):
        off = abs(have - want)
        size = np.maximum(abs(want), max(1e-3 * float(abs(want).max()), _ABSOLUTE / tolerance))
        errors = off / size
    if float(errors.max()) <= tolerance:
        return None
    worst = tuple(int(i) for i in np.unravel_index(int(errors.argmax()), errors.shape))
    share = f", {int((errors > tolerance).sum())} of {want.size} numbers wrong" if want.ndim else ""
    return f"must be {want[worst] + 0.0:.6g}{_at(worst)}, is {have[worst] + 0.0:.6g}{share}"


def _at(index: Sequence[int]) -> str:
    return f" at index ({', '.join(map(str, index))}{',' if len(index) == 1 else ''})" if index else ""


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, Foreign):
        return repr(value)
    return "a dictionary" if isinstance(value, Mapping) else f"a {type(value).__name__}"
