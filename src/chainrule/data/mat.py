"""Numeric arrays from MATLAB's .mat files, version 5, which may be damaged or hostile.

    bytes 0-115    text         bytes 124-125  0100       bytes 126-127  "IM" little-endian, "MI" big-endian
    then elements  type (4 bytes), length (4), content filled up to 8 bytes; small ones hold length and type in 4 bytes
    a matrix       an element of elements: flags and class, axes, name, real part, imaginary part
    compressed     an element whose content is one other element as a zlib stream

Nothing is allocated or decompressed beyond what the file's own length and `max_bytes` allow. Only full matrices of real
numbers are read; a variable of another kind is passed over, or refused with its kind where it is asked for by name.
Source: MathWorks, "MAT-File Format", R2023b, chapter "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.source import as_path
from chainrule.errors import DataError, require_number
from chainrule.files import read_at_most
from chainrule.typed import typed

_MOST_BYTES = 2**31
_MOST_AXES = 32
_MOST_NAME = 1024
_HEAD = 2 * _MOST_NAME  # bytes of a matrix that hold its flags, axes and name
_DEFLATE_RATIO = 1032  # deflate makes at most 1,032 bytes of one
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_OTHER = {
    1: "a cell array",
    2: "a structure",
    3: "an object",
    4: "text",
    5: "a sparse matrix",
    16: "a function",
    17: "an object",
}


class _RefusalError(Exception):
    """Why a file is not read."""


@dataclass(frozen=True)
class _Variable:
    """A matrix whose head is known: what it is, and where the bytes of its element are."""

    name: str
    kind: int
    is_complex: bool
    is_logical: bool
    shape: Shape
    packed: bool
    content: memoryview

    @property
    def fault(self) -> str | None:
        """Why it is no full matrix of real numbers."""
        if self.kind in _NUMERIC:
            return "an array of complex numbers" if self.is_complex else None
        return _OTHER.get(self.kind, f"a variable of unknown class {self.kind}")


@typed
def read_mat(
    path: str | os.PathLike[str], keys: Sequence[str] | None = None, *, max_bytes: int = _MOST_BYTES
) -> dict[str, np.ndarray]:
    """The variables `keys` of the .mat file at `path`, or all that are full matrices of real numbers.

    Each has MATLAB's own type for it (a logical array is boolean), and MATLAB's shape: at least two axes.
    max_bytes: the most that the file may have, and its arrays in memory. Raises `DataError` naming the file and the
    variable for one that is missing, damaged, of another version (4 or 7.3), or of another kind.
    """
    file = as_path("read_mat", path)
    require_number("read_mat", "max_bytes", max_bytes, integer=True, low=1)
    try:
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > max_bytes:
                raise DataError(f"read_mat: {file} must have at most {max_bytes} bytes (max_bytes), got {size}")
            data = read_at_most(stream, max_bytes + 1)
    except FileNotFoundError:
        raise DataError(f"read_mat: path must be a .mat file, got {str(file)!r}, which does not exist") from None
    except OSError as error:
        raise DataError(f"read_mat: {file} must be readable, got: {error}") from None
    return parse_mat(data, str(file), keys, max_bytes=max_bytes)


def parse_mat(
    data: bytes, where: str, keys: Sequence[str] | None = None, *, max_bytes: int = _MOST_BYTES
) -> dict[str, np.ndarray]:
    """The same from the bytes of a .mat file; `where` names their origin in a `DataError`."""
    try:
        return _arrays(data, keys, max_bytes)
    except (_RefusalError, zlib.error, MemoryError) as error:
        got = str(error)[:300]
        raise DataError(f"read_mat: {where} must be a .mat file of version 5 with real arrays, got {got}") from None


def _arrays(data: bytes, keys: Sequence[str] | None, max_bytes: int) -> dict[str, np.ndarray]:
    order = _byte_order(data)
    variables = {}
    for variable in _variables(memoryview(data)[128:], order):
        if variable.name in variables:
            raise _RefusalError(f"{variable.name!r} twice")
        variables[variable.name] = variable
    for key in variables if keys is None else keys:
        if key not in variables:
            raise _RefusalError(f"no {key!r}, only {', '.join(sorted(variables)[:10])}")
        if keys is not None and variables[key].fault is not None:
            raise _RefusalError(f"{variables[key].fault} in {key!r}")
    chosen = [v for name, v in variables.items() if (keys is None or name in keys) and v.fault is None]
    total = sum(math.prod(v.shape) * np.dtype(_NUMERIC[v.kind]).itemsize for v in chosen)
    if total > max_bytes:
        raise _RefusalError(f"arrays of {total} bytes, more than {max_bytes} (max_bytes)")
    return {variable.name: _content(variable, order) for variable in chosen}


def _byte_order(data: bytes) -> str:
    if data[:4] == b"\x89HDF" or (data[:10] == b"MATLAB 7.3" and data[124:126] in (b"\x00\x02", b"\x02\x00")):
        raise _RefusalError("version 7.3, which is HDF5; save it with -v7")
    if len(data) < 128:
        raise _RefusalError(f"only {len(data)} bytes")
    if 0 in data[:4]:
        raise _RefusalError("version 4 or no .mat file; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise _RefusalError(f"{data[126:128]!r} for its order of bytes")
    if int.from_bytes(data[124:126], "little" if order == "<" else "big") != 0x0100:
        raise _RefusalError(f"version {data[124:126].hex()}")
    return order


def _elements(data: memoryview, order: str, *, is_cut: bool = False) -> Iterator[tuple[int, memoryview]]:
    """Type and content of the elements in `data`, one after the other; `is_cut`: the last may lack its end."""
    endian: str = "little" if order == "<" else "big"
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise _RefusalError("an end inside of an element's tag")
        word = int.from_bytes(data[at : at + 4], endian)  # type: ignore[arg-type]
        if word >> 16:
            kind, length, start, fill = word & 0xFFFF, word >> 16, at + 4, 8
            if length > 4:
                raise _RefusalError(f"a small element of {length} bytes")
            following = at + fill
        else:
            kind, length, start = word, int.from_bytes(data[at + 4 : at + 8], endian), at + 8  # type: ignore[arg-type]
            following = start + (length if kind == _COMPRESSED else -(-length // 8) * 8)
        if start + length > len(data) and not is_cut:
            raise _RefusalError(f"an element of {length} bytes with {len(data) - start} left")
        yield kind, data[start : start + length]
        at = following


def _variables(data: memoryview, order: str) -> Iterator[_Variable]:
    for kind, content in _elements(data, order):
        packed = kind == _COMPRESSED
        if packed:
            start = zlib.decompressobj().decompress(content, 8 + _HEAD)
            if len(start) < 8:
                raise _RefusalError("a compressed element without content")
            kind = int.from_bytes(start[:4], "little" if order == "<" else "big")
            head = memoryview(start)[8:]
        else:
            head = content[:_HEAD]
        if kind != _MATRIX:
            raise _RefusalError(f"an element of type {kind} rather than a matrix")
        variable = _head(head, order, packed, content)
        if variable.name:  # nameless ones hold what objects need
            yield variable


def _head(head: memoryview, order: str, packed: bool, content: memoryview) -> _Variable:
    elements = _elements(head, order, is_cut=True)
    kind, flags = next(elements, (0, head[:0]))
    if kind != 6 or len(flags) != 8:
        raise _RefusalError("a matrix without its flags")
    word = int(np.frombuffer(flags, f"{order}u4")[0])
    class_ = word & 0xFF
    if class_ == 17:  # an opaque object has no axes
        return _Variable("", class_, False, False, (), packed, content)
    kind, axes = next(elements, (0, head[:0]))
    if kind != 5 or len(axes) % 4 or not 2 <= len(axes) // 4 <= _MOST_AXES:
        raise _RefusalError("a matrix without its axes")
    shape = tuple(int(n) for n in np.frombuffer(axes, f"{order}i4"))
    kind, name = next(elements, (0, head[:0]))
    if kind != 1 or len(name) > _MOST_NAME:
        raise _RefusalError("a matrix without its name")
    try:
        text = bytes(name).decode("ascii")
    except UnicodeDecodeError:
        raise _RefusalError(f"a matrix with the name {bytes(name)[:40]!r}") from None
    if min(shape) < 0 or math.prod(shape) > 2**40:
        raise _RefusalError(f"{text!r} with axes {' x '.join(map(str, shape))[:80]}")
    return _Variable(text, class_, bool(word & 0x800), bool(word & 0x200), shape, packed, content)


def _content(variable: _Variable, order: str) -> np.ndarray:
    """The array, of a copy of its bytes."""
    name, count = variable.name, math.prod(variable.shape)
    content = _unpacked(variable, count, order) if variable.packed else variable.content
    parts = list(_elements(content, order))
    if len(parts) != 4:
        raise _RefusalError(f"{len(parts)} parts rather than 4 in the matrix {name!r}")
    stored, real = parts[3]
    if stored not in _STORED:
        raise _RefusalError(f"numbers of type {stored} in {name!r}")
    given, wanted = np.dtype(order + _STORED[stored]), np.dtype(_NUMERIC[variable.kind])
    if len(real) != count * given.itemsize:
        shape = " x ".join(map(str, variable.shape))
        raise _RefusalError(f"{len(real)} bytes for {shape} of {given.name} in {name!r}")
    values = np.frombuffer(real, given)  # (count,)
    if wanted.kind != "f" and count:
        limits = np.iinfo(wanted)
        if given.kind == "f" or int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise _RefusalError(f"numbers in {name!r} that are no {wanted.name}")
    if wanted == np.float32 and given == np.dtype(f"{order}f8"):
        raise _RefusalError(f"numbers in {name!r} that are no {wanted.name}")
    array = values.astype(wanted).reshape(variable.shape, order="F")
    return array.astype(bool) if variable.is_logical else array


def _unpacked(variable: _Variable, count: int, order: str) -> memoryview:
    """The content of a compressed matrix; no more is ever decompressed than a matrix of its axes can have."""
    most = _HEAD + 64 + 8 * count
    if count > _DEFLATE_RATIO * (len(variable.content) + 16):
        raise _RefusalError(f"{count} elements of {variable.name!r} in {len(variable.content)} packed bytes")
    stream = zlib.decompressobj()
    data = stream.decompress(variable.content, 8 + most)
    length = int.from_bytes(data[4:8], "little" if order == "<" else "big")
    if len(data) != 8 + length or not stream.eof:
        raise _RefusalError(f"{length} bytes declared in the compressed {variable.name!r}, which has another number")
    return memoryview(data)[8:]
