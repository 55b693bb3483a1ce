"""Long lists of numbers go into a checkpoint's tensors instead of its JSON: eight bytes a number, bit for bit.

The loss of every step is such a list: in the state stands {"tensor": name} in its place. A long list of records, such
as those of the epochs, becomes {"columns": {key: list}}, so that its numbers are lists as well. Reading goes in two
steps: `joined` puts the arrays in their places, which takes no memory, and once all is known to be right `as_lists`
makes the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import CheckpointError
from chainrule.solver.plain import shortened

PREFIX = "list."  # of the names of such tensors
LONG = 64  # entries; shorter lists can be read where they stand
MAX_DEPTH = 64
MARKS = ({"tensor"}, {"columns"})


class Table(dict[str, Any]):
    """The columns of a list of records."""


def split(value: Any, arrays: dict[str, Array], depth: int = 0) -> Any:
    """`value` with its long lists of numbers taken out into `arrays`."""
    if depth > MAX_DEPTH:
        raise CheckpointError(f"what is saved may be nested {MAX_DEPTH} deep at most")
    if isinstance(value, dict):
        if set(value) in MARKS:
            raise CheckpointError(f"what is saved must not hold a table with the one key {next(iter(value))!r}")
        return {key: split(entry, arrays, depth + 1) for key, entry in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    if len(value) >= LONG and _are_records(value):
        return {"columns": {key: split([row[key] for row in value], arrays, depth + 2) for key in value[0]}}
    array = _as_array(value)
    if array is None:
        return [split(entry, arrays, depth + 1) for entry in value]
    name = f"{PREFIX}{len(arrays)}"
    arrays[name] = array
    return {"tensor": name}


def joined(value: Any, arrays: dict[str, Array], where: str) -> Any:
    """`value` with each mark replaced by what it stands for, taken from `arrays`: an array, or a `Table`.

    Raises a `CheckpointError` that starts with `where` for a list that is not there.
    """
    if isinstance(value, list):
        return [joined(entry, arrays, where) for entry in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"columns"} and isinstance(value["columns"], dict):
        columns = {key: joined(entry, arrays, where) for key, entry in value["columns"].items()}
        if not all(isinstance(c, list) or (isinstance(c, np.ndarray) and c.ndim > 0) for c in columns.values()):
            raise CheckpointError(f"{where}: the columns of a table must be lists, got {shortened(value)}")
        if len({len(column) for column in columns.values()}) != 1:
            raise CheckpointError(f"{where}: the columns of a table must have one length, got {shortened(value)}")
        return Table(columns)
    if set(value) != {"tensor"}:
        return {key: joined(entry, arrays, where) for key, entry in value.items()}
    name = value["tensor"]
    if not isinstance(name, str) or name not in arrays:
        raise CheckpointError(f"{where}: names the list {shortened(name)}, which is not there or stands elsewhere too")
    array = arrays.pop(name)  # once: else a small file could name one list a thousand times
    if array.dtype not in (np.float64, np.int64):
        raise CheckpointError(f"{where}: {name} must be float64 or int64, got {array.dtype}")
    return array


def as_lists(value: Any) -> Any:
    """What `joined` returned, as `split` was given it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Table):
        columns = [as_lists(column) for column in value.values()]
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(value, dict):
        return {key: as_lists(entry) for key, entry in value.items()}
    return [as_lists(entry) for entry in value] if isinstance(value, list) else value


def of_lists(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the tensors that are lists."""
    return {name: array for name, array in arrays.items() if name.startswith(PREFIX)}


def _are_records(value: Any) -> bool:
    first = value[0]
    return (
        isinstance(first, dict) and bool(first) and all(isinstance(v, dict) and v.keys() == first.keys() for v in value)
    )


def _as_array(value: Any) -> Array | None:
    """A nested list of floats, or of integers, as an array, if it is long and of one shape."""
    kind, shape = _leaf(value)
    if kind not in (float, int) or np.prod(shape) < LONG or not _is_regular(value, kind, shape):
        return None
    try:
        return np.array(value, np.float64 if kind is float else np.int64)
    except OverflowError:  # integers beyond 64 bits
        return None


def _leaf(value: Any) -> tuple[type, tuple[int, ...]]:
    """The type of the first entry of a nested list, and the lengths of the lists on the way to it."""
    shape: list[int] = []
    while isinstance(value, (list, tuple)) and value and len(shape) < 32:
        shape.append(len(value))
        value = value[0]
    return type(value), tuple(shape)


def _is_regular(value: Any, kind: type, shape: tuple[int, ...]) -> bool:
    """Whether every list has the length of its level, and every entry the one type: True is no 1, 1 is no 1.0."""
    if not isinstance(value, (list, tuple)) or len(value) != shape[0]:
        return False
    if len(shape) == 1:
        return set(map(type, value)) == {kind}
    return all(_is_regular(entry, kind, shape[1:]) for entry in value)
