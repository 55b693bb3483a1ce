"""Checkpoints that a run leaves while it trains, and going on from the newest that is whole.

    <folder>/step-000000001234/    a checkpoint of everything training needs, as `save_training` writes it

One is written when `seconds` have passed since the last, in the middle of an epoch too, and at once where training is
asked to stop. The last `keep` stay, so that a damaged one costs some seconds of training and not the run. Batches,
masks and augmentation are functions of (seed, step), so a run that goes on from any of them takes the steps that the
unbroken one would have taken, to the same bits.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.engines.finite import first_nonfinite
from chainrule.errors import CheckpointError, ConfigError, DivergenceError, reason, require_number
from chainrule.files import remove_leftovers
from chainrule.solver.callbacks import Callback
from chainrule.solver.checkpoint import load_training, remove_checkpoint, save_training
from chainrule.typed import typed

if TYPE_CHECKING:
    from chainrule.solver.solver import Solver

_PREFIX = "step-"


class TrainingCheckpoints(Callback):
    """Writes checkpoints into `folder`: one every `seconds` of training and one at a stop; the last `keep` stay."""

    every_step = False
    saves = True

    @typed
    def __init__(self, folder: str | Path, seconds: float = 30.0, keep: int = 2) -> None:
        require_number("TrainingCheckpoints", "seconds", seconds, low=0)
        require_number("TrainingCheckpoints", "keep", keep, integer=True, low=1)
        self.folder, self.seconds, self.keep = Path(folder), seconds, keep
        self._written = time.monotonic()

    def on_train_begin(self, solver: Solver) -> None:
        """Clear what a killed run left half-written; see that there is room for what will be written."""
        remove_leftovers(self.folder)
        _require_room(self.folder, solver, self.keep + 1)
        self._written = time.monotonic()

    def on_step_end(self, solver: Solver) -> None:
        """Within an epoch: what broken-off epochs are measured as is not written, as they will be finished."""
        if not _epoch_is_whole(solver):
            self._write(solver)

    def on_epoch_end(self, solver: Solver) -> None:
        """At its end, when the scores are known."""
        if _epoch_is_whole(solver):
            self._write(solver)

    def how_to_go_on(self) -> str:
        """How another process does."""
        return f"elsewhere resume_training({str(self.folder)!r}, solver) goes on from the checkpoint written now"

    def on_rollback(self, solver: Solver) -> None:
        """At once; those of steps that are taken back go, after it is written."""
        path = self._save(solver)
        for newer in [c for c in checkpoints(self.folder) if c.name > path.name]:
            remove_checkpoint(newer)
        self._prune()

    def on_divergence(self, solver: Solver, error: DivergenceError) -> None:
        """The state before the step that was refused, if there is no earlier one and it was measured as far as it goes.

        An earlier one is the better to go on from: this one may lead to no finite step at any learning rate.
        """
        measured = 1 + solver.engine.step_number // solver.batches.steps_per_epoch if solver.engine.step_number else 0
        whole = first_nonfinite(solver.engine) is None and len(solver.val_acc_history) == measured
        if whole and not checkpoints(self.folder):
            self._save(solver)

    def _write(self, solver: Solver) -> None:
        if solver.stop or time.monotonic() - self._written >= self.seconds:
            self._save(solver)
            self._prune()

    def _save(self, solver: Solver) -> Path:
        path = self.folder / f"{_PREFIX}{solver.engine.step_number:012d}"
        save_training(path, solver)
        self._written = time.monotonic()
        return path

    def _prune(self) -> None:
        for old in checkpoints(self.folder)[self.keep :]:
            remove_checkpoint(old)


def _epoch_is_whole(solver: Solver) -> bool:
    return solver.engine.step_number % solver.batches.steps_per_epoch == 0


@dataclass(frozen=True)
class Resumption:
    """From where training goes on: the checkpoint, its step, and what is wrong with newer ones, if anything."""

    folder: Path
    step: int
    damaged: tuple[str, ...]


@typed
def resume_training(folder: str | Path, solver: Solver) -> Resumption:
    """Bring `solver` to the newest whole checkpoint in `folder`; `CheckpointError` where there is none."""
    found = checkpoints(folder)
    if not found:
        raise CheckpointError(f"{folder} holds no checkpoint of a training run")
    damaged: list[str] = []
    for path in found:
        try:
            load_training(path, solver)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        return Resumption(path, solver.engine.step_number, tuple(damaged))
    raise CheckpointError(f"no checkpoint in {folder} can be used: {'; '.join(damaged)}")


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints of a run, the newest first."""
    folder = Path(folder)
    names = folder.iterdir() if folder.is_dir() else ()
    return sorted((p for p in names if p.is_dir() and p.name.removeprefix(_PREFIX).isdecimal()), reverse=True)


def _require_room(folder: Path, solver: Solver, count: int) -> None:
    """Raise unless the disk has room for `count` checkpoints, before time is spent on training."""
    arrays = [*solver.engine.state().values(), *solver.best_params.values()]
    arrays += [a for callback in solver.callbacks for a in callback.state(solver).values()]
    needed = count * (sum(a.nbytes for a in arrays) + (1 << 20))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigError(f"checkpoints cannot be written to {folder}: {reason(error)}") from None
    if free < needed:
        raise ConfigError(
            f"{folder} needs room for {count} checkpoints, {needed / 1e6:,.0f} MB, got {free / 1e6:,.0f} MB"
        )
