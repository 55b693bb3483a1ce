"""Inputs without targets, to be predicted: a table with a column a feature, or an array in an .npz file.

A competition's test set is such a file. A table may have a column of ids beside the inputs, and one of targets under
one of their usual names, which is left out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.csv_table import csv_columns
from chainrule.data.frame import parquet_columns
from chainrule.data.npz import read_npz
from chainrule.data.rows import first_nonfinite_row
from chainrule.data.table import TARGETS, matrix_of_columns
from chainrule.errors import ConfigError, DataError

_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
_NAMES = ("X", "X_test", "x", "x_test")


class Inputs(NamedTuple):
    """X (N, ...), and the ids (N,) where the file has a column of them."""

    X: np.ndarray
    ids: list[Any] | None


def holds_rows(path: str | Path) -> bool:
    """Whether `read_inputs` reads files of this name.

    >>> holds_rows("test.csv"), holds_rows("photo.png")
    (True, False)
    """
    return str(path).lower().endswith((*_TABLES, ".npz"))


def read_inputs(path: str | Path, input_shape: Shape, id_column: str | None = None) -> Inputs:
    """The inputs in a table (.csv, .tsv, .parquet) or an .npz file, as rows of `input_shape`.

    id_column: the column of a table that holds ids. An .npz file holds X or X_test, or one array only.
    Raises `ConfigError` where columns are not as many as inputs, `DataError` for what cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"{file}: no such file" if not file.exists() else f"{file}: not a file")
    if file.name.lower().endswith(".npz"):
        if id_column is not None:
            raise ConfigError(f"{file} has no columns, so no column of ids {id_column!r}")
        return Inputs(_shaped(str(file), _array(file), input_shape), None)
    columns, first = (parquet_columns(file), 0) if file.name.lower().endswith(".parquet") else csv_columns(file, {})
    ids = None
    if id_column is not None:
        if id_column not in columns:
            raise ConfigError(f"{file} has no column {id_column!r}; it has {', '.join(list(columns)[:10])}")
        ids = columns.pop(id_column).tolist()
    width = math.prod(input_shape)
    targets = [name for name in columns if name.lower() in TARGETS]
    if len(columns) == width + 1 and len(targets) == 1:
        del columns[targets[0]]
    if len(columns) != width:
        raise ConfigError(
            f"{file} must have {width} columns of inputs, got {len(columns)}; a column of ids must be named"
        )
    return Inputs(matrix_of_columns(str(file), columns, first).reshape(-1, *input_shape), ids)


def _array(file: Path) -> np.ndarray:
    arrays = read_npz(file)
    found = [name for name in _NAMES if name in arrays]
    if not found and len(arrays) != 1:
        raise DataError(f"{file} must hold an array X or X_test, or one array only, got {', '.join(sorted(arrays))}")
    return arrays[found[0]] if found else next(iter(arrays.values()))


def _shaped(where: str, X: np.ndarray, shape: Shape) -> np.ndarray:
    if X.dtype.kind not in "iuf" or X.ndim < 2 or X.size == 0:
        raise DataError(f"{where}: X must be numbers with axes (N, ...), got shape {X.shape} and dtype {X.dtype}")
    if math.prod(X.shape[1:]) != math.prod(shape):
        raise ConfigError(f"{where}: rows of X must have {math.prod(shape)} elements, got shape {X.shape}")
    row = first_nonfinite_row(X)
    if row is not None:
        raise DataError(f"{where}: X must be finite, got NaN or infinity in row {row}")
    return X.reshape(len(X), *shape)
