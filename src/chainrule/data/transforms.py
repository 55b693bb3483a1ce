"""Small pure transforms of inputs: scaling, normalising with statistics of the training rows, flattening."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Shape
from chainrule.data.rows import first_nonfinite_row, row_blocks
from chainrule.errors import (
    ConfigError,
    DataError,
    DTypeError,
    ShapeError,
    describe,
    require_choice,
    require_number,
    shown,
)
from chainrule.require import as_numbers

#: The choices of `Normalizer.fit`.
NORMALIZATIONS = ("none", "unit", "symmetric", "standard", "center", "channel")


def to_float(X: np.ndarray, scale: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """X / scale in a floating dtype, as a new array.

    >>> to_float(np.array([[0, 255]], dtype=np.uint8), 255).tolist()
    [[0.0, 1.0]]
    """
    _require_rows("to_float", X)
    require_number("to_float", "scale", scale, low=0, open_low=True)
    kind = _floating("to_float", dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        try:
            return X.astype(kind) / kind.type(float(scale))
        except FloatingPointError:
            raise ConfigError(f"to_float: scale must leave X / scale finite in {kind}, got {shown(scale)}") from None


def flatten(X: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) as rows (N, C·H·W); a view where the layout allows.

    >>> flatten(np.zeros((2, 1, 8, 8))).shape
    (2, 64)
    """
    _require_rows("flatten", X)
    return X.reshape(X.shape[0], math.prod(X.shape[1:]))


