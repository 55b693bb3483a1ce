"""What happens when a number is not finite: training stops, or goes back to a good state with a lower learning rate.

A good state is the one that training began with, or the end of a later epoch whose mean loss ℓ was not far above the
loss ℓ₁ of the very first step: ℓ ≤ ℓ₁ + |ℓ₁|. Weights that are on their way to infinity are then never gone back to.
Saturated units and single precision can hold a hopeless training below infinity for long, so where training backs off,
an epoch with ℓ > 1000 max(|ℓ₁|, 1) counts as diverged too.

The state is kept in memory, with everything a checkpoint holds, and each checkpoint holds it too: which state it is
depends on steps and losses alone, so a run that was killed goes on, and goes back, to the same bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import CheckpointError, ConfigError, DivergenceError, DTypeError, describe, require_number, shown
from chainrule.solver.history import History

if TYPE_CHECKING:
    from chainrule.solver.solver import Solver

STOP, BACK_OFF = "stop", "back-off"
EXPLODED = 1000.0


@dataclass(frozen=True)
class BackOff:
    """Go back to the last good state and multiply the learning rate by `factor`, at most `times` times in a training.

    >>> BackOff(factor=0.1)
    BackOff(factor=0.1, times=10)
    """

    factor: float = 0.5
    times: int = 10

    def __post_init__(self) -> None:
        require_number("BackOff", "factor", self.factor, low=0, high=1, open_low=True, open_high=True)
        require_number("BackOff", "times", self.times, integer=True, low=1)


def make_back_off(on_divergence: str | BackOff) -> BackOff | None:
    """What the solver's argument means: None where training stops."""
    if isinstance(on_divergence, BackOff):
        return on_divergence
    if not isinstance(on_divergence, str):
        raise DTypeError(
            f"Solver: on_divergence must be {STOP!r}, {BACK_OFF!r} or a BackOff, got {describe(on_divergence)}"
        )
    if on_divergence not in (STOP, BACK_OFF):
        raise ConfigError(f"Solver: on_divergence must be {STOP!r} or {BACK_OFF!r}, got {shown(on_divergence)}")
    return BackOff() if on_divergence == BACK_OFF else None


@dataclass(frozen=True)
class GoodState:
    """A state to go back to: the arrays and counters of a checkpoint, and how much of the history led to it."""

    arrays: Mapping[str, Array]
    step_number: int
    epoch: int
    best_val_acc: float
    losses: int
    accuracies: int
    epochs: int

    def counters(self) -> dict[str, Any]:
        """What is no array, as plain data."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "arrays"}
        return plain | {"best_val_acc": None if np.isneginf(self.best_val_acc) else self.best_val_acc}


def read_good(counters: Any, arrays: Mapping[str, Array], history: History, where: str) -> GoodState | None:
    """The state to go back to that a checkpoint holds, copied; None where it was written without one.

    Raises `CheckpointError`, which `where` opens, for counters that do not lie in the history.
    """
    if counters is None and not arrays:
        return None
    most = {
        "step_number": 2**63,
        "epoch": 2**63,
        "losses": len(history.loss_history),
        "accuracies": min(len(history.train_acc_history), len(history.val_acc_history)),
        "epochs": len(history.epochs),
    }
    if not isinstance(counters, dict) or counters.keys() != most.keys() | {"best_val_acc"}:
        raise CheckpointError(f"{where}: good must be a table with {', '.join(most)}, best_val_acc")
    for name, limit in most.items():
        if type(counters[name]) is not int or not 0 <= counters[name] <= limit:
            raise CheckpointError(f"{where}: {name} of good must be an integer from 0 to {limit}")
    best = counters["best_val_acc"]
    if not isinstance(best, (float, int, type(None))) or isinstance(best, bool):
        raise CheckpointError(f"{where}: best_val_acc of good must be a number or null")
    own = {name: counters[name] for name in most}
    return GoodState(
        {n: a.copy() for n, a in arrays.items()}, best_val_acc=-np.inf if best is None else float(best), **own
    )


def good_state(solver: Solver) -> GoodState:
    """The solver's state now, in copies."""
    from chainrule.solver.checkpoint import training_arrays

    history = solver.history
    return GoodState(
        training_arrays(solver),
        solver.engine.step_number,
        solver.epoch,
        solver.best_val_acc,
        len(history.loss_history),
        len(history.val_acc_history),
        len(history.epochs),
    )


def has_exploded(losses: list[float], epoch_loss: float) -> bool:
    """Whether an epoch with this mean loss is on its way to infinity, though every number of it is finite."""
    return epoch_loss > EXPLODED * max(abs(losses[0]), 1.0)


def depends_on_rate(error: DivergenceError, good: GoodState) -> bool:
    """Whether a lower learning rate could help: not against data, nor against what the good state itself leads to."""
    return error.layer != "the input" and (error.step > good.step_number + 1 or error.tensor.startswith("the updated"))


def is_good(losses: list[float], epoch_loss: float) -> bool:
    """Whether the end of an epoch with this mean loss is worth going back to."""
    return epoch_loss <= losses[0] + abs(losses[0])


def go_back(solver: Solver, good: GoodState) -> None:
    """Bring the solver to a state that `good_state` took of it; its record of returns stays."""
    from chainrule.solver.checkpoint import put_back

    old = solver.history
    solver.history = History(
        old.loss_history[: good.losses],
        old.train_acc_history[: good.accuracies],
        old.val_acc_history[: good.accuracies],
        old.epochs[: good.epochs],
        old.rollbacks,
    )
    solver.epoch, solver.best_val_acc = good.epoch, good.best_val_acc
    put_back(solver, good.arrays, good.step_number)
