"""A checkpoint as it lies on disk, read as what it may be: damaged, or made to harm.

    weights.safetensors    every array by name: 8 bytes of length, a header of JSON, the numbers
    state.json             plain data
    manifest.json          format version, and size and SHA-256 of the two others

Everything small is read and checked first: the manifest, the state, the header of the weights against the size of
their file. What a caller expects is compared with that header before the numbers are read, so that no declaration
makes us take memory that no file fills. The numbers are views into one buffer, which the library that writes them
would copy.
Source: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import CheckpointError, DTypeError, describe
from chainrule.files import open_regular
from chainrule.solver.plain import parse_object, read_limited, read_object, shortened
from chainrule.solver.tensor_lists import PREFIX, joined, of_lists

FORMAT = 3  # 2: lists of numbers in the state; 1: also without what callbacks keep; both are read as they were written
READABLE = (1, 2, 3)
WEIGHTS, STATE, MANIFEST = "weights.safetensors", "state.json", "manifest.json"
MAX_STATE_BYTES, MAX_MANIFEST_BYTES, MAX_HEADER_BYTES = 16 << 20, 1 << 16, 16 << 20
BLOCK = 1 << 20  # bytes read at once

#: The dtypes of safetensors that NumPy has.
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"), "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"), "BOOL": np.dtype("?"),
}  # fmt: skip


class Tensor(NamedTuple):
    """What the header says about one array: its dtype, its shape, where its bytes begin and end in the file."""

    dtype: np.dtype[Any]
    shape: Shape
    start: int
    end: int


class Entry(NamedTuple):
    """What the manifest says about a file; the sum of the weights' header alone since format 3."""

    size: int
    sha256: str
    header_sha256: str | None = None


@dataclass(frozen=True)
class Stored:
    """A checkpoint whose small parts are read: `tensors` as the header declares them, the state as its file has it.

    `tensors` holds the lists of the state too, by names of their own; see `chainrule.solver.tensor_lists`.
    """

    folder: Path
    format: int
    tensors: Mapping[str, Tensor]
    weights: Entry
    header: bytes
    state: dict[str, Any]

    def arrays(self) -> dict[str, Array]:
        """The numbers, which fill as much memory as the file has bytes; `CheckpointError` if their sum is wrong."""
        path, size = self.folder / WEIGHTS, self.weights.size
        memory = _physical_memory()
        if memory is not None and size > memory:
            raise CheckpointError(f"{path}: must fit in memory, {memory} bytes, got {size}")
        try:
            with open_regular(path) as (file, now):
                _require_size(path, size, now)
                content = bytearray(size)
                digest = _read_into(content, file)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
        except MemoryError:
            raise CheckpointError(f"{path}: must fit in memory, got {size} bytes") from None
        if digest != self.weights.sha256 or content[: len(self.header)] != self.header:
            raise _damaged(path)
        return {name: _view(path, content, name, tensor) for name, tensor in self.tensors.items()}

    def split_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The arrays that are no lists of the state, and the state with the others in their places."""
        arrays, where = self.arrays(), str(self.folder / STATE)
        if self.format < 3:
            return arrays, self.state
        lists = of_lists(arrays)
        state = joined(self.state, lists, where)
        if lists:
            raise CheckpointError(f"{where}: does not name the list {shortened(next(iter(lists)))}")
        return {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}, state

    @property
    def own_tensors(self) -> dict[str, Tensor]:
        """The tensors that are no lists of the state."""
        return {n: t for n, t in self.tensors.items() if self.format < 3 or not n.startswith(PREFIX)}


def open_checkpoint(folder: str | Path) -> Stored:
    """Read all of a checkpoint but its numbers; `CheckpointError` if that is missing, damaged or of a newer format."""
    folder = as_folder("open_checkpoint", folder)
    manifest = read_object(folder / MANIFEST, MAX_MANIFEST_BYTES)
    version, files = manifest.get("format"), manifest.get("files")
    if type(version) is not int or version not in READABLE:
        known = f"{', '.join(map(str, READABLE[:-1]))} or {READABLE[-1]}"
        raise CheckpointError(f"{folder / MANIFEST}: format must be {known}, got {shortened(version)}")
    if not isinstance(files, dict) or set(files) != {WEIGHTS, STATE}:
        raise CheckpointError(
            f"{folder / MANIFEST}: files must list size and SHA-256 of {WEIGHTS} and {STATE}, got {shortened(files)}"
        )
    entries = {name: _entry(folder, name, entry) for name, entry in files.items()}
    state = _state(folder / STATE, entries[STATE])
    header, tensors = _header(folder / WEIGHTS, entries[WEIGHTS])
    return Stored(folder, version, tensors, entries[WEIGHTS], header, state)


def as_folder(owner: str, folder: Any) -> Path:
    """`folder` as a path, or a typed error."""
    if not isinstance(folder, (str, os.PathLike)) or isinstance(os.fspath(folder), bytes):
        raise DTypeError(f"{owner}: folder must be a path, got {describe(folder)}")
    return Path(folder)


def _entry(folder: Path, name: str, entry: Any) -> Entry:
    if not isinstance(entry, dict) or type(entry.get("bytes")) is not int or not isinstance(entry.get("sha256"), str):
        raise CheckpointError(
            f"{folder / MANIFEST}: {name} must have bytes and sha256, an integer and a text, got {shortened(entry)}"
        )
    header = entry.get("header_sha256")
    return Entry(entry["bytes"], entry["sha256"], header if isinstance(header, str) else None)


def _state(path: Path, entry: Entry) -> dict[str, Any]:
    content = read_limited(path, MAX_STATE_BYTES)
    _require_size(path, entry.size, len(content))
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise _damaged(path)
    return parse_object(content, str(path))


def _header(path: Path, entry: Entry) -> tuple[bytes, dict[str, Tensor]]:
    """The first bytes of the weights' file, and what they declare."""
    try:
        with open_regular(path) as (file, size):
            _require_size(path, entry.size, size)
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
                raise CheckpointError(
                    f"{path}: not a safetensors file: its header must have at most {MAX_HEADER_BYTES} bytes and lie "
                    f"in the file, got {length} in a file of {size}"
                )
            header = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    whole = prefix + header
    if entry.header_sha256 is not None and hashlib.sha256(whole).hexdigest() != entry.header_sha256:
        raise _damaged(path)
    return whole, tensors_of(parse_object(header, str(path)), 8 + length, size, str(path))


