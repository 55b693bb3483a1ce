"""Callbacks: what else happens while the solver trains. Each is told of four moments and may set `solver.stop`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ConfigError, DivergenceError, require_choice, require_number
from chainrule.typed import typed

if TYPE_CHECKING:
    from chainrule.solver.history import Epoch, History
    from chainrule.solver.solver import Solver


class Callback:
    """Base of all callbacks; override the moments of interest.

    A callback whose `on_step_end` may be told of several steps at once, which small networks take much faster, says so
    by `every_step = False`.
    """

    every_step: ClassVar[bool] = True
    #: True for what writes the state of training: it is told of every moment after all others have seen it.
    saves: ClassVar[bool] = False

    def on_train_begin(self, solver: Solver) -> None:
        """Before the first step, and before the first after a return to an earlier state."""

    def on_step_end(self, solver: Solver) -> None:
        """After every step, or after several; `solver.loss_history[-1]` is the loss of the last."""

    def on_epoch_end(self, solver: Solver) -> None:
        """After the accuracies of an epoch were measured; `solver.history.epochs[-1]` is its record."""

    def on_divergence(self, solver: Solver, error: DivergenceError) -> None:
        """When a step was refused because a number was not finite; the error is raised afterwards."""

    def on_rollback(self, solver: Solver) -> None:
        """When training went back to an earlier state with a lower learning rate; `solver.history.rollbacks[-1]`.

        What `state` returned at that state has been given back to `load_state`.
        """

    def on_train_end(self, solver: Solver) -> None:
        """After the last step, when the best weights have been put back."""

    def state(self, solver: Solver) -> dict[str, Array]:
        """Arrays that a checkpoint keeps for this callback, by names that no other callback uses."""
        return {}

    def load_state(self, solver: Solver, state: Mapping[str, Array]) -> None:
        """Go on from what `state` returned; called for a callback that has a state, before training goes on."""

    def how_to_go_on(self) -> str:
        """A sentence for whoever stops training with Ctrl-C; nothing where there is nothing to say."""
        return ""


class EarlyStopping(Callback):
    """Stop after `patience` epochs in a row without improvement, and restore the weights of the best one.

    monitor: "val_acc" (higher is better) or "val_loss" (lower is better). min_delta: how much counts as better.
    A resumed run counts on from the epochs in its history; a checkpoint holds the weights of the best one.
    """

    def __init__(
        self, monitor: Literal["val_acc", "val_loss"] = "val_acc", patience: int = 5, min_delta: float = 0.0
    ) -> None:
        require_choice("EarlyStopping", "monitor", monitor, ("val_acc", "val_loss"))
        require_number("EarlyStopping", "patience", patience, integer=True, low=1)
        require_number("EarlyStopping", "min_delta", min_delta, low=0)
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch, self.waited = -math.inf, 0, 0
        self.best_weights: dict[str, Any] | None = None
        self._val_acc = -math.inf  # what the best weights scored
        self._history: History | None = None

    def on_train_begin(self, solver: Solver) -> None:
        """Count again from the epochs that the solver has behind it; stop at once if they say so."""
        known = (self.best_epoch, self.best_weights, self._val_acc) if self._history is solver.history else None
        self._forget()
        self._history = solver.history
        for record in solver.history.epochs:
            self._count(record)
        if known is not None and known[0] == self.best_epoch:
            _, self.best_weights, self._val_acc = known
        elif self.best_epoch and self.monitor == "val_acc":
            self.best_weights, self._val_acc = solver.best_params, solver.best_val_acc
        solver.stop = solver.stop or self.waited >= self.patience

    def on_epoch_end(self, solver: Solver) -> None:
        """Compare, count, and stop."""
        record = solver.history.epochs[-1]
        if self._count(record):
            self.best_weights, self._val_acc = solver.engine.weights(), record.val_acc
        solver.stop = solver.stop or self.waited >= self.patience

    def state(self, solver: Solver) -> dict[str, Array]:
        """The weights of the best epoch, with its number and validation score; number 0 where there is none yet."""
        known = self.best_weights is not None and self._history is solver.history
        weights = self.best_weights if known and self.best_weights is not None else solver.engine.weights()
        return {
            **{f"early_stopping.weights.{name}": np.array(w) for name, w in weights.items()},
            "early_stopping.epoch": np.array(self.best_epoch if known else 0, np.int64),
            "early_stopping.val_acc": np.array(self._val_acc if known else 0.0, np.float64),
        }

    def load_state(self, solver: Solver, state: Mapping[str, Array]) -> None:
        """Know the best weights again; `on_train_begin` counts the epochs in the history."""
        self._forget()
        if epoch := int(state["early_stopping.epoch"]):
            start = "early_stopping.weights."
            self.best_weights = {n.removeprefix(start): np.array(a) for n, a in state.items() if n.startswith(start)}
            self.best_epoch, self._val_acc = epoch, float(state["early_stopping.val_acc"])
            self._history = solver.history

    def _count(self, record: Epoch) -> bool:
        """Whether the epoch is the best so far."""
        value = record.val_acc if self.monitor == "val_acc" else record.val_loss
        if value is None:
            raise ConfigError("EarlyStopping: this model gives no val_loss; monitor 'val_acc' instead")
        value = value if self.monitor == "val_acc" else -value
        better = value > self.best + self.min_delta
        if better:
            self.best, self.best_epoch, self.waited = value, record.epoch, 0
        else:
            self.waited += 1
        return better

    def on_train_end(self, solver: Solver) -> None:
        """Put the weights of the best epoch back; they become the solver's best."""
        if self.best_weights is not None:
            solver.engine.load_weights(self.best_weights)
            solver.best_params, solver.best_val_acc = self.best_weights, self._val_acc


