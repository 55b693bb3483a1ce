"""Columns of a table as inputs and targets: which column is the target, which the inputs, what to do with gaps.

Inputs must be numbers. A target of texts, or one that is asked to be labels, becomes class numbers with names in sorted
order; whole numbers are labels, other numbers targets. A missing value is an error that names its row and column,
unless rows with gaps are to be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.reader import Part
from chainrule.errors import ConfigError, DataError, DTypeError, describe, shown, unknown

OPTIONS = ("inputs", "target", "target_as", "missing")
TARGETS = ("y", "label", "labels", "target", "class")
_TARGET_KINDS = ("auto", "labels", "numbers")
_MISSING = ("raise", "drop")


def part_of_columns(where: str, columns: Mapping[str, np.ndarray], options: Mapping[str, Any], first_row: int) -> Part:
    """Inputs float64 (N, D) and the target, of columns (N,) of numbers, or of texts as objects; "" and NaN are gaps.

    Options target: its column, by name or index. inputs: columns, all others by default. target_as: "auto", "labels"
    or "numbers". missing: "raise" or "drop". first_row: what messages call the first row. Raises `ConfigError` for
    columns that are not there, `DataError` naming row and column for gaps and for texts among inputs.
    """
    target_as, missing = options.get("target_as", "auto"), options.get("missing", "raise")
    if not isinstance(target_as, str) or target_as not in _TARGET_KINDS:
        raise unknown("kind of target", target_as, _TARGET_KINDS)
    if not isinstance(missing, str) or missing not in _MISSING:
        raise unknown("way with missing values", missing, _MISSING)
    given = options["target"] if "target" in options else _usual_target(where, columns)
    target = _column("target", columns, given)
    inputs = _inputs(columns, target, options.get("inputs"))
    gaps = {name: _gaps(columns[name]) for name in (*inputs, target)}
    keep = ~np.logical_or.reduce(list(gaps.values()))  # (N,)
    if missing == "raise" and not keep.all():
        row = int(np.argmin(keep))
        name = next(name for name, gap in gaps.items() if gap[row])
        raise DataError(
            f"read: {where} must have no missing values, got one in row {row + first_row}, column {name!r}"
            f" ({int((~keep).sum())} rows have some; missing='drop' leaves them out)"
        )
    if not keep.any():
        raise DataError(f"read: {where} must hold at least one row without missing values")
    rows = np.flatnonzero(keep)  # (rows kept,)
    X = np.empty((len(rows), len(inputs)))  # (N, D)
    for position, name in enumerate(inputs):
        X[:, position] = _numbers(where, name, columns[name][rows], rows + first_row)
    y, names = _target(where, target, columns[target][rows], target_as, rows + first_row)
    return Part(X, y, names)


def matrix_of_columns(where: str, columns: Mapping[str, np.ndarray], first_row: int) -> np.ndarray:
    """All columns as inputs float64 (N, D), as `part_of_columns` reads them; a gap is an error."""
    X = np.empty((len(next(iter(columns.values()))), len(columns)))  # (N, D)
    for position, (name, column) in enumerate(columns.items()):
        gaps = _gaps(column)
        if gaps.any():
            row = int(np.argmax(gaps)) + first_row
            raise DataError(f"read: {where} must have no missing values, got one in row {row}, column {name!r}")
        X[:, position] = _numbers(where, name, column, np.arange(len(column)) + first_row)
    return X


def _usual_target(where: str, columns: Mapping[str, Any]) -> str:
    found = [name for name in columns if name.lower() in TARGETS]
    if len(found) != 1:
        raise ConfigError(
            f"read: target must name the column of the targets of {where}; its columns are {_listed(columns)}"
        )
    return found[0]


def _column(option: str, columns: Mapping[str, Any], given: Any) -> str:
    names = list(columns)
    if isinstance(given, str) and given in columns:
        return given
    if isinstance(given, int) and not isinstance(given, bool) and -len(names) <= given < len(names):
        return names[given]
    if not isinstance(given, (str, int)) or isinstance(given, bool):
        raise DTypeError(f"read: {option} must be a column's name or index, got {describe(given)}")
    raise ConfigError(f"read: {option} must be one of the columns {_listed(columns)}, got {shown(given)}")


def _inputs(columns: Mapping[str, Any], target: str, given: Any) -> list[str]:
    if given is None:
        chosen = [name for name in columns if name != target]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        chosen = [_column("inputs", columns, one) for one in given]
    else:
        chosen = [_column("inputs", columns, given)]
    if not chosen or target in chosen:
        raise ConfigError(f"read: inputs must be at least one column other than the target {target!r}, got {chosen}")
    return chosen


def _gaps(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype == object:
        return np.array([text == "" for text in column], dtype=bool)
    return np.zeros(len(column), bool)


def _numbers(where: str, name: str, column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "iufb":
        return column.astype(np.float64)
    for row, value in zip(rows, column, strict=True):
        try:
            float("no" if "_" in value else value)  # Python takes 1_000 for a number
        except ValueError:
            raise DataError(
                f"read: inputs of {where} must be numbers, got {str(value)!r:.60} in row {row}, column {name!r}"
            ) from None
    return column.astype(np.float64)


def _target(
    where: str, name: str, column: np.ndarray, target_as: str, rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    if target_as == "numbers":
        return _numbers(where, name, column, rows), None
    if column.dtype == object or target_as == "labels":
        values, labels = np.unique(column, return_inverse=True)
        return labels, tuple(f"{value:g}" if column.dtype.kind == "f" else str(value) for value in values)
    return column, None


def _listed(columns: Mapping[str, Any]) -> str:
    names = list(columns)
    return ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
