"""What a loss is: a frozen declaration that maps (scores, y) to (loss, ∂loss/∂scores), the mean over the batch.

Scores and targets are checked in front of every public method, so that no loss can forget it and none broadcasts.

Like a layer, a loss states its examples once; its tests, documentation row and benchmark case follow from them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.require import require_array

#: Draws targets for scores of a shape: the third member of an example.
Targets = Callable[[np.random.Generator, Shape], np.ndarray]


class Loss:
    """Base of all losses.

    A subclass is a frozen dataclass that writes `__call__`, `check_scores`, `check_targets`, `predict` and `examples`.
    """

    #: True where the derivative jumps (hinges).
    has_kinks: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the check of scores and targets in front of the subclass's methods."""
        super().__init_subclass__(**kwargs)
        for method in ("predict", "probabilities"):  # what a loss is differentiated with may be complex, not these
            if method in cls.__dict__:
                setattr(cls, method, _checked(cls.__dict__[method]))
        for method in ("__call__", "score"):
            if method in cls.__dict__:
                setattr(cls, method, _checked_with_targets(cls.__dict__[method]))

    @property
    def name(self) -> str:
        """The class name, as recipes and messages use it."""
        return type(self).__name__

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """Return the loss, a number (the mean over the batch), and its gradient in the shape of `scores`."""
        raise NotImplementedError

    def check_scores(self, scores: Array) -> None:
        """Raise a typed error unless `scores` has the axes this loss takes."""
        raise NotImplementedError

    def check_targets(self, scores: Array, y: Array) -> None:
        """Raise a typed error unless `y` fits `scores`; shapes are compared, never broadcast."""
        raise NotImplementedError

    def predict(self, scores: Array) -> Array:
        """The decision made from scores: labels (N,) for a classifier, the scores themselves for a regression."""
        raise NotImplementedError

    def probabilities(self, scores: Array) -> Array:
        """Class probabilities (N, C) for losses that define them; a `ConfigError` for those that do not."""
        raise ConfigError(
            f"{self.name} defines no probabilities; use predict, or train with a softmax or logistic loss"
        )

    def score(self, scores: Array, y: Array) -> float:
        """The figure of merit, higher being better: the fraction predicted right (R² for a regression)."""
        check(self, scores, y)
        require_real(self.name, scores)
        return float(np.mean(np.asarray(self.predict(scores)) == np.asarray(y)))

    @classmethod
    def examples(cls) -> Sequence[tuple[Loss, Shape, Targets]]:
        """Triples of a loss, a shape of scores, and the function that draws targets for it."""
        raise NotImplementedError


def check(loss: Loss, scores: Array, *targets: Array) -> None:
    """Raise a typed error unless `scores`, and the targets where given, are what `loss` takes."""
    require_array(loss.name, "scores", scores)
    for y in targets:
        require_array(loss.name, "y", y, floating=False)
    if len(scores.shape) == 0 or scores.shape[0] == 0:
        raise ShapeError(f"{loss.name}: scores must hold at least one row, got shape {tuple(scores.shape)}")
    loss.check_scores(scores)
    for y in targets:
        loss.check_targets(scores, y)


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(self: Loss, scores: Array) -> Any:
        check(self, scores)
        require_real(self.name, scores)
        return method(self, scores)

    return wrapper