class KeepLast(Callback):
    """Leave the weights of the last epoch where the solver would put the most accurate ones back.

    For what is asked of the training rows alone, such as the memory of fifty images.
    """

    _history: History | None = None

    def on_train_begin(self, solver: Solver) -> None:
        """Start from the weights as they are, or as they were at the end of the last epoch of a resumed run."""
        if self._history is not solver.history:
            self._note(solver, solver.best_val_acc)

    def on_epoch_end(self, solver: Solver) -> None:
        """Note the weights and their validation score."""
        self._note(solver, solver.history.epochs[-1].val_acc)

    def _note(self, solver: Solver, val_acc: float) -> None:
        self.weights, self.val_acc, self._history = solver.engine.weights(), val_acc, solver.history

    def state(self, solver: Solver) -> dict[str, Array]:
        """The weights of the last epoch and their score."""
        if self._history is not solver.history:
            self._note(solver, solver.best_val_acc)
        weights = {f"keep_last.weights.{name}": np.array(w) for name, w in self.weights.items()}
        return {**weights, "keep_last.val_acc": np.array(self.val_acc, np.float64)}

    def load_state(self, solver: Solver, state: Mapping[str, Array]) -> None:
        """Know them again."""
        start = "keep_last.weights."
        self.weights = {n.removeprefix(start): np.array(a) for n, a in state.items() if n.startswith(start)}
        self.val_acc, self._history = float(state["keep_last.val_acc"]), solver.history

    def on_train_end(self, solver: Solver) -> None:
        """Put them back; they count as the solver's best."""
        solver.engine.load_weights(self.weights)
        solver.best_params, solver.best_val_acc = self.weights, self.val_acc


class Checkpoints(Callback):
    """Write a checkpoint every `every` epochs into `folder`/epoch_N, keeping the last `keep`."""

    saves = True

    @typed
    def __init__(self, folder: str | Path, every: int = 1, keep: int = 2) -> None:
        require_number("Checkpoints", "every", every, integer=True, low=1)
        require_number("Checkpoints", "keep", keep, integer=True, low=1)
        self.folder, self.every, self.keep = Path(folder), every, keep

    def on_epoch_end(self, solver: Solver) -> None:
        """Write, then remove what is older than the last `keep`."""
        from chainrule.solver.checkpoint import remove_checkpoint

        epoch = solver.epoch
        if epoch % self.every:
            return
        solver.save_checkpoint(f"{self.folder}/epoch_{epoch}")
        remove_checkpoint(f"{self.folder}/epoch_{epoch - self.every * self.keep}")
