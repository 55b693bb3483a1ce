"""What an engine is: the thing that runs steps, so that the solver never knows how they are run.

An engine joins a model and an update rule. It owns the step counter and the rule's slots; with the model's tensors
those are the whole state of training, and `state` / `load_state` hand them out and take them back.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule.arrays import Array
from chainrule.data.normalized import NormalizedRows
from chainrule.errors import (
    CheckpointError,
    ConfigError,
    DTypeError,
    ShapeError,
    describe,
    require_bool,
    require_list,
    require_number,
)
from chainrule.require import as_numbers


class Evaluation(NamedTuple):
    """Score (accuracy, or R² for a regression) and mean loss on a set; the loss is None where a model has none."""

    score: float
    loss: float | None


class Engine(Protocol):
    """A program for one model and one update rule."""

    #: Steps taken so far.
    step_number: int

    def step(self, x: Array, y: Array, factor: float = 1.0) -> float:
        """Train on one batch and return its loss. `factor` multiplies the rule's learning rate.

        Raises `DivergenceError` before anything is changed if the loss or a gradient is NaN or infinite.
        """

    def steps(
        self,
        X: Array,
        y: Array,
        batches: Sequence[Array],
        factors: Sequence[float] | None = None,
        losses: list[float] | None = None,
    ) -> list[float]:
        """Train on the rows `batches[i]` of (X, y) one after another; the losses, also appended to `losses`.

        A step that raises leaves those before it taken, their losses in `losses`.
        """

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, Mapping[str, Array]]:
        """The training loss of a batch and its gradients by name; nothing is changed."""

    def predict(self, x: Array) -> Array:
        """Scores in test mode."""

    def evaluate(self, x: Array, y: Array, batch_size: int = 1000) -> Evaluation:
        """Score and loss on a set, `batch_size` rows at a time."""

    def state(self) -> dict[str, Array]:
        """Copies of every array that training changes: parameters, buffers, slots by name."""

    def load_state(self, state: Mapping[str, Array], step_number: int) -> None:
        """Continue from arrays that `state` returned and the step they belong to."""

    def weights(self) -> dict[str, Array]:
        """Copies of the model's own arrays (parameters and buffers), for keeping the best ones."""

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Put back what `weights` returned."""


def _require_steps(owner: str, X: Any, y: Any, batches: Any, factors: Any, losses: Any) -> tuple[Array, Array]:
    """X and y as arrays; a typed error where an argument of `steps` is not what it has to be, batches left out."""
    X = X if isinstance(X, NormalizedRows) else as_numbers(owner, "X", X)
    y = as_numbers(owner, "y", y)
    if len(X.shape) == 0 or y.ndim == 0 or len(X) != len(y):
        raise ShapeError(f"{owner}: X and y must have equally many rows, got {X.shape} and {y.shape}")
    require_list(owner, "batches", batches, "vectors of row numbers")
    if losses is not None and not isinstance(losses, list):
        raise DTypeError(f"{owner}: losses must be a list to append to, got {describe(losses)}")
    if factors is not None:
        rates = as_numbers(owner, "factors", factors)
        if rates.shape != (len(batches),):
            raise ShapeError(f"{owner}: factors must hold one number a batch, {len(batches)}, got shape {rates.shape}")
        if not np.isfinite(rates).all():
            raise ConfigError(f"{owner}: factors must be finite numbers, got {rates.tolist()[:5]}")
    return X, y


def checked_row_numbers(owner: str, batch: Any, n: int) -> Array:
    """`batch` as a vector of whole numbers from 0 to n − 1, or a typed error."""
    rows = np.ascontiguousarray(as_numbers(owner, "batches", batch))
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        raise DTypeError(f"{owner}: batches must hold vectors of row numbers, got {describe(batch)}")
    if rows.min() < 0 or rows.max() >= n:
        wrong = int(rows.min() if rows.min() < 0 else rows.max())
        raise ConfigError(f"{owner}: batches must hold rows 0 to {n - 1}, got {wrong}")
    return rows.astype(np.int64, copy=False)


def _checked_step(step: Callable[..., float]) -> Callable[..., float]:
    @functools.wraps(step)
    def wrapper(self: Any, x: Array, y: Array, factor: float = 1.0) -> float:
        if type(factor) is not float or not math.isfinite(factor):
            require_number(type(self).__name__, "factor", factor)
            factor = float(factor)  # arithmetic in half precision would overflow
        return step(self, x, y, factor)

    return wrapper


def _checked_steps(steps: Callable[..., list[float]]) -> Callable[..., list[float]]:
    @functools.wraps(steps)
    def wrapper(
        self: Any, X: Array, y: Array, batches: Any, factors: Any = None, losses: list[float] | None = None
    ) -> list[float]:
        owner = type(self).__name__
        X, y = _require_steps(owner, X, y, batches, factors, losses)
        try:
            return steps(self, X, y, batches, factors, losses)
        except (TypeError, ValueError, IndexError):  # looked at only now: a step takes as long as a look at its batch
            for batch in batches:
                checked_row_numbers(owner, batch, len(X))
            raise

    return wrapper


def _checked_evaluate(evaluate: Callable[..., Evaluation]) -> Callable[..., Evaluation]:
    @functools.wraps(evaluate)
    def wrapper(self: Any, x: Array, y: Array, batch_size: int = 1000) -> Evaluation:
        require_number(type(self).__name__, "batch_size", batch_size, integer=True, low=1)
        return evaluate(self, x, y, int(batch_size))

    return wrapper


def _checked_plan(plan: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plan)
    def wrapper(self: Any, rows: int = 1, *, train: bool = True) -> Any:
        require_bool(type(self).__name__, "train", train)
        return plan(self, rows, train=train)

    return wrapper


#: By the method's name, what stands in front of it.
_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "step": _checked_step,
    "steps": _checked_steps,
    "evaluate": _checked_evaluate,
    "plan": _checked_plan,
}


class StepByStep:
    """Several steps as a loop over one; checks of arguments in front of what an engine writes."""

    step: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the checks in front of the methods, so that no engine can forget them."""
        super().__init_subclass__(**kwargs)
        for name, wrap in _WRAPPERS.items():
            if name in cls.__dict__:
                setattr(cls, name, wrap(cls.__dict__[name]))

    @_checked_steps
    def steps(
        self,
        X: Array,
        y: Array,
        batches: Sequence[Array],
        factors: Sequence[float] | None = None,
        losses: list[float] | None = None,
    ) -> list[float]:
        """Train on the rows `batches[i]` of (X, y) one after another; the losses, also appended to `losses`."""
        rates = [1.0] * len(batches) if factors is None else factors
        taken = []
        for batch, factor in zip(batches, rates, strict=True):
            rows = checked_row_numbers(type(self).__name__, batch, len(X))
            taken.append(self.step(X[rows], y[rows], factor))
            if losses is not None:
                losses.append(taken[-1])
        return taken


def require_same_arrays(own: Mapping[str, Array], given: Mapping[str, Array]) -> None:
    """Raise `CheckpointError` unless `given` holds arrays of exactly the names, shapes and dtypes of `own`."""
    if not isinstance(given, Mapping):
        raise DTypeError(f"the state must be a dictionary of arrays by name, got {describe(given)}")
    for name, value in own.items():
        if name not in given:
            raise CheckpointError(f"the state must hold {name!r}, got {', '.join(sorted(map(str, given)))}")
        array = given[name]
        if not isinstance(getattr(array, "shape", None), tuple) or not hasattr(array, "dtype"):
            raise CheckpointError(f"state {name!r} must be an array, got {describe(array)}")
        if array.shape != value.shape or array.dtype != value.dtype:
            raise CheckpointError(
                f"state {name!r} must have shape {value.shape} and dtype {value.dtype}, got {array.shape} {array.dtype}"
            )
    strangers = [name for name in given if name not in own]
    if strangers:
        raise CheckpointError(
            f"the state must hold {', '.join(sorted(own))} only, got {strangers[0]!r} too: it belongs to another model "
            "or update rule"
        )
