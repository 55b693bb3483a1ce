"""Data sets that somebody pickled, as course material does: `(X, y)`, parts of such pairs, or arrays under names.

    (X, y)                                     one data set
    ((X, y), (X, y), (X, y))                   train, val, test; two pairs are train and test
    {"X": ..., "y": ...}, {"X_train": ...}     as in an .npz file

The pickle is read as plain data and never executed; it may be packed with gzip.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.data.keyed import OPTIONS, part_of, parts_of_arrays
from chainrule.data.plain_pickle import parse_plain_pickle
from chainrule.data.reader import Part, Reader
from chainrule.errors import DataError

_MOST_BYTES = 2**28
_ENDINGS = (".pkl", ".pickle", ".pkl.gz", ".pickle.gz", ".p")


def read_pickle(path: Path, options: Mapping[str, Any]) -> dict[str, Part]:
    """The parts that a pickle holds. Raises `DataError` naming the file."""
    return parts_of_object(str(path), parse_plain_pickle(_content(path), str(path)), options)


def parts_of_object(where: str, value: Any, options: Mapping[str, Any]) -> dict[str, Part]:
    """The parts of a pair, of two or three pairs, or of arrays under names."""
    if isinstance(value, Mapping):
        return parts_of_arrays(where, value, options)
    if isinstance(value, (tuple, list)):
        if len(value) in (2, 3) and all(map(_is_pair, value)):
            names = ("train", "test") if len(value) == 2 else ("train", "val", "test")
            return {name: part_of(where, *pair) for name, pair in zip(names, value, strict=True)}
        if len(value) == 2:
            return {"train": part_of(where, *value)}
    got = f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
    raise DataError(f"read: {where} must hold (X, y), pairs of such, or arrays under names, got a {got}")


def _is_pair(value: Any) -> bool:
    """Whether it is (X, y) rather than two numbers or two short rows of them."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(hasattr(one, "shape") or (isinstance(one, (list, tuple)) and len(one) > 0) for one in value) and (
        hasattr(value[0], "shape") or isinstance(value[0][0], (list, tuple))
    )


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            most = min(_MOST_BYTES, 2**24 + 250 * size) if packed else _MOST_BYTES
            pieces = io.BytesIO()
            while piece := stream.read(2**20):
                pieces.write(piece)
                if pieces.tell() > most:
                    raise DataError(f"read: {path} must have at most {most} bytes, got more")
            return pieces.getvalue()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"read: {path} must be a readable pickle, plain or gzip, got: {error}") from None


def _matches(source: Any) -> bool:
    return isinstance(source, Path) and source.name.lower().endswith(_ENDINGS)


READER = Reader("pickle", _matches, read_pickle, OPTIONS)
