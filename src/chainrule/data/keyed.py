"""Arrays under names, as .npz, .mat, dictionaries and bunches hold them: which are the inputs, which the targets.

    X, y                     or data, x, images, features, inputs and target, labels, label, targets
    X_train, y_train, X_val, y_val, X_test, y_test        or x_train ..., train_X ..., for the parts

MATLAB knows no single axis, so y may come as a column or a row; and images there often have their number last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.data.reader import PARTS, Part
from chainrule.errors import ConfigError, DataError, DTypeError, describe

INPUTS = ("X", "x", "data", "images", "features", "inputs")
TARGETS = ("y", "Y", "target", "targets", "labels", "label")
OPTIONS = ("inputs", "target")


def parts_of_arrays(where: str, arrays: Mapping[Any, Any], options: Mapping[str, Any]) -> dict[str, Part]:
    """The parts that the names of `arrays` spell; `where` names their origin.

    Options inputs and target: the names of X and y. Raises `DataError` saying which names there are where none fit.
    """
    plain = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in arrays.items()}
    names = [name for name in plain if isinstance(name, str)]
    for option in OPTIONS:
        given = options.get(option)
        if given is not None and (not isinstance(given, str) or given not in names):
            raise ConfigError(f"read: {option} must be one of {', '.join(sorted(names)[:20])}, got {given!r:.60}")
    if not options.keys() & set(OPTIONS):
        parts = _by_part(where, plain)
        if parts:
            return parts
    inputs = options.get("inputs", _first(names, INPUTS))
    target = options.get("target", _first(names, TARGETS))
    for option, chosen, usual in (("inputs", inputs, INPUTS), ("target", target, TARGETS)):
        if chosen is None:
            raise DataError(
                f"read: {where} must hold {' or '.join(usual)}, got {', '.join(sorted(names)[:20])}; "
                f"say which with {option}="
            )
    return {"train": part_of(where, plain[inputs], plain[target])}


def part_of(where: str, X: Any, y: Any, class_names: tuple[str, ...] | None = None) -> Part:
    """Inputs and targets as arrays of the same length: axes and kinds put right where it is clear how."""
    X, y = as_array(where, "X", X), as_array(where, "y", y)
    if y.ndim == 2 and 1 in y.shape and y.dtype.kind in "iubfUS" and y.size > 1:
        whole = y.dtype.kind in "iubUS" or bool((np.isfinite(y) & (y == np.trunc(y))).all())
        if whole or y.shape[0] == 1:  # a column of floats may be meant as targets (N, 1)
            y = y.reshape(-1)
    if X.ndim >= 2 and y.ndim == 1 and X.shape[0] != len(y) and X.shape[-1] == len(y):
        X = np.moveaxis(X, -1, 0)  # (H, W, C, N) -> (N, H, W, C)
        X = np.ascontiguousarray(np.moveaxis(X, -1, 1) if X.ndim == 4 and X.shape[-1] in (1, 3) else X)
    if y.dtype.kind in "US":
        texts = np.char.decode(y, "latin-1") if y.dtype.kind == "S" else y
        names, y = np.unique(texts, return_inverse=True)
        class_names = tuple(str(name) for name in names)
    return Part(X, y, class_names)


def as_array(where: str, argument: str, value: Any) -> np.ndarray:
    """`value` as an array; lists of numbers become one, anything else is a `DataError` or `DTypeError`."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (list, tuple)):
        try:
            array = np.array(value)
        except (ValueError, TypeError, OverflowError):
            raise DataError(f"read: {argument} of {where} must have rows of one length and kind") from None
        if array.dtype.kind in "iubfUS":
            return array
    elif hasattr(value, "__array__"):
        return np.asarray(value)
    raise DTypeError(f"read: {argument} of {where} must be an array of numbers, got {describe(value)}")


def _by_part(where: str, arrays: Mapping[str, Any]) -> dict[str, Part]:
    parts = {}
    spellings = {"train": ("train",), "val": ("val", "valid", "validation", "dev"), "test": ("test",)}
    for part in PARTS:
        pairs = (
            (template.format(x, spelled), template.format(y, spelled))
            for spelled in spellings[part]
            for template in ("{}_{}", "{1}_{0}")
            for x, y in (("X", "y"), ("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "labels"))
        )
        found = next((pair for pair in pairs if pair[0] in arrays and pair[1] in arrays), None)
        if found is not None:
            parts[part] = part_of(where, arrays[found[0]], arrays[found[1]])
    return parts if "train" in parts else {}


def _first(names: list[str], usual: tuple[str, ...]) -> str | None:
    return next((name for name in usual if name in names), None)
