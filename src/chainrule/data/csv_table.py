"""CSV and other delimited text: rows of cells, numbers or texts, with or without a line of names.

Read with Python's `csv`, a block of rows at a time, so that the texts of numbers are never all in memory.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.reader import Part, Reader
from chainrule.data.table import OPTIONS, part_of_columns
from chainrule.errors import DataError, DTypeError, describe, require_bool

_BLOCK = 4096  # rows
_MOST_BYTES = 2**31
_MOST_COLUMNS = 2**17
_MOST_TEXT = 256  # letters of a cell that is a text
_GAPS = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"})
_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_csv(path: Path, options: Mapping[str, Any]) -> dict[str, Part]:
    """The table as the training part.

    Options beyond those of `table`: delimiter, one letter (a comma; a tab for .tsv). header, whether the first row
    holds names (seen from it by default: a name is no number).
    """
    columns, first_row = csv_columns(path, options)
    return {"train": part_of_columns(str(path), columns, options, first_row)}


def csv_columns(path: Path, options: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    """All columns (N,), of numbers or texts, and the number of the first row in the file."""
    delimiter = options.get("delimiter", "\t" if ".tsv" in path.name.lower() else ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"':
        raise DTypeError(f"read: delimiter must be one letter, got {describe(delimiter)}")
    header = options.get("header")
    if header is not None:
        require_bool("read", "header", header)
    texts: set[str] = set()
    while True:
        columns, first_row = _attempt(path, delimiter, header, texts)
        mixed = {name for name, blocks in columns.items() if len({block.dtype == object for block in blocks}) == 2}
        if not mixed:
            break
        texts |= mixed  # numbers far down from texts: read again, as "01" and "1" may be two classes
    return {name: np.concatenate(blocks) for name, blocks in columns.items()}, first_row


def _attempt(
    path: Path, delimiter: str, header: bool | None, texts: set[str]
) -> tuple[dict[str, list[np.ndarray]], int]:
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            limit = min(_MOST_BYTES, 2**24 + 250 * os.fstat(raw.fileno()).st_size)
            text = io.TextIOWrapper(io.BufferedReader(_Capped(stream, limit)), encoding="utf-8-sig", newline="")
            return _columns(path, csv.reader(text, delimiter=delimiter, strict=True), header, texts)
    except UnicodeDecodeError as error:
        raise DataError(f"read: {path} must be UTF-8 text, got {error}") from None
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"read: {path} must be a table of delimited text, got: {error}") from None


class _Capped(io.RawIOBase):
    """A stream that may not give more than a number of bytes."""

    def __init__(self, stream: Any, left: int) -> None:
        self._stream, self._left = stream, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise OSError("more bytes than a table may have")
        buffer[: len(data)] = data
        return len(data)


def _columns(path: Path, reader: Any, header: bool | None, texts: set[str]) -> tuple[dict[str, list[np.ndarray]], int]:
    """The columns as lists of blocks, and the number of the first row in the file. `texts`: columns known to be."""
    rows = _rows(path, reader)
    first = next(rows, None)
    if first is None:
        raise DataError(f"read: {path} must hold at least one row, got none")
    has_names = not any(_is_number(cell) for cell in first) if header is None else header
    if len(first) > _MOST_COLUMNS:
        raise DataError(f"read: {path} must have at most {_MOST_COLUMNS} columns, got {len(first)}")
    names = [cell.strip() for cell in first] if has_names else [str(i) for i in range(len(first))]
    repeated = next((name for i, name in enumerate(names) if name in set(names[:i])), None) if has_names else None
    if repeated is not None:
        raise DataError(f"read: {path} must have one column of each name, got {repeated!r} twice")
    blocks: list[list[np.ndarray]] = [[] for _ in names]
    block = [] if has_names else [first]
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            _add(path, block, names, blocks, texts)
            block = []
    if block:
        _add(path, block, names, blocks, texts)
    if not blocks[0]:
        raise DataError(f"read: {path} must hold at least one row below its names, got none")
    return dict(zip(names, blocks, strict=True)), 2 if has_names else 1


def _rows(path: Path, reader: Any) -> Iterator[list[str]]:
    width = None
    for row in reader:
        if not row:
            continue  # an empty line
        width = len(row) if width is None else width
        if len(row) != width:
            raise DataError(
                f"read: {path} must have {width} cells in every row, got {len(row)} in line {reader.line_num}"
            )
        yield row


def _add(path: Path, block: list[list[str]], names: list[str], blocks: list[list[np.ndarray]], texts: set[str]) -> None:
    for name, cells, parts in zip(names, zip(*block, strict=True), blocks, strict=True):
        numbers = None if name in texts else _numbers(cells)
        parts.append(_texts(path, name, cells) if numbers is None else numbers)


def _numbers(cells: tuple[str, ...]) -> np.ndarray | None:
    """int64, or float64 with NaN for gaps; None where a cell is neither number nor gap."""
    if any("_" in cell for cell in cells):  # Python takes 1_000 for a number
        return None
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([np.nan if cell.strip() in _GAPS else float(cell) for cell in cells])
    except ValueError:
        return None


def _texts(path: Path, name: str, cells: tuple[str, ...]) -> np.ndarray:
    """The texts as objects, "" for gaps; equal ones are one object, so that a label costs a pointer a row."""
    texts = np.empty(len(cells), dtype=object)  # (rows,)
    for row, cell in enumerate(cells):
        text = cell.strip()
        if len(text) > _MOST_TEXT:
            raise DataError(
                f"read: texts of {path} must have at most {_MOST_TEXT} letters, got {len(text)} in column {name!r}"
            )
        texts[row] = "" if text in _GAPS else sys.intern(text)
    return texts


def _is_number(cell: str) -> bool:
    return _numbers((cell,)) is not None and cell.strip() not in _GAPS


def _matches(source: Any) -> bool:
    return isinstance(source, Path) and source.name.lower().endswith(_ENDINGS)


READER = Reader("csv", _matches, read_csv, (*OPTIONS, "delimiter", "header"))