def tensors_of(header: Mapping[str, Any], start: int, size: int, where: str) -> dict[str, Tensor]:
    """The arrays that a header declares; they must fill the file from `start` to its end, each byte once."""
    tensors: dict[str, Tensor] = {}
    for name, declared in header.items():
        if name == "__metadata__":  # texts of whoever wrote it; nothing here asks for them
            continue
        entries = {"dtype", "shape", "data_offsets"}
        if not isinstance(declared, dict) or set(declared) != entries:
            raise CheckpointError(
                f"{where}: tensor {shortened(name)} must declare {', '.join(sorted(entries))}, got "
                f"{shortened(declared)}"
            )
        code, shape, offsets = declared["dtype"], declared["shape"], declared["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise CheckpointError(
                f"{where}: tensor {shortened(name)} must have a dtype of {', '.join(DTYPES)}, got {shortened(code)}"
            )
        if not _are_sizes(shape) or len(shape) > 32 or not _are_sizes(offsets) or len(offsets) != 2:
            raise CheckpointError(
                f"{where}: tensor {shortened(name)} must have a shape and two offsets, integers >= 0, got "
                f"{shortened(shape)} and {shortened(offsets)}"
            )
        begin, end = offsets
        if end - begin != math.prod(shape) * DTYPES[code].itemsize:
            raise CheckpointError(
                f"{where}: tensor {shortened(name)} of shape {shortened(tuple(shape))} and dtype {code} does not fill "
                f"its bytes from {begin} to {end}"
            )
        tensors[name] = Tensor(DTYPES[code], tuple(shape), start + begin, start + end)
    at = start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != at:
            raise CheckpointError(f"{where}: tensor {shortened(name)} must begin at byte {at}, got {tensor.start}")
        at = tensor.end
    if at != size:
        raise CheckpointError(f"{where}: its tensors end at byte {at}, the file at {size}")
    return tensors


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _read_into(content: bytearray, file: BinaryIO) -> str:
    """Fill `content` from a file, and its SHA-256; bytes that are missing stay zero, and the sum is wrong then."""
    digest, view, at = hashlib.sha256(), memoryview(content), 0
    while at < len(view) and (count := file.readinto(view[at : at + BLOCK])):  # type: ignore[attr-defined]
        digest.update(view[at : at + count])
        at += count
    return digest.hexdigest()


def _view(path: Path, content: bytearray, name: str, tensor: Tensor) -> Array:
    """The bytes of a tensor as an array; a copy where they do not lie as its dtype wants them."""
    raw = np.frombuffer(content, np.uint8, tensor.end - tensor.start, tensor.start)
    if tensor.dtype == np.bool_ and raw.max(initial=0) > 1:
        raise CheckpointError(f"{path}: tensor {shortened(name)} must hold bytes 0 and 1, got {raw.max()}")
    array = raw.view(tensor.dtype).reshape(tensor.shape)
    return array if array.flags.aligned else array.copy()


def _require_size(path: Path, expected: int, got: int) -> None:
    if expected != got:
        raise CheckpointError(f"{path}: the manifest says {expected} bytes, got {got}")


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path}: its SHA-256 is not the manifest's; the file is damaged")


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return None


def manifest_of(contents: Mapping[str, bytes]) -> bytes:
    """The manifest of files with these contents."""
    files: dict[str, Any] = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()}
    end = 8 + int.from_bytes(contents[WEIGHTS][:8], "little")
    files[WEIGHTS]["header_sha256"] = hashlib.sha256(contents[WEIGHTS][:end]).hexdigest()
    return json.dumps({"format": FORMAT, "files": files}, indent=1).encode()
