"""Data sets of the Hugging Face library `datasets`: one, or a dictionary of them by part. The library is not imported.

Used of it: `features` (a mapping of columns; a class label has `names`), `column_names`, `len` and `dataset[column]`.
Images come as Pillow objects and become uint8 (N, C, H, W); vectors and numbers become rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.data.reader import Part, Reader
from chainrule.errors import ConfigError, DataError

OPTIONS = ("inputs", "target")
_INPUTS = ("image", "img", "images", "pixel_values", "features", "data", "X", "x")
_TARGETS = ("label", "labels", "target", "fine_label", "y", "class")
_SPELLINGS = {"train": ("train",), "val": ("validation", "valid", "val", "dev"), "test": ("test",)}


def read_hugging_face(source: Any, options: Mapping[str, Any]) -> dict[str, Part]:
    """The parts of a dictionary of data sets, or one data set as the training part."""
    if not isinstance(source, Mapping):
        return {"train": _part(source, options)}
    parts = {}
    for part, spelled in _SPELLINGS.items():
        found = next((name for name in spelled if name in source), None)
        if found is not None:
            parts[part] = _part(source[found], options)
    if "train" not in parts:
        raise DataError(f"read: the data sets must include 'train', got only {', '.join(map(str, source))}")
    return parts


def _part(data: Any, options: Mapping[str, Any]) -> Part:
    columns = list(data.column_names)
    classes = [name for name in columns if getattr(data.features[name], "names", None) is not None]
    usual = next((name for name in _TARGETS if name in columns), classes[0] if len(classes) == 1 else None)
    target = _known("target", options.get("target", usual), columns)
    image = next((name for name in _INPUTS if name in columns and name != target), None)
    others = [name for name in columns if name != target]
    usual = image if image is not None else others[0] if len(others) == 1 else others
    chosen = options.get("inputs", usual)
    if len(data) == 0:
        raise DataError("read: the data set must hold at least one row, got none")
    if isinstance(chosen, (list, tuple)):
        wide = [_stacked(data, _known("inputs", name, columns)) for name in chosen]
        bad = next((name for name, column in zip(chosen, wide, strict=True) if column.ndim != 1), None)
        if not wide or bad is not None:
            raise ConfigError(f"read: inputs must be one column, or columns of single numbers, got {chosen}")
        X = np.stack(wide, axis=1)  # (N, D)
    else:
        X = _stacked(data, _known("inputs", chosen, columns))
        X = X[:, None] if X.ndim == 1 else X
    y = _stacked(data, target)
    names = getattr(data.features[target], "names", None)
    if names is not None and y.size and y.min() < 0:
        row = int(np.argmin(y))
        raise DataError(f"read: column {target!r} must hold a class in every row, got none ({y[row]}) in row {row}")
    return Part(X, y, None if names is None else tuple(names))


def _known(option: str, name: Any, columns: list[str]) -> str:
    if not isinstance(name, str) or name not in columns:
        raise ConfigError(f"read: {option} must be one of the columns {', '.join(columns)}, got {name!r}")
    return name


def _stacked(data: Any, column: str) -> np.ndarray:
    """A column as one array, images as (N, C, H, W)."""
    out: np.ndarray | None = None
    for row, value in enumerate(data[column]):
        cell = _cell(value)
        if cell is None or cell.dtype.kind not in "iufb":
            got = type(value).__name__
            raise DataError(f"read: column {column!r} must hold images or numbers, got {got} in row {row}")
        if out is None:
            out = np.empty((len(data), *cell.shape), cell.dtype)  # (N, ...)
        if cell.shape != out.shape[1:]:
            raise DataError(
                f"read: column {column!r} must have one shape, got {cell.shape} in row {row} after {out.shape[1:]}"
            )
        if cell.dtype != out.dtype:
            out = out.astype(np.result_type(out.dtype, cell.dtype))
        out[row] = cell
    if out is None:
        raise DataError(f"read: column {column!r} must hold at least one row, got none")
    return out


def _cell(value: Any) -> np.ndarray | None:
    if value is None or isinstance(value, (str, bytes, dict)):
        return None
    if hasattr(value, "getbands"):  # a Pillow image
        mode = value.mode if value.mode in ("L", "RGB") else "L" if value.mode in ("1", "LA") else "RGB"
        pixels = np.asarray(value.convert(mode))
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)  # (C, H, W)
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        return None


def _matches(source: Any) -> bool:
    if isinstance(source, Mapping):
        return bool(source) and all(_matches(value) for value in source.values())
    return hasattr(source, "features") and hasattr(source, "column_names") and hasattr(source, "__len__")


READER = Reader("hugging-face", _matches, read_hugging_face, OPTIONS)
