"""What an engine is: the thing that runs steps, so that the solver never knows how they are run.

An engine joins a model and an update rule. It owns the step counter and the rule's slots; with the model's tensors
those are the whole state of training, and `state` / `load_state` hand them out and take them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chainrule.arrays import Array
from chainrule.errors import CheckpointError


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


class StepByStep:
    """Several steps as a loop over one."""

    step: Any

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
        for rows, factor in zip(batches, rates, strict=True):
            taken.append(self.step(X[rows], y[rows], factor))
            if losses is not None:
                losses.append(taken[-1])
        return taken


def require_same_arrays(own: Mapping[str, Array], given: Mapping[str, Array]) -> None:
    """Raise `CheckpointError` unless `given` holds arrays of exactly the names, shapes and dtypes of `own`."""
    for name, value in own.items():
        if name not in given:
            raise CheckpointError(f"the state must hold {name!r}, got {', '.join(sorted(given))}")
        array = given[name]
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
