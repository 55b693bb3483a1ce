"""What a reader is: one kind of source, how it is told from others, and how its parts become data sets.

A reader gives raw parts: for "train", and "val" and "test" where the source has them, inputs and targets as arrays.
What is asked of every source alike (the shape of an input, the first label, names) is done here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.source import Source
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError, describe, require_number

#: The options that every reader takes, as they are used here.
COMMON = frozenset({"input_shape", "first_label", "class_names", "name"})
PARTS = ("train", "val", "test")


class Part(NamedTuple):
    """Inputs (N, ...), labels or targets, and the names of the classes where the source has them."""

    X: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reader:
    """One kind of source.

    kind: its name. matches: whether a path or object is of this kind; looks at names and first bytes only.
    read: from the source and the options given, a whole `Source` or its parts. options: the names it knows beyond
    `COMMON`.
    """

    kind: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Mapping[str, Any]], Source | Mapping[str, Part]]
    options: Collection[str] = ()


def finished(reader: Reader, source: Any, options: Mapping[str, Any]) -> Source:
    """What `reader` makes of `source`, with the options of `COMMON` applied."""
    unused = sorted(set(options) - COMMON - set(reader.options))
    if unused:
        known = ", ".join(sorted(COMMON | set(reader.options)))
        raise ConfigError(f"read: {unused[0]} must be left out for a source of kind {reader.kind!r}; it takes {known}")
    got = reader.read(source, options)
    if isinstance(got, Source) and not set(options) & COMMON:
        return got
    if isinstance(got, Source):
        parts = {part: Part(data.X, data.y, _names(data)) for part, data in got.parts.items()}
    else:
        parts = dict(got)
    name = options.get("name", got.name if isinstance(got, Source) else _title(reader, source))
    if not isinstance(name, str):
        raise DTypeError(f"read: name must be a string, got {describe(name)}")
    sets = {part: _dataset(parts[part], name if part == "train" else f"{name} {part}", options) for part in parts}
    if isinstance(got, Source):
        return replace(got, name=name, train=sets["train"], val=sets.get("val"), test=sets.get("test"))
    return Source(name, sets["train"], sets.get("test"), val=sets.get("val"))


def _title(reader: Reader, source: Any) -> str:
    return source.name.split(".")[0] if isinstance(source, Path) else reader.kind


def _names(data: Dataset) -> tuple[str, ...] | None:
    return None if data.class_names is None else tuple(data.class_names)


def _dataset(part: Part, name: str, options: Mapping[str, Any]) -> Dataset:
    X, y, names = part.X, part.y, options.get("class_names", part.class_names)
    if "input_shape" in options:
        X = _shaped(X, options["input_shape"])
    if "first_label" in options:
        first = options["first_label"]
        require_number("read", "first_label", first, integer=True)
        if not isinstance(y, np.ndarray) or y.dtype.kind not in "iu":
            raise ConfigError(f"read: first_label must be left out where y holds no integers, got {describe(y)}")
        if y.size and y.min() < first:
            row = int(np.argmax(y < first))
            raise DataError(f"read: labels must be from first_label = {first} on, got {y[row]} in row {row}")
        if y.size and isinstance(names, (list, tuple)) and y.max() - first >= len(names):
            row = int(np.argmax(y))
            last = f"{first + len(names) - 1} for first_label = {first} and {len(names)} class names"
            raise DataError(f"read: labels must be up to {last}, got {y[row]} in row {row}")
        y = y.astype(np.int64) - int(first)
    return Dataset(X, y, names, name)


def _shaped(X: np.ndarray, shape: Any) -> np.ndarray:
    if not isinstance(shape, (tuple, list)) or not all(type(n) is int and n > 0 for n in shape) or not shape:
        raise DTypeError(f"read: input_shape must be a tuple of lengths >= 1, got {describe(shape)}")
    if math.prod(X.shape[1:]) != math.prod(shape):
        raise ShapeError(f"read: input_shape must have {math.prod(X.shape[1:])} elements, got {tuple(shape)}")
    return X.reshape(len(X), *shape)
