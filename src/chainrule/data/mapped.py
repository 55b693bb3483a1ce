"""Rows of memory-mapped sets, taken without bringing a set that may be larger than memory into it.

The rule: neighbouring rows of a read-only map are a view of it. Other rows are copied, up to `IN_MEMORY` bytes into
memory, beyond that into a file without a name in the cache folder, which is mapped in turn and ends with the array.
"""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from chainrule.data.rows import row_blocks
from chainrule.errors import DataError

#: Bytes of rows that are copied into memory all the same, as this is faster.
IN_MEMORY = 2**28


def is_mapped(X: np.ndarray) -> bool:
    """Whether the numbers of `X` lie in a mapped file.

    >>> is_mapped(np.zeros(3))
    False
    """
    base: Any = X
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return isinstance(base, mmap.mmap)


def stays_on_disk(X: np.ndarray) -> bool:
    """Whether `X` is mapped and too large to be brought into memory."""
    return X.nbytes > IN_MEMORY and is_mapped(X)


def take_rows(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows of `X` (N, ...) at `rows`, which are valid indices: a copy, but for maps as the rule above has it.

    Raises `DataError` where they cannot be written.
    """
    if not is_mapped(X):
        taken: np.ndarray = X[rows]
        return taken
    first, last = int(rows[0]), int(rows[-1])
    if not X.flags.writeable and last - first + 1 == len(rows) and bool((np.diff(rows.astype(np.int64)) == 1).all()):
        return X[first : last + 1]
    size = len(rows) * X[:1].nbytes
    if size <= IN_MEMORY:
        return np.asarray(X[rows])
    return _on_disk(X, rows, size)


def _on_disk(X: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    from chainrule.data.source import cache_folder  # which itself imports data sets

    folder, shape = cache_folder(), (len(rows), *X.shape[1:])
    with _nameless_file(folder) as file:
        try:  # written, not assigned through a map: a full disk is then an error and not the end of the process
            for block in row_blocks(np.broadcast_to(X[:1], shape)):
                file.write(np.ascontiguousarray(X[rows[block]]).data)
            file.flush()
        except OSError as error:
            raise DataError(
                f"{size:,} bytes of rows of a memory-mapped set cannot be written to {folder}: {error.strerror}. "
                "Set XDG_CACHE_HOME to a folder with more space."
            ) from None
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)  # holds the file open by itself
    return np.frombuffer(mapped, X.dtype).reshape(shape)


def _nameless_file(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError:  # no cache here; the system's own place for such files then
        return tempfile.TemporaryFile()
