"""Rows that are normalised when they are taken, so that the set itself can stay bytes, in memory or on disk.

A set of bytes takes a quarter of the memory of its floats. Where the mean and the scale are single numbers or one a
channel, a byte has only 256 values to become: they are looked up, two pixels at a time, with the very numbers that
`Normalizer.apply` computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.memory import Memory, on_page
from chainrule.data.rows import row_blocks
from chainrule.data.transforms import Normalizer
from chainrule.errors import DataError, DTypeError, ShapeError, describe
from chainrule.require import require_unmasked

_BLOCK = 2**15  # elements at a time: what they take in float64 stays in cache
_PAIRS = {4: np.complex64, 8: np.complex128}  # two floats of so many bytes, moved as one


class NormalizedRows:
    """The rows of X (N, ...), normalised as they are taken: `rows[i:j]` and `rows[indices]` are arrays of floats.

    X: integers or floats, an array or a memory map. dtype: of what is returned.

    >>> rows = NormalizedRows(np.array([[0, 51], [255, 0]], np.uint8), Normalizer(np.zeros(()), np.array(255.0)))
    >>> rows[np.array([1, 0])].tolist()
    [[1.0, 0.0], [0.0, 0.20000000298023224]]
    """

    def __init__(self, X: np.ndarray, normalizer: Normalizer, dtype: Any = np.float32) -> None:
        require_unmasked("NormalizedRows", "X", X)
        if not isinstance(X, np.ndarray) or X.dtype.kind not in "iuf":
            raise DTypeError(f"NormalizedRows: X must be an array of integers or floats, got {describe(X)}")
        if X.ndim < 2 or X.size == 0:
            raise ShapeError(
                f"NormalizedRows: X must have axes (N, ...) of length >= 1, at least two, got shape {X.shape}"
            )
        if not isinstance(normalizer, Normalizer):
            raise DTypeError(f"NormalizedRows: normalizer must be a Normalizer, got {describe(normalizer)}")
        normalizer.require_shape(X.shape)
        self.X, self.normalizer = X, normalizer
        self.dtype = normalizer.apply(np.asarray(X[:1]), dtype).dtype  # refuses a dtype that is not floating
        # Bytes are normalised here and not by `apply`, which has to look for what is not finite in every batch.
        self._fits_bytes = X.dtype == np.uint8 and self.dtype.itemsize in _PAIRS
        if self._fits_bytes:
            extremes = np.array([0, 255], np.uint8).reshape(2, *(1,) * (X.ndim - 1))
            normalizer.apply(np.broadcast_to(extremes, (2, *X.shape[1:])), self.dtype)
        self._table = _table(normalizer, self.shape[1:], self.dtype) if self._fits_bytes else None
        self._mean, self._scale = (_aside(a, k) for k, a in ((1024, normalizer.mean), (2048, normalizer.scale)))
        self._memory = Memory()

    @property
    def shape(self) -> Shape:
        """(N, ...), as X has it."""
        return tuple(self.X.shape)

    @property
    def ndim(self) -> int:
        """How many axes X has."""
        return int(self.X.ndim)

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, rows: Any) -> np.ndarray:
        require_unmasked("NormalizedRows", "rows", rows)
        try:
            taken = None if isinstance(rows, tuple) else np.asarray(self.X[rows])  # a tuple would part the rows
        except Exception:  # an object's own way to become an index may raise anything
            taken = None
        if taken is None:
            expected = f"row numbers from 0 to {len(self) - 1}, a slice or an index"
            raise DataError(f"NormalizedRows: rows must be {expected}, got {describe(rows)}")
        return self.normalize(taken[None])[0] if taken.ndim < self.X.ndim else self.normalize(taken)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def normalize(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Rows `x` of X, or what a transform made of them, normalised; into `out` where one is given."""
        if out is None:
            out = np.empty(x.shape, self.dtype)  # (N, ...)
        if len(x) == 0:
            return out
        if x.dtype != np.uint8 or not self._fits_bytes:
            out[...] = self.normalizer.apply(x, self.dtype)
        elif self._table is not None:
            self._look_up(self._table, np.ascontiguousarray(x), out)
        else:
            self._compute(x, out)
        return out

    def _compute(self, x: np.ndarray, out: np.ndarray) -> None:
        blocks = list(row_blocks(x, _BLOCK))
        work = self._memory.array((max(b.stop - b.start for b in blocks), *x.shape[1:]), np.float64)
        for rows in blocks:
            numbers = work[: rows.stop - rows.start]
            np.subtract(x[rows], self._mean, out=numbers)
            out[rows] = np.divide(numbers, self._scale, out=numbers)

    def _look_up(self, table: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
        pairs = x.reshape(len(x), len(table), -1).view(np.uint16)  # (N, C, pixels/2)
        target: np.ndarray = out.reshape(len(x), len(table), -1).view(table.dtype)  # the same, of pairs of floats
        first = np.arange(0, table.size, table.shape[1])[:, None]  # of each channel's part of the table
        for rows in row_blocks(pairs, _BLOCK):
            np.take(table, pairs[rows] + first if len(table) > 1 else pairs[rows], out=target[rows], mode="clip")


def _aside(array: np.ndarray, offset: int) -> np.ndarray:
    """A copy of `array` at a place in a page that is not its neighbour's."""
    copied = on_page(array.nbytes, offset).view(array.dtype).reshape(array.shape)
    copied[...] = array
    return copied


def _table(normalizer: Normalizer, row: Shape, dtype: np.dtype) -> np.ndarray | None:
    """What every pair of neighbouring bytes becomes, (C, 65536) pairs, C being 1 for single numbers; None if no use."""
    channels = normalizer.mean.size
    if math.prod(row) // channels % 2 or channels > 16:  # no pairs in a channel, or a table beyond the caches
        return None
    values = np.arange(256, dtype=np.float64)
    one = ((values - normalizer.mean.reshape(-1, 1)) / normalizer.scale.reshape(-1, 1)).astype(dtype)  # (C, 256)
    halves = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(-1, 2)  # in the order of memory
    return np.ascontiguousarray(one[:, halves]).view(_PAIRS[dtype.itemsize]).reshape(channels, -1)
