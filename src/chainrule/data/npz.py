"""Reading arrays from a NumPy .npz archive that may be damaged or hostile.

`np.load(allow_pickle=False)` executes nothing, but raises half a dozen kinds of exception and allocates whatever a
header declares. Here the declared size is compared with the archive member's size before anything is allocated.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.data.source import as_path
from chainrule.errors import DataError, require_number
from chainrule.typed import typed

_MOST_BYTES = 2**31
_MOST_NAME = 255
_DEFLATE_RATIO = 1032  # deflate makes at most 1,032 bytes of one


@typed
def read_npz(
    path: str | os.PathLike[str], keys: Sequence[str] | None = None, *, max_bytes: int = _MOST_BYTES
) -> dict[str, np.ndarray]:
    """The arrays `keys` of the archive at `path`, or all of them, each of numbers or booleans.

    max_bytes: the most that the arrays may take in memory. Raises `DataError` naming the file for one that is missing
    or damaged, lacks a key, or holds anything else.
    """
    file = as_path("read_npz", path)
    require_number("read_npz", "max_bytes", max_bytes, integer=True, low=1)
    try:
        with zipfile.ZipFile(file) as archive:
            longest = max(map(len, archive.namelist()), default=0)
            if longest > _MOST_NAME:
                raise DataError(f"read_npz: {file} must have names of at most {_MOST_NAME} letters, got {longest}")
            if keys is None:
                keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            arrays: dict[str, np.ndarray] = {}
            for key in keys:
                left = max_bytes - sum(array.nbytes for array in arrays.values())
                arrays[key] = _member(archive, file, key, left)
            return arrays
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"read_npz: path must be an .npz file, got {str(file)!r}, which does not exist") from None
    except Exception as error:  # zipfile, its decompressors and the header parser raise more kinds than they document
        raise DataError(f"read_npz: {file} must be a readable .npz file, got: {error!r}") from error


def _member(archive: zipfile.ZipFile, file: Path, key: str, max_bytes: int) -> np.ndarray:
    if f"{key}.npy" not in archive.namelist():
        held = ", ".join(sorted(name.removesuffix(".npy") for name in archive.namelist())[:10])
        held = held if held else "an empty archive"
        raise DataError(f"read_npz: {file} must hold an array {key!r}, as keys has it, got {held}")
    info = archive.getinfo(f"{key}.npy")
    packed = min(info.compress_size, file.stat().st_size)
    if info.file_size > min(max_bytes, packed * _DEFLATE_RATIO) or info.flag_bits & 1:
        raise DataError(
            f"read_npz: array {key!r} of {file} must be unencrypted, of at most {max_bytes} bytes (what is left of "
            f"max_bytes) and what its {packed} packed bytes can hold, got {info.file_size} bytes declared"
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"read_npz: array {key!r} of {file} must be stored or deflated, got {info.compress_type}")
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"read_npz: array {key!r} of {file} must have .npy version 1.0 or 2.0, got {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        if dtype.kind not in "biufc":
            raise DataError(f"read_npz: array {key!r} of {file} must hold numbers, got dtype {dtype}")
        count = math.prod(shape) * dtype.itemsize
        held_bytes = info.file_size - stream.tell()
        if min(shape, default=1) < 0 or count != held_bytes:
            raise DataError(
                f"read_npz: array {key!r} of {file} must hold {count} bytes for {shape} of {dtype}, got {held_bytes}"
            )
        data = stream.read()  # to the end, which makes zipfile compare the checksum
    if len(data) != count:
        raise DataError(f"read_npz: array {key!r} of {file} must hold {count} bytes, got {len(data)}")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))  # a writeable copy
