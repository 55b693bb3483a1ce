"""The idx format of the MNIST files, plain or gzipped.

    bytes 0-1   zero
    byte  2     type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte  3     number of axes
    then        the length of each axis, 4 bytes, then the elements in C order; everything big-endian

A file is believed only after its declared size agrees with its real one, and no more than that is ever decompressed.
Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from typing import BinaryIO

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.source import as_path
from chainrule.errors import DataError, require_number
from chainrule.typed import typed

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 32
_MOST_BYTES = 2**31  # of elements; MNIST has 47 MB
_DEFLATE_RATIO = 1032  # deflate makes at most 1,032 bytes of one (zlib technical details)
_CHUNK = 2**20


@typed
def read_idx(path: str | os.PathLike[str], *, max_bytes: int = _MOST_BYTES) -> np.ndarray:
    """The array in an idx file, in the machine's byte order.

    Whether the file is gzipped is seen from its first bytes, not from its name. max_bytes: the most that the elements
    may take in memory. Raises `DataError` naming the file, what was expected and what came, for a file that is
    missing, damaged, truncated, too long or of another format.
    """
    file = as_path("read_idx", path)
    require_number("read_idx", "max_bytes", max_bytes, integer=True, low=1)
    try:
        with open(file, "rb") as raw:
            return _parse(str(file), raw, os.fstat(raw.fileno()).st_size, max_bytes)
    except FileNotFoundError:
        raise DataError(f"read_idx: path must be an idx file, got {str(file)!r}, which does not exist") from None
    except OSError as error:
        raise DataError(f"read_idx: {file} must be a readable idx file, got: {error}") from None


def parse_idx(data: bytes, where: str, *, max_bytes: int = _MOST_BYTES) -> np.ndarray:
    """The array in the bytes of an idx file, plain or gzip; `where` names their origin in a `DataError`.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 6]), "memory").tolist()
    [5, 6]
    """
    return _parse(where, io.BytesIO(data), len(data), max_bytes)


def _parse(file: str, raw: BinaryIO, size: int, max_bytes: int) -> np.ndarray:
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    if not packed:
        return _read(file, raw, size, max_bytes, exact=True)
    try:
        with gzip.GzipFile(fileobj=raw) as stream:
            return _read(file, stream, size * _DEFLATE_RATIO, max_bytes, exact=False)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"read_idx: {file} must be a readable idx file, plain or gzip, got: {error}") from error


def _read(file: str, stream: BinaryIO, available: int, max_bytes: int, *, exact: bool) -> np.ndarray:
    """Header, elements, end; `available` bounds the bytes that the file can hold (is their number, if `exact`)."""
    dtype, shape, header = _read_header(file, stream)
    count = math.prod(shape) * dtype.itemsize
    declared = f"{header} header + {count} element bytes ({' x '.join(map(str, shape))} of {dtype.name})"
    if count > max_bytes:
        raise DataError(
            f"read_idx: {file} must declare at most {max_bytes} bytes of elements (max_bytes), got {declared}"
        )
    if header + count > available or (exact and header + count != available):
        held = f"{available} bytes" if exact else f"a file too small for it (at most {available} bytes unpacked)"
        raise DataError(f"read_idx: {file} must hold {declared}, got {held}")
    data = np.empty(count, dtype=np.uint8)
    view, filled = memoryview(data), 0
    while filled < count:
        got = stream.readinto(view[filled : filled + _CHUNK])  # type: ignore[attr-defined]
        if not got:
            raise DataError(f"read_idx: {file} must hold {declared}, got only {header + filled} bytes")
        filled += got
    if stream.read(1):  # at the end this also makes gzip compare its checksum
        raise DataError(f"read_idx: {file} must hold {declared}, got more")
    return data.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: str, stream: BinaryIO) -> tuple[np.dtype, Shape, int]:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        raise DataError(f"read_idx: {file} must start with two zero bytes, a type and a number of axes, got {start!r}")
    if start[2] not in _DTYPES:
        known = ", ".join(f"{code:02X}" for code in _DTYPES)
        raise DataError(f"read_idx: {file} must have one of the types {known} in byte 2, got {start[2]:02X}")
    axes = start[3]
    if not 1 <= axes <= _MOST_AXES:
        raise DataError(f"read_idx: {file} must have 1 to {_MOST_AXES} axes, got {axes}")
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise DataError(f"read_idx: {file} must hold {4 * axes} bytes of axis lengths, got {len(lengths)}")
    shape = tuple(int.from_bytes(lengths[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    if min(shape) == 0:
        raise DataError(f"read_idx: {file} must have axes of length >= 1, got {' x '.join(map(str, shape))}")
    return np.dtype(_DTYPES[start[2]]), shape, 4 + 4 * axes
