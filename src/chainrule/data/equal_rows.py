"""Rows that are there twice: in training and in test data (a leak), or inside of one data set (duplicates).

Rows are compared number by number; the labels are not looked at. A picture that was saved anew, cropped or turned is
another row.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.dataset import Dataset, Splits
from chainrule.data.rows import row_blocks
from chainrule.errors import DTypeError, describe


class Leak(NamedTuple):
    """Row `row` of `part` equals row `earlier_row` of `earlier`, a part that comes before it (train, val, test)."""

    part: str
    row: int
    earlier: str
    earlier_row: int


def leakage(splits: Splits) -> list[Leak]:
    """Every row of `val` and `test` that an earlier part holds too, with the first such row there.

    >>> train, test = Dataset(np.array([[1.0], [2.0]]), np.arange(2)), Dataset(np.array([[2.0], [3.0]]), np.arange(2))
    >>> leakage(Splits(train, test=test))
    [Leak(part='test', row=0, earlier='train', earlier_row=1)]
    """
    if not isinstance(splits, Splits):
        raise DTypeError(f"leakage: splits must be Splits, got {describe(splits)}")
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    given = {part: data for part, data in parts.items() if data is not None}
    dtype = np.result_type(*(data.X.dtype for data in given.values()))
    first: dict[bytes, tuple[str, int]] = {}
    leaks = []
    for part, data in given.items():
        own: dict[bytes, tuple[str, int]] = {}
        for row, digest in enumerate(row_digests(data.X, dtype)):
            if digest in first:
                leaks.append(Leak(part, row, *first[digest]))
            else:
                own.setdefault(digest, (part, row))
        first |= own
    return leaks


def duplicates(dataset: Dataset) -> list[list[int]]:
    """The groups of equal rows, two or more each, in order of their first rows.

    >>> duplicates(Dataset(np.array([[1.0], [2.0], [1.0]]), np.arange(3)))
    [[0, 2]]
    """
    if not isinstance(dataset, Dataset):
        raise DTypeError(f"duplicates: dataset must be a Dataset, got {describe(dataset)}")
    groups: dict[bytes, list[int]] = {}
    for row, digest in enumerate(row_digests(dataset.X)):
        groups.setdefault(digest, []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def row_digests(X: np.ndarray, dtype: Any = None) -> list[bytes]:
    """A digest of 128 bits for each row of `X` (N, ...), taken as numbers of `dtype`: equal for equal rows.

    Two different rows share one with a chance of 1e-25 in ten million rows.
    """
    kind = X.dtype if dtype is None else np.dtype(dtype)
    digests: list[bytes] = []
    for rows in row_blocks(X):
        block = np.ascontiguousarray(X[rows], dtype=kind)
        if kind.kind == "f":
            block = block + 0.0  # -0.0 becomes 0.0, which it equals
        flat = block.reshape(len(block), -1).view(np.uint8)  # (rows, bytes)
        digests += [hashlib.blake2b(row, digest_size=16).digest() for row in flat]
    return digests
