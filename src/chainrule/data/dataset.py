"""A data set: inputs, targets and the names of the classes, checked once so that nothing downstream has to.

The mistakes it guards against: inputs and targets of different lengths, labels as a column (N, 1) that broadcast
against scores (N,), NaN that first shows as a NaN loss, labels beyond the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.mapped import take_rows
from chainrule.data.rows import first_nonfinite_row
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError, describe, require_number, require_text
from chainrule.require import require_unmasked
from chainrule.typed import typed, typed_fields

#: Labels above this are taken for identifiers, not class numbers: a count per class would not fit in memory.
_MOST_CLASSES = 2**24


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs X (N, ...) with labels or targets y, one a row.

    X: integers or floats (N, ...), at least two axes. y: integer labels (N,), kept as int64, or targets (N,) or
    (N, ...) of floats. class_names: one name a class, for labels 0 ... C − 1 or for targets (N, C). name: shown in
    messages. Raises `DTypeError`, `ShapeError`, `DataError`.

    >>> data = Dataset(np.zeros((3, 2)), np.array([0, 1, 1]), class_names=("cat", "dog"))
    >>> len(data), data.input_shape, data.classes, data.class_counts().tolist()
    (3, (2,), 2, [1, 2])
    """

    X: np.ndarray
    y: np.ndarray
    class_names: Sequence[str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        require_text("Dataset", "name", self.name)
        owner = self._owner
        X, y = _numbers(owner, "X", self.X), _numbers(owner, "y", self.y)
        if X.ndim < 2:
            hint = "; for one feature a row use X[:, None]" if X.ndim == 1 else ""
            raise ShapeError(f"{owner}: X must have axes (N, ...), at least two, got shape {X.shape}{hint}")
        if X.size == 0:
            raise DataError(f"{owner}: X must not be empty, got shape {X.shape}")
        if y.ndim < 1:
            raise ShapeError(f"{owner}: y must have axes (N,) or (N, ...), got one number")
        if len(X) != len(y):
            raise ShapeError(f"{owner}: X and y must have as many rows as each other, got {len(X)} and {len(y)}")
        if y.size == 0:
            raise DataError(f"{owner}: y must not be empty, got shape {y.shape}")
        if y.dtype.kind in "iu" and y.ndim == 2 and y.shape[1] == 1:
            raise ShapeError(
                f"{owner}: labels y must have shape ({len(y)},), got a column {y.shape}; use y[:, 0] "
                "(or floats, if these are targets of a regression)"
            )
        if y.dtype.kind == "u" and y.max() > np.iinfo(np.int64).max:
            raise DataError(f"{owner}: y must fit in 64-bit signed integers, got {y.max()}")
        for argument, value in (("X", X), ("y", y)):
            row = first_nonfinite_row(value)
            if row is not None:
                bad = value[row][~np.isfinite(value[row])].flat[0] if value.ndim > 1 else value[row]
                raise DataError(f"{owner}: {argument} must be finite, got {bad} in row {row}")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y.astype(np.int64, copy=False) if y.dtype.kind in "iu" else y)
        if self.class_names is not None:
            object.__setattr__(self, "class_names", self._checked_names(self.class_names))

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, X {self.X.shape} {self.X.dtype}, y {self.y.shape} {self.y.dtype}" + (
            f", {len(self.class_names)} classes)" if self.class_names is not None else ")"
        )

    @property
    def input_shape(self) -> Shape:
        """The shape of one row of X."""
        return tuple(self.X.shape[1:])

    @property
    def has_labels(self) -> bool:
        """Whether y holds integer labels (N,), rather than targets."""
        return self.y.ndim == 1 and self.y.dtype.kind == "i"

    @property
    def classes(self) -> int:
        """The number of classes: of `class_names`, or the highest label plus one; two for labels −1 and +1.

        Without `class_names` a part of the rows can show fewer classes than the whole.
        """
        if self.class_names is not None:
            return len(self.class_names)
        self._require_labels("classes")
        low, high = int(self.y.min()), int(self.y.max())
        if low < 0 and not self._is_signs():
            row = int(np.argmin(self.y))
            raise DataError(f"{self._owner}: labels must be 0, 1, 2, ... or -1 and +1, got {low} in row {row}")
        if high >= _MOST_CLASSES:
            row = int(np.argmax(self.y))
            raise DataError(
                f"{self._owner}: labels must be below {_MOST_CLASSES}, got {high} in row {row}; "
                "number the classes with np.unique(y, return_inverse=True)"
            )
        return 2 if low < 0 else high + 1

    def class_counts(self) -> np.ndarray:
        """How many rows each class has, (C,) int64; labels −1 and +1 are counted in that order."""
        self._require_labels("class_counts")
        classes = self.classes
        labels = (self.y + 1) // 2 if self._is_signs() else self.y
        return np.bincount(labels, minlength=classes).astype(np.int64)  # (C,)

    @typed
    def class_name(self, label: int) -> str:
        """How messages call a class: its number, and its name where there is one."""
        if self.class_names is not None:
            require_number("Dataset", "label", label, integer=True, low=0, high=len(self.class_names) - 1)
        named = self.class_names is not None and self.class_names[label] != str(label)
        return f"{label} ({self.class_names[label]!r})" if named and self.class_names is not None else str(label)

    def take(self, indices: Any) -> Dataset:
        """The rows at `indices` (integers from 0 to N − 1, repeats allowed), in that order, as a copy.

        Of a memory-mapped X, more than 256 MiB are copied on disk, and neighbouring rows not at all; see `mapped`.
        """
        require_unmasked(self._owner, "indices", indices)
        try:
            rows = np.asarray(indices)
        except Exception:  # an object's own way to become an array may raise anything
            rows = np.empty(0, object)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            hint = "; for a mask use np.flatnonzero(mask)" if rows.dtype.kind == "b" else ""
            raise DTypeError(f"{self._owner}: indices must be one axis of integers, got {describe(indices)}{hint}")
        if rows.size == 0:
            raise DataError(f"{self._owner}: indices must name at least one row, got none")
        low, high = int(rows.min()), int(rows.max())
        if low < 0 or high >= len(self):
            bad = low if low < 0 else high
            raise DataError(f"{self._owner}: indices must be from 0 to {len(self) - 1}, got {bad}")
        return Dataset(take_rows(self.X, rows), self.y[rows], self.class_names, self.name)

    @property
    def _owner(self) -> str:
        return f"Dataset {self.name!r}" if self.name else "Dataset"

    def _is_signs(self) -> bool:
        return bool((np.abs(self.y) == 1).all()) and self.class_names is None and bool((self.y < 0).any())

    def _require_labels(self, what: str) -> None:
        if not self.has_labels:
            raise ConfigError(
                f"{self._owner}: {what} needs integer labels of shape (N,), got y of shape {self.y.shape} "
                f"and dtype {self.y.dtype}"
            )

    def _checked_names(self, names: Sequence[str]) -> tuple[str, ...]:
        if isinstance(names, str) or not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise DTypeError(f"{self._owner}: class_names must be a tuple of strings, got {describe(names)}")
        repeated = sorted({n for n in names if names.count(n) > 1})
        if not names or repeated:
            raise ConfigError(
                f"{self._owner}: class_names must be distinct and at least one, got "
                + (f"{repeated[0]!r} more than once" if repeated else "none")
            )
        if self.has_labels:
            bad = (self.y < 0) | (self.y >= len(names))
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(
                    f"{self._owner}: labels must be from 0 to {len(names) - 1} for {len(names)} class_names, "
                    f"got {self.y[row]} in row {row}"
                )
        elif self.y.ndim != 2 or self.y.shape[1] != len(names):
            raise ConfigError(
                f"{self._owner}: class_names need integer labels (N,) or targets (N, {len(names)}), "
                f"got y of shape {self.y.shape} and dtype {self.y.dtype}"
            )
        return tuple(names)


