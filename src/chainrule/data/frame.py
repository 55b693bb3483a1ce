"""Tables in memory (pandas, polars, pyarrow) and Parquet files, through their columns; none of these is imported here.

A table is anything with columns that can be asked for by name and turned into NumPy arrays. Parquet files need pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.reader import Part, Reader
from chainrule.data.table import OPTIONS, part_of_columns
from chainrule.errors import DataError

_MOST_BYTES = 2**32  # of a Parquet file's columns when unpacked


def read_frame(frame: Any, options: Mapping[str, Any]) -> dict[str, Part]:
    """A table in memory as the training part; rows are called 0, 1, 2, ... in messages."""
    return {"train": part_of_columns("the table", _columns("the table", frame), options, 0)}


def read_parquet(path: Path, options: Mapping[str, Any]) -> dict[str, Part]:
    """A Parquet file as the training part; rows are called 0, 1, 2, ... in messages."""
    return {"train": part_of_columns(str(path), parquet_columns(path), options, 0)}


def parquet_columns(path: Path) -> dict[str, np.ndarray]:
    """All columns (N,) of a Parquet file, of numbers or texts."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        hint = "pip install 'chainrule[parquet]'"
        raise DataError(f"read: {path} is a Parquet file, for which pyarrow must be installed: {hint}") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            size = sum(group.total_byte_size for group in groups)
            if size > _MOST_BYTES:
                raise DataError(f"read: {path} must unpack to at most {_MOST_BYTES} bytes, got {size}")
            table = file.read(use_threads=False)
    except (OSError, ValueError, NotImplementedError, pyarrow.ArrowException) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"read: {path} must be a readable Parquet file, got: {error}") from None
    return _columns(str(path), table)


def _columns(where: str, frame: Any) -> dict[str, np.ndarray]:
    names = list(getattr(frame, "column_names", getattr(frame, "columns", ())))
    columns: dict[str, np.ndarray] = {}
    for name in names:
        if str(name) in columns:
            raise DataError(f"read: {where} must have one column of each name, got {str(name)!r} twice")
        columns[str(name)] = _plain(where, str(name), frame[name])
    if not columns or len(next(iter(columns.values()))) == 0:
        raise DataError(f"read: {where} must hold at least one column and one row, got none")
    return columns


def _plain(where: str, name: str, column: Any) -> np.ndarray:
    """A column of numbers with NaN for gaps, or of texts as objects with "" for them."""
    try:
        values = np.asarray(column.to_numpy())
    except Exception as error:  # another library's way to make an array may raise anything (texts that are no UTF-8)
        raise DataError(f"read: column {name!r} of {where} must hold numbers or texts, got: {error}") from None
    if values.ndim == 1 and values.dtype.kind in "iufb":
        return values
    if values.ndim == 1 and values.dtype.kind in "OUT":
        cells = [None if _is_gap(cell) else cell for cell in values.tolist()]
        if all(cell is None or isinstance(cell, str) for cell in cells):
            texts = np.empty(len(cells), dtype=object)  # (N,)
            texts[:] = ["" if cell is None else cell for cell in cells]
            return texts
        if all(cell is None or isinstance(cell, (int, float)) for cell in cells):
            return np.array([np.nan if cell is None else float(cell) for cell in cells])
    raise DataError(f"read: columns of {where} must hold numbers or texts, got {values.dtype} in column {name!r}")


def _is_gap(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float) and cell != cell


def _is_frame(source: Any) -> bool:
    is_table = hasattr(source, "columns") and hasattr(source, "__getitem__") and hasattr(source, "shape")
    return is_table and not isinstance(source, (np.ndarray, Path)) and not hasattr(source, "features")


def _is_parquet(source: Any) -> bool:
    return isinstance(source, Path) and source.is_file() and _start(source) == b"PAR1"


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4)
    except OSError:
        return b""


FRAME = Reader("table", _is_frame, read_frame, OPTIONS)
PARQUET = Reader("parquet", _is_parquet, read_parquet, OPTIONS)
