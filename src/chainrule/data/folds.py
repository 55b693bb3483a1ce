"""Splits for cross-validation, and splits by indices that somebody else has drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.arrays import Stream, derive_key, generator
from chainrule.data.dataset import Dataset, Splits
from chainrule.errors import ConfigError, DataError, DTypeError, describe, require_number
from chainrule.typed import typed


@typed
def k_fold(dataset: Dataset, k: int, *, seed: int | None = None) -> Iterator[Splits]:
    """k splits; each row is in `val` of exactly one of them and in `train` of the others.

    Fold sizes differ by at most one. seed: draws the rows of the folds; without it they are consecutive, in order. The
    splits are made one at a time, as each copies its rows. Raises `ConfigError` where k does not fit.

    >>> data = Dataset(np.zeros((5, 1)), np.arange(5))
    >>> [splits.val.y.tolist() for splits in k_fold(data, 2)]
    [[0, 1, 2], [3, 4]]
    """
    _check("k_fold", dataset, k, seed)
    order = np.arange(len(dataset)) if seed is None else generator(seed, Stream.SPLIT).permutation(len(dataset))
    return _splits(dataset, np.array_split(order, k))


@typed
def stratified_k_fold(dataset: Dataset, k: int, *, seed: int) -> Iterator[Splits]:
    """`k_fold` with the same share of every class in each fold (to within one row).

    The draw is scikit-learn's `StratifiedKFold`, the same for the same `seed` and scikit-learn version.
    Raises `ConfigError` where k does not fit, `DataError` naming a class with fewer than k rows.
    """
    owner = "stratified_k_fold"
    _check(owner, dataset, k, seed)
    if not dataset.has_labels:
        raise ConfigError(
            f"{owner}: y must hold integer labels (N,), got shape {dataset.y.shape} and dtype {dataset.y.dtype}"
        )
    labels, counts = np.unique(dataset.y, return_counts=True)
    if counts.min() < k:
        label = int(labels[np.argmin(counts)])
        raise DataError(f"{owner}: every class must have {k} rows, got {counts.min()} of {dataset.class_name(label)}")
    from sklearn.model_selection import StratifiedKFold

    draw = StratifiedKFold(k, shuffle=True, random_state=derive_key(seed, Stream.SPLIT) & 0xFFFFFFFF)
    return _splits(dataset, [rows for _, rows in draw.split(np.empty(len(dataset)), dataset.y)])


@typed
def split_by_indices(dataset: Dataset, *, train: Any, val: Any = None, test: Any = None) -> Splits:
    """The rows at the given indices, in the given order; rows that no part names are left out.

    Raises `DataError` for a row in two parts, twice in one, or beyond the data set, `DTypeError` for what is no index.

    >>> data = Dataset(np.zeros((5, 1)), np.arange(5))
    >>> split_by_indices(data, train=[4, 0], test=[2]).train.y.tolist()
    [4, 0]
    """
    owner = "split_by_indices"
    _require_dataset(owner, dataset)
    taken, seen = {}, np.full(len(dataset), -1, dtype=np.int8)  # which part has the row
    names = ("train", "val", "test")
    for number, (part, indices) in enumerate(zip(names, (train, val, test), strict=True)):
        if indices is None and part != "train":
            continue
        taken[part] = dataset.take(indices)  # which checks them
        rows = np.asarray(indices)
        twice = rows[seen[rows] >= 0]
        if len(twice):
            raise DataError(
                f"{owner}: a row must be in one part only, got {twice[0]} in {names[seen[twice[0]]]} and {part}"
            )
        unique, counts = np.unique(rows, return_counts=True)
        if counts.max() > 1:
            raise DataError(f"{owner}: a row must be in a part once, got {unique[np.argmax(counts)]} twice in {part}")
        seen[rows] = number
    return Splits(**taken)


def _splits(dataset: Dataset, folds: list[np.ndarray]) -> Iterator[Splits]:
    for fold in folds:
        rest = np.ones(len(dataset), dtype=bool)
        rest[fold] = False
        yield Splits(dataset.take(np.flatnonzero(rest)), dataset.take(fold))


def _check(owner: str, dataset: Dataset, k: int, seed: int | None) -> None:
    _require_dataset(owner, dataset)
    require_number(owner, "k", k, integer=True, low=2, high=len(dataset))
    if seed is not None:
        require_number(owner, "seed", seed, integer=True, low=0, high=2**64, open_high=True)


def _require_dataset(owner: str, dataset: Any) -> None:
    if not isinstance(dataset, Dataset):
        raise DTypeError(f"{owner}: dataset must be a Dataset, got {describe(dataset)}")