@dataclass(frozen=True, eq=False)
@typed_fields
class Splits:
    """The parts of one data set: `train`, and `val` and `test` where there are any."""

    train: Dataset
    val: Dataset | None = None
    test: Dataset | None = None

    def __post_init__(self) -> None:
        for part, data in (("train", self.train), ("val", self.val), ("test", self.test)):
            if data is None and part != "train":
                continue
            if not isinstance(data, Dataset):
                raise DTypeError(f"Splits: {part} must be a Dataset, got {describe(data)}")
            if data.input_shape != self.train.input_shape:
                raise ShapeError(
                    f"Splits: rows of {part} must have the shape of rows of train, {self.train.input_shape}, "
                    f"got {data.input_shape}"
                )

    def as_dict(self) -> dict[str, np.ndarray]:
        """The arrays under their classic names: X_train, y_train, X_val, y_val, X_test, y_test (absent parts left out).

        >>> sorted(Splits(Dataset(np.zeros((3, 2)), np.arange(3))).as_dict())
        ['X_train', 'y_train']
        """
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {
            f"{letter}_{part}": getattr(data, letter)
            for part, data in parts.items()
            if data is not None
            for letter in ("X", "y")
        }


def _numbers(owner: str, argument: str, value: Any) -> np.ndarray:
    """`value` as a plain array in the machine's byte order, unless it is no array of real numbers."""
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise DTypeError(f"{owner}: {argument} must be a NumPy array without a mask, got {describe(value)}")
    if value.dtype.kind == "b" and argument == "y":
        return np.asarray(value, dtype=np.int64)
    if value.dtype.kind not in "iuf":
        raise DTypeError(f"{owner}: {argument} must hold integers or floats, got dtype {value.dtype}")
    return np.asarray(value, dtype=value.dtype.newbyteorder("="))