def _checked_with_targets(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(self: Loss, scores: Array, y: Array) -> Any:
        check(self, scores, y)
        if method.__name__ == "score":
            require_real(self.name, scores)
        return method(self, scores, y)

    return wrapper


def is_integer(y: Array) -> bool:
    """Whether `y` holds integers (or booleans)."""
    dtype = y.dtype
    return (
        dtype.kind in "iub" if isinstance(dtype, np.dtype) else bool(namespace(y).isdtype(dtype, ("integral", "bool")))
    )


def require_real(owner: str, scores: Array) -> None:
    """Scores must be real numbers."""
    if isinstance(scores.dtype, np.dtype) and scores.dtype.kind == "c":
        raise DTypeError(f"{owner}: scores must hold real numbers here, got dtype {scores.dtype}")


def require_elements(owner: str, scores: Array) -> None:
    """Scores must hold at least one element; every shape is fine."""
    if 0 in scores.shape:
        raise ShapeError(f"{owner}: scores must hold at least one element, got shape {tuple(scores.shape)}")


def require_class_scores(owner: str, scores: Array) -> None:
    """Scores must be (N, C) with C >= 2."""
    if len(scores.shape) != 2 or scores.shape[1] < 2:
        raise ShapeError(f"{owner}: scores have axes (N, C) with C >= 2, got shape {tuple(scores.shape)}")


def require_labels(owner: str, scores: Array, y: Array) -> None:
    """`y` must be (N,) integers in [0, C) for scores (N, C)."""
    n, classes = scores.shape
    if tuple(y.shape) != (n,):
        raise ShapeError(f"{owner}: y must have shape ({n},) for scores of shape {(n, classes)}, got {tuple(y.shape)}")
    if not is_integer(y):
        raise DTypeError(f"{owner}: y must hold integer class labels, got dtype {y.dtype}")
    if _is_concrete(y):
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= classes:
            raise DataError(f"{owner}: y must hold labels from 0 to {classes - 1}, got {low if low < 0 else high}")


def require_distribution(owner: str, y: Array) -> None:
    """Each row of `y` (N, C) must be a probability distribution: no negative entry, sum one."""
    if _is_concrete(y):
        sums = y.sum(axis=1, dtype=np.float64)
        row = int(np.argmax(~((y >= 0).all(axis=1) & (abs(sums - 1) < 1e-3))))
        if not (y[row] >= 0).all() or not abs(sums[row] - 1) < 1e-3:
            raise DataError(
                f"{owner}: rows of y must be probabilities that sum to 1, got {y[row].tolist()} in row {row}"
            )


def require_same_shape(owner: str, scores: Array, y: Array) -> None:
    """`y` must have exactly the shape of `scores`."""
    if tuple(scores.shape) != tuple(y.shape):
        hint = ""
        if len(scores.shape) == 2 and scores.shape[1] == 1 and tuple(y.shape) == tuple(scores.shape[:1]):
            hint = "; add Squeeze() as the last layer to score (N,), or give y of shape (N, 1)"
        raise ShapeError(f"{owner}: y must have the shape of scores, {tuple(scores.shape)}, got {tuple(y.shape)}{hint}")


def require_binary_scores(owner: str, scores: Array) -> None:
    """Scores must be (N,): one number a row."""
    if len(scores.shape) != 1:
        hint = "; add Squeeze() as the last layer" if len(scores.shape) == 2 and scores.shape[1] == 1 else ""
        raise ShapeError(f"{owner}: scores have axes (N,), got shape {tuple(scores.shape)}{hint}")


def require_binary_labels(owner: str, scores: Array, y: Array) -> None:
    """`y` must be (N,), and hold only 0 and 1, or only −1 and +1."""
    require_same_shape(owner, scores, y)
    if _is_concrete(y):
        values = set(np.unique(y).tolist())
        if not (values <= {0, 1} or values <= {-1, 1}):
            raise DataError(f"{owner}: y must hold labels 0 and 1, or -1 and +1, got {sorted(values)[:5]}")


def require_finite(owner: str, y: Array) -> None:
    """No entry of `y` may be NaN or infinite."""
    if _is_concrete(y) and not np.isfinite(y).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(y))[0])
        raise DataError(f"{owner}: y must hold finite numbers, got {y[at]} at index {at}")


def binary_signs(scores: Array, y: Array) -> Array:
    """Labels 0/1 or −1/+1 of shape (N,) as −1/+1 in the dtype of `scores`."""
    xp = namespace(scores)
    return xp.where(y > 0, xp.ones_like(scores), -xp.ones_like(scores))


def zero_one(values: Array) -> Array:
    """1 where a score or label is positive, else 0, in the library's default integer dtype."""
    xp = namespace(values)
    return xp.astype(values > 0, xp.asarray(0).dtype)


def _is_concrete(y: Array) -> bool:
    return type(y) is np.ndarray  # values under a tracing library are not known yet


# -- targets for examples -------------------------------------------------------------------------------------------


def class_labels(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Random labels (N,) in [0, C)."""
    return rng.integers(0, shape[1], shape[0])


def soft_labels(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Random probability rows (N, C)."""
    raw = rng.uniform(0.05, 1.0, shape)
    return raw / raw.sum(axis=1, keepdims=True)


def zero_one_labels(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Random labels 0/1 (N,)."""
    return rng.integers(0, 2, shape[0])


def sign_labels(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Random labels −1/+1 (N,)."""
    return 2 * rng.integers(0, 2, shape[0]) - 1


def real_targets(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Normal targets in the shape of the scores."""
    return rng.normal(size=shape)