@dataclass(frozen=True, eq=False)
class Normalizer:
    """(X − mean) / scale, with numbers that were fitted on training rows and belong to the model from then on.

    mean, scale: float64 in the shape of one row, or single numbers, or one number a channel, (C, 1, ..., 1).

    >>> normalizer = Normalizer.fit("standard", np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> normalizer.apply(np.array([[4.0, 6.0]])).tolist()  # a constant feature keeps its scale
    [[3.0, 1.0]]
    """

    mean: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        for argument in ("mean", "scale"):
            value = np.array(as_numbers("Normalizer", argument, getattr(self, argument)), dtype=np.float64)
            if not np.isfinite(value).all() or (argument == "scale" and not (value > 0).all()):
                limits = "finite and > 0" if argument == "scale" else "finite"
                raise DataError(f"Normalizer: {argument} must be {limits}, got {describe(value)} that is not")
            object.__setattr__(self, argument, value)
        if self.mean.shape != self.scale.shape:
            raise ShapeError(
                f"Normalizer: mean and scale must have the same shape, got {self.mean.shape} and {self.scale.shape}"
            )

    @classmethod
    def fit(cls, kind: str, X_train: np.ndarray, max_value: float | None = None) -> Normalizer:
        """The normaliser of one `kind` from training rows (N, ...).

        none: X. unit: X / max_value (without it, the largest absolute value of X_train). symmetric:
        (X − max_value/2) / (max_value/2), which takes 0 to −1 and max_value to 1. center: X minus the mean row.
        standard: also divided by the standard deviation of each feature, which is 1 for a constant one. channel: the
        same with one mean and deviation a channel, over all rows and pixels of it.
        """
        _require_rows("Normalizer", X_train, "X_train")
        require_choice("Normalizer", "kind", kind, NORMALIZATIONS)
        if max_value is not None:
            require_number("Normalizer", "max_value", max_value, low=0, open_low=True)
        row = first_nonfinite_row(X_train)
        if row is not None:
            raise DataError(f"Normalizer: X_train must be finite, got NaN or infinity in row {row}")
        if kind == "none":
            return cls(np.zeros(()), np.ones(()))
        if kind in ("unit", "symmetric"):
            largest = max(abs(float(X_train.min())), abs(float(X_train.max()))) if max_value is None else max_value
            scale = np.asarray(largest if largest > 0 else 1.0, dtype=np.float64)
            return cls(np.zeros(()), scale) if kind == "unit" else cls(scale / 2, scale / 2)
        with np.errstate(over="ignore", invalid="ignore"):  # refused below as not finite
            mean, deviation = _moments(X_train, (0, *range(2, X_train.ndim)) if kind == "channel" else (0,))
        return cls(mean, np.ones_like(mean) if kind == "center" else deviation)

    def apply(self, X: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        """(X − mean) / scale in a floating `dtype`, computed in float64; X is not changed."""
        _require_rows("Normalizer", X)
        self.require_shape(X.shape)
        out = np.empty(X.shape, _floating("Normalizer", dtype))  # (N, ...)
        work = np.result_type(out.dtype, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # reported below, with the row
            for rows in row_blocks(X):
                out[rows] = (X[rows].astype(work) - self.mean) / self.scale
        row = first_nonfinite_row(out)
        if row is not None:
            raise DataError(f"Normalizer: X must be finite in {out.dtype} after normalising, row {row} is not")
        return out

    def require_shape(self, shape: Shape) -> None:
        """Raise unless rows of an array of `shape` are what this normaliser was fitted on."""
        if not isinstance(shape, (tuple, list)) or not shape or not all(isinstance(size, int) for size in shape):
            raise DTypeError(f"Normalizer: shape must be a tuple of integers, got {describe(shape)}")
        shape = tuple(shape)
        if self.mean.shape not in ((), shape[1:], (*shape[1:2], *(1,) * (len(shape) - 2))):
            raise ShapeError(f"Normalizer: rows of X must have shape {self.mean.shape}, got X of shape {shape}")

    def to_dict(self) -> dict[str, np.ndarray]:
        """The numbers as plain arrays, for a checkpoint."""
        return {"mean": self.mean.copy(), "scale": self.scale.copy()}

    @classmethod
    def from_dict(cls, arrays: Mapping[str, np.ndarray]) -> Normalizer:
        """The normaliser that `to_dict` wrote."""
        if not isinstance(arrays, Mapping) or set(arrays) != {"mean", "scale"}:
            got = sorted(map(str, arrays)) if isinstance(arrays, Mapping) else describe(arrays)
            raise ConfigError(f"Normalizer: arrays must be a mapping with exactly mean and scale, got {got}")
        return cls(arrays["mean"], arrays["scale"])


def _moments(X: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over `axes`, the rows among them, in two passes; deviation 1 where constant."""
    n, inner = math.prod(X.shape[a] for a in axes), tuple(a - 1 for a in axes[1:])
    zeros = np.zeros([1 if a in inner else size for a, size in enumerate(X.shape[1:])])
    mean = sum((X[r].sum(axis=axes, dtype=np.float64).reshape(zeros.shape) for r in row_blocks(X)), zeros) / n
    low, high = (f(axis=axes).reshape(zeros.shape) for f in (X.min, X.max))
    mean = np.where(low == high, low, mean)  # exactly: rounding of the sum would leave a tiny spread
    squares = sum((np.square(X[r] - mean).sum(axis=axes).reshape(zeros.shape) for r in row_blocks(X)), zeros)
    deviation = np.sqrt(squares / n)
    return mean, np.where((low < high) & (deviation > 0), deviation, 1.0)


def _require_rows(owner: str, X: Any, argument: str = "X") -> None:
    if isinstance(X, (np.ma.MaskedArray, np.matrix)):
        raise DTypeError(f"{owner}: {argument} must be a plain array, got {type(X).__name__} of shape {X.shape}")
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "iuf":
        raise DTypeError(f"{owner}: {argument} must be an array of integers or floats, got {describe(X)}")
    if X.ndim < 2 or X.size == 0:
        raise ShapeError(
            f"{owner}: {argument} must have axes (N, ...) of length >= 1, at least two, got shape {X.shape}"
        )


def _floating(owner: str, dtype: Any) -> np.dtype:
    try:
        kind = np.dtype(dtype if isinstance(dtype, (str, type, np.dtype)) else object)
    except Exception:  # a text or class of the caller's own making may raise anything
        raise DTypeError(f"{owner}: dtype must be a floating-point dtype, got {describe(dtype)}") from None
    if kind.kind != "f":
        got = kind if kind.kind != "O" else describe(dtype)
        raise DTypeError(f"{owner}: dtype must be a floating-point dtype, got {got}")
    return kind
