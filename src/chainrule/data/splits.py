"""Splitting a data set into train, validation and test rows: in order, at random, or with equal shares of every class.

A size is a number of rows (an int) or a fraction of N (a float up to 1.0); a fraction is rounded down. `train=None`
takes every row the others leave, and so does a train fraction where the three fractions sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from chainrule.arrays import Stream, derive_key, generator
from chainrule.data.dataset import Dataset, Splits
from chainrule.errors import ConfigError, DataError, DTypeError, describe, require_number

Size = int | float

_LEFT_OUT = "the rows left out"


def ordered_split(dataset: Dataset, *, train: Size | None = None, val: Size = 0, test: Size = 0) -> Splits:
    """The first rows for training, the next for validation, the next for testing; rows beyond are left out.

    Raises `ConfigError` where the sizes do not fit.

    >>> data = Dataset(np.zeros((10, 1)), np.arange(10))
    >>> ordered_split(data, train=5, val=3, test=0.2).val.y.tolist()
    [5, 6, 7]
    """
    sizes = _sizes("ordered_split", dataset, train, val, test)
    return _cut(dataset, np.arange(len(dataset)), sizes)


def random_split(dataset: Dataset, *, train: Size | None = None, val: Size = 0, test: Size = 0, seed: int) -> Splits:
    """Rows drawn without replacement, the same for the same `seed`. Raises `ConfigError` where sizes do not fit."""
    _check_seed("random_split", seed)
    sizes = _sizes("random_split", dataset, train, val, test)
    return _cut(dataset, generator(seed, Stream.SPLIT).permutation(len(dataset)), sizes)


def stratified_split(
    dataset: Dataset, *, train: Size | None = None, val: Size = 0, test: Size = 0, seed: int
) -> Splits:
    """Rows drawn without replacement so that each class has the same share of every part (to within rounding).

    The draw is scikit-learn's `train_test_split(stratify=y)`, the same for the same `seed` and scikit-learn version.
    Raises `ConfigError` where sizes do not fit, `DataError` naming a class too small to appear in every part.
    """
    _check_seed("stratified_split", seed)
    sizes = _sizes("stratified_split", dataset, train, val, test)
    if not dataset.has_labels:
        raise ConfigError(
            f"stratified_split: y must hold integer labels (N,), got shape {dataset.y.shape} "
            f"and dtype {dataset.y.dtype}"
        )
    parts = {part: size for part, size in sizes.items() if size > 0}
    unused = len(dataset) - sum(parts.values())
    if unused:
        parts[_LEFT_OUT] = unused
    _check_stratifiable(dataset, parts)
    from sklearn.model_selection import train_test_split

    rest, drawn = np.arange(len(dataset)), {}
    names = list(parts)
    for i, part in enumerate(names[:-1]):
        later = names[i + 1 :]
        drawn[part], rest = train_test_split(
            rest,
            train_size=parts[part],
            test_size=sum(parts[p] for p in later),
            stratify=dataset.y[rest],
            random_state=derive_key(seed, Stream.SPLIT, i) & 0xFFFFFFFF,
        )
        _check_present(dataset, part, drawn[part], 1)
        if later != [_LEFT_OUT]:
            _check_present(dataset, " and ".join(later), rest, len(later))
    drawn[names[-1]] = rest if len(names) > 1 else generator(seed, Stream.SPLIT).permutation(rest)
    return _cut(dataset, np.concatenate(list(drawn.values())), sizes)


def _check_stratifiable(dataset: Dataset, parts: Mapping[str, int]) -> None:
    labels, counts = np.unique(dataset.y, return_counts=True)
    smallest = int(np.argmin(counts))
    if counts[smallest] < len(parts):
        raise DataError(
            f"stratified_split: every class must have a row for each of {', '.join(parts)}, "
            f"got class {dataset.class_name(int(labels[smallest]))} with {_rows(int(counts[smallest]))}"
        )
    for part, size in parts.items():
        if size < len(labels):
            raise ConfigError(
                f"stratified_split: {part} must hold a row of each of the {len(labels)} classes, got {_rows(size)}"
            )


def _check_present(dataset: Dataset, part: str, rows: np.ndarray, needed: int) -> None:
    labels, inverse = np.unique(dataset.y, return_inverse=True)
    counts = np.bincount(inverse[rows], minlength=len(labels))  # (C,)
    if counts.min() < needed:
        label = int(labels[np.argmin(counts)])
        raise DataError(
            f"stratified_split: class {dataset.class_name(label)} has {_rows(int((dataset.y == label).sum()))} of "
            f"{len(dataset)}, too few: {part} ({_rows(len(rows))}) would get {counts.min()}"
        )


def _cut(dataset: Dataset, order: np.ndarray, sizes: Mapping[str, int]) -> Splits:
    """Consecutive pieces of `order`: train, val, test."""
    ends = np.cumsum(list(sizes.values()))
    train, val, test = (order[end - size : end] for end, size in zip(ends, sizes.values(), strict=True))
    return Splits(
        dataset.take(train), dataset.take(val) if len(val) else None, dataset.take(test) if len(test) else None
    )


def _sizes(owner: str, dataset: Dataset, train: Size | None, val: Size, test: Size) -> dict[str, int]:
    """The three sizes in rows, train first."""
    if not isinstance(dataset, Dataset):
        raise DTypeError(f"{owner}: dataset must be a Dataset, got {describe(dataset)}")
    return rows_of_parts(owner, len(dataset), train, val, test)


def rows_of_parts(owner: str, n: int, train: Size | None, val: Size, test: Size) -> dict[str, int]:
    """How many of `n` rows go to each part, train first; sizes are rows or fractions."""
    for part, size in (("val", val), ("test", test)):
        if size is None:
            raise DTypeError(f"{owner}: {part} must be a number of rows or a fraction, got {describe(size)}")
    given = {"train": train, "val": val, "test": test}
    rows = {part: _count(owner, part, size, n) for part, size in given.items() if size is not None}
    fractions = [size for size in given.values() if isinstance(size, float)]
    others = rows["val"] + rows["test"]
    whole = isinstance(train, float) and abs(math.fsum(fractions) - 1) < 1e-9 and not _has_counts(given)
    if train is None or (whole and n - others > 0):
        rows["train"] = n - others
    total = rows["train"] + others
    if rows["train"] < 1 or total > n:
        asked = f"val {rows['val']} + test {rows['test']} = {others}"
        if train is not None:
            asked = f"train {rows['train']} + {asked.split(' = ')[0]} = {total}"
        need = " and leave at least one for train" if rows["train"] < 1 else ""
        raise ConfigError(f"{owner}: sizes must fit in the {_rows(n)} of the data set{need}, got {asked}")
    return {part: rows[part] for part in ("train", "val", "test")}


def _has_counts(given: Mapping[str, Size | None]) -> bool:
    return any(not isinstance(size, float) and size != 0 for size in given.values())


def _count(owner: str, part: str, size: Size, n: int) -> int:
    if isinstance(size, float):
        hint = f"; for rows write {int(size)}" if size > 1 and size.is_integer() else ""
        if not 0 <= size <= 1:
            raise ConfigError(f"{owner}: {part} as a fraction must be from 0.0 to 1.0, got {size!r}{hint}")
        count = math.floor(size * n + 1e-9 * n)  # 0.29 · 100 is 28.999...
        if size > 0 and count == 0:
            raise ConfigError(f"{owner}: {part} must come to at least one row, got {size!r} of {_rows(n)}")
        return min(count, n)
    require_number(owner, part, size, integer=True, low=0)
    return int(size)


def _check_seed(owner: str, seed: int) -> None:
    require_number(owner, "seed", seed, integer=True, low=0, high=2**64, open_high=True)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
