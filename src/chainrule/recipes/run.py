"""A training run and its folder: what is written where, and how it is read back.

    recipe.toml       the recipe as it was run, with the defaults of its own entries written out (those of a layer,
                      a loss, a schedule and an update rule are left to the package)
    history.json      the loss of every step, the scores of every epoch
    provenance.json   versions, processor, engine, SHA-256 of the data
    checkpoint/       the best weights, their score and epoch; the normaliser and the class names in its `extra`
    training/         the last checkpoints to go on from, while it trains and after a stop
    results.json      figures on all three parts, time, versions; the files of the data set that were left out
    curves.png        learning curves
    confusion.png     the confusion matrix on the test rows (for classes)

The folder is made when training starts and never written into by another run. History and checkpoint are written
during training too, so that a run that was killed can be evaluated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import platform
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import chainrule
from chainrule.arrays import Array
from chainrule.data import NormalizedRows, Normalizer
from chainrule.errors import (
    ChainruleError,
    CheckpointError,
    ConfigError,
    DivergenceError,
    WriteError,
    reason,
    unknown,
)
from chainrule.files import LOCK, is_temporary, locked, make_folder, remove_folder, remove_leftovers, write_atomically
from chainrule.network import Network
from chainrule.recipes.experiment import Experiment, test_part
from chainrule.recipes.provenance import compare, provenance
from chainrule.recipes.reading import load_recipe
from chainrule.recipes.recipe import Recipe, to_toml
from chainrule.recipes.sums import write_with_sums
from chainrule.report.metrics import class_table, confusion_matrix
from chainrule.solver import Callback, Solver
from chainrule.solver.checkpoint import network_of, remove_checkpoint, save_checkpoint
from chainrule.solver.plain import read_object
from chainrule.solver.resumption import TrainingCheckpoints, checkpoints, resume_training
from chainrule.solver.solver import PROMPT_SECONDS
from chainrule.solver.stored import MANIFEST, open_checkpoint

RECIPE, HISTORY, CHECKPOINT, RESULTS = "recipe.toml", "history.json", "checkpoint", "results.json"
PROVENANCE, TRAINING = "provenance.json", "training"
FIGURES = CURVES, CONFUSION = "curves.png", "confusion.png"
USUALLY_KEPT = 2  # checkpoints to go on from
#: The files whose sums the results hold; those of a checkpoint stand in its manifest.
SUMMED = (RECIPE, HISTORY, PROVENANCE, f"{CHECKPOINT}/{MANIFEST}", *FIGURES)
SECONDS_BETWEEN_WRITES = 5.0  # during training; small networks need far less than that for an epoch


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a checkpoint holds beside the network: all that a new image needs on its way in and out."""

    mean: Any  # of the normaliser, as nested lists of numbers
    scale: Any
    class_names: list[str] | None
    input_scale: float | None  # the highest value a raw input can have


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run, read back."""

    folder: Path
    recipe: Recipe
    network: Network
    extra: Extra

    @property
    def normalizer(self) -> Normalizer:
        """The normaliser of the network's inputs, fitted on its training rows."""
        return Normalizer(np.asarray(self.extra.mean), np.asarray(self.extra.scale))

    def normalize(self, X: Array) -> Array:
        """Raw inputs as the network was trained on them."""
        return self.normalizer.apply(X, self.network.dtype)

    def rows(self, X: Array) -> NormalizedRows:
        """Raw inputs that are normalised when they are taken, for a set that would not fit as floats."""
        return NormalizedRows(X, self.normalizer, self.network.dtype)


class Snapshots(Callback):
    """Writes history and best weights into a run's folder while it trains, each write all or nothing."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment, self.folder = experiment, folder
        self._written = -math.inf
        self._best: dict[str, Array] | None = None  # the weights on disk

    def on_epoch_end(self, solver: Solver) -> None:
        """Write both, unless the last write is only seconds ago."""
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self.write(solver)

    def on_rollback(self, solver: Solver) -> None:
        """Forget what was reached in the epochs that are taken back."""
        self.write(solver)

    def write(self, solver: Solver) -> None:
        """The best weights if they are new, then the history: at no moment it tells of an epoch better than they."""
        if np.isneginf(solver.best_val_acc):  # nothing was measured, or training went back to where nothing was
            remove_checkpoint(self.folder / CHECKPOINT)
        elif solver.best_params is not self._best:
            save_best(self.experiment, self.folder, solver.best_params, solver)
        self._best = solver.best_params
        _write_json(self.folder / HISTORY, solver.history.to_dict())
        self._written = time.monotonic()


def save_best(experiment: Experiment, folder: Path, weights: Mapping[str, Array], solver: Solver) -> None:
    """Write `weights`, with their validation score and the epoch they are of, as the run's best ones."""
    scores = solver.val_acc_history
    best = {
        "val_acc": solver.best_val_acc if math.isfinite(solver.best_val_acc) else None,
        "epoch": scores.index(solver.best_val_acc) if solver.best_val_acc in scores else None,  # 0: of the first step
    }
    state = {"network": experiment.network.config(), "extra": _extra(experiment), "best": best}
    save_checkpoint(folder / CHECKPOINT, weights, state)


def train(
    experiment: Experiment, solver: Solver, folder: Path, *, resume: bool = False, seconds_between: float = 30.0
) -> list[str]:
    """Train, and leave recipe, history and checkpoints in `folder`, which must exist; also where training fails.

    resume: go on from the newest whole checkpoint in it, from the beginning where none was written yet. Returns what a
    user should know: newer checkpoints that are damaged, and what has changed since and may change bits.
    seconds_between: checkpoints. Raises `WriteError` or `CheckpointError` where something cannot be written; what lies
    in `folder` is whole then, and training can go on from it.
    """
    make_folder(folder / TRAINING)
    with locked(folder / TRAINING / LOCK) as alone:
        if not alone:
            raise ConfigError(f"{folder} is in use: another process trains in it")
        remove_leftovers(folder, (RECIPE, HISTORY, PROVENANCE, CHECKPOINT, RESULTS, *FIGURES))
        write_atomically(folder / RECIPE, to_toml(experiment.recipe))
        store, now = folder / TRAINING, provenance(experiment, solver)
        notes = _go_on(folder, solver, now) if resume else []
        (folder / RESULTS).unlink(missing_ok=True)  # of the stop before this: no longer so from here on
        _write_json(folder / PROVENANCE, now)
        kept = experiment.recipe.train.keep_checkpoints
        snapshots = Snapshots(experiment, folder)
        added = [snapshots, TrainingCheckpoints(store, seconds_between, USUALLY_KEPT if kept is None else kept)]
        solver.callbacks += added
        try:
            solver.train()
        except BaseException as error:
            with contextlib.suppress(WriteError, CheckpointError):  # what went wrong first is what is told
                if isinstance(error, ChainruleError):
                    status = "diverged" if isinstance(error, DivergenceError) else "failed"
                    told = {"status": status, "recipe": experiment.recipe.name, "error": str(error)}
                    _write_json(folder / RESULTS, told)
                snapshots.write(solver)
            raise
        finally:
            for callback in added:
                solver.callbacks.remove(callback)
        snapshots.write(solver)
    return notes


def _go_on(folder: Path, solver: Solver, now: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    if (folder / PROVENANCE).is_file():
        notes = compare(_read_json(folder / PROVENANCE), now)
    if not checkpoints(folder / TRAINING):
        return [*notes, "the run was stopped before its first checkpoint: it was trained from the beginning"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # another engine: told by `compare`
        resumption = resume_training(folder / TRAINING, solver)
    return [*(f"damaged, the checkpoint before is used: {d}" for d in resumption.damaged), *notes]


def resumable(path: str | Path) -> tuple[Path, Recipe]:
    """The folder and the recipe of a run that was stopped; `ConfigError` where there is nothing to go on with.

    A run that was killed before its first checkpoint goes on from its beginning.
    """
    folder = run_folder(path)
    recipe = load_recipe(folder / RECIPE)
    status = _read_json(folder / RESULTS).get("status") if (folder / RESULTS).is_file() else None
    if status == "finished":
        if recipe.train.keep_checkpoints is None:  # where the run was killed just before it did so itself
            remove_folder(folder / TRAINING)
        raise ConfigError(f"{folder} is finished; there is nothing to resume")
    begun = (folder / TRAINING).is_dir() and status in (None, "failed")
    if not checkpoints(folder / TRAINING) and not begun:
        raise ConfigError(f"{folder} holds no {TRAINING} checkpoint, and was not stopped before the first was written")
    return folder, recipe


def finish(
    experiment: Experiment,
    folder: Path,
    solver: Solver,
    *,
    seconds: float,
    status: str,
    figures: bool = True,
    prompt: bool = False,
) -> dict[str, Any]:
    """Evaluate the best weights on every part and write the rest of the run folder; returns the results.

    figures: curves.png and confusion.png. prompt: somebody waits for the end; no figures, and no evaluation that would
    take long. A run that was interrupted is always ended so.
    """
    from chainrule.report.plots import confusion_figure, curves_figure, save_figure

    recipe = experiment.recipe
    save_best(experiment, folder, solver.engine.weights(), solver)
    parts = [part for part in ("train", "val", "test") if f"X_{part}" in experiment.data]
    count = sum(len(experiment.data[f"y_{part}"]) for part in parts)
    prompt = prompt or status == "interrupted"
    brief = prompt and count * solver.seconds_per_row > PROMPT_SECONDS
    results: dict[str, Any] = {
        "run": str(folder),
        "recipe": recipe.name,
        "status": status,
        "seed": recipe.seed,
        "reported": {k: v for k, v in msgspec.to_builtins(recipe.reported).items() if v is not None},
        "rollbacks": [dataclasses.asdict(rollback) for rollback in solver.history.rollbacks],
        "skipped_files": [entry._asdict() for entry in experiment.source.skipped],
    }
    for part in () if brief else parts:
        score, loss = solver.engine.evaluate(experiment.data[f"X_{part}"], experiment.data[f"y_{part}"])
        results |= {f"{part}_accuracy": score, f"{part}_loss": loss}
    epochs = solver.history.epochs
    trained = sum(e.examples_per_second * e.seconds for e in epochs)
    training_seconds = sum(e.seconds for e in epochs)
    results |= {
        "seconds": seconds,
        "images_per_second": trained / training_seconds if training_seconds > 0 else None,
        "epochs": len(epochs),
        "steps": len(solver.loss_history),
        "parameters": int(experiment.network.params.flat.size),
        "engine": type(solver.engine).__name__,
        "versions": {
            "chainrule": chainrule.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    figures = figures and not prompt
    if figures:
        save_figure(curves_figure(solver.history, recipe.title), folder / CURVES)
    names = class_names(experiment)
    if names is not None and not brief:
        part, rows = test_part(experiment.splits)
        y, scores = rows.y, solver.engine.predict(experiment.data[f"X_{part}"])
        predicted = experiment.network.loss_function.predict(scores)
        results["classes"] = [row._asdict() for row in class_table(y, predicted, names)]
        if figures:
            matrix = confusion_matrix(y, predicted, len(names))
            save_figure(confusion_figure(matrix, names, f"{recipe.title}: {part} set"), folder / CONFUSION)
    write_with_sums(folder / RESULTS, _finite(results), SUMMED)
    if status == "finished" and recipe.train.keep_checkpoints is None:
        remove_folder(folder / TRAINING)  # only now: a run that is killed before goes on from there
    return results


def _extra(experiment: Experiment) -> dict[str, Any]:
    """The `Extra` of a run as plain data."""
    extra = Extra(
        mean=experiment.normalizer.mean.tolist(),
        scale=experiment.normalizer.scale.tolist(),
        class_names=class_names(experiment),
        input_scale=experiment.source.scale,
    )
    plain: dict[str, Any] = msgspec.to_builtins(extra)
    return plain


def class_names(experiment: Experiment) -> list[str] | None:
    """The names of the classes, their numbers where they have none; None for a regression."""
    train = experiment.splits.train
    if not train.has_labels:
        return None
    return [str(i) for i in range(train.classes)] if train.class_names is None else list(train.class_names)


def load_run(path: str | Path) -> Run:
    """The run in the folder `path`, or of that name in `runs`.

    Raises `ConfigError` where there is none, `CheckpointError` where it is not complete.
    """
    folder = run_folder(path)
    recipe = load_recipe(folder / RECIPE)
    if not (folder / CHECKPOINT).is_dir():
        raise CheckpointError(f"{folder} holds no {CHECKPOINT}: its training diverged or has not ended")
    stored = open_checkpoint(folder / CHECKPOINT)
    try:
        msgspec.convert(stored.state.get("extra"), Extra, strict=True)  # before memory is taken for the network
        network, extra = network_of(stored)
        run = Run(folder, recipe, network, msgspec.convert(extra, Extra, strict=True))
        run.normalizer.require_shape((1, *network.input_shape))
    except CheckpointError:
        raise
    except (msgspec.ValidationError, ChainruleError) as error:
        raise CheckpointError(f"{folder / CHECKPOINT}: not the checkpoint of a run: {error}") from None
    return run


def run_folder(path: str | Path) -> Path:
    """The folder of the run at `path`, or of that name in `runs`; `ConfigError` where there is none."""
    if not isinstance(path, (str, os.PathLike)) or not str(path).strip():
        raise ConfigError(f"the run must be a folder or a name in runs/, got {path!r}")
    folder = Path(path)
    if not folder.is_dir() and (Path("runs") / folder).is_dir():
        folder = Path("runs") / folder
    if not folder.is_dir():
        siblings = {
            p.name for parent in (folder.parent, Path("runs")) for p in _subfolders(parent) if (p / RECIPE).is_file()
        }
        raise unknown("run folder", str(path), siblings) if siblings else ConfigError(f"no run folder {str(path)!r}")
    if not (folder / RECIPE).is_file():
        raise ConfigError(f"{folder} is not a run folder: it holds no {RECIPE}")
    return folder


def new_run_folder(recipe: Recipe, out: str | Path | None) -> Path:
    """Make and return the folder of a new run: `out`, or the first free runs/<recipe>-<n>. An old run is never used."""
    try:
        if out is not None:
            folder = Path(out)
            folder.mkdir(parents=True, exist_ok=True)
            if _holds_something(folder):
                raise ConfigError(f"{folder} is not empty; a run is never written over, name another folder")
            return folder
        n = 1 + max((_number(p.name, recipe.name) for p in _subfolders(Path("runs"))), default=0)
        while True:
            folder = Path("runs") / f"{recipe.name}-{n}"
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:  # another process was faster
                n += 1
    except OSError as error:
        where = Path("runs") if out is None else out
        raise ConfigError(f"the run folder {where} could not be made: {reason(error)}") from None


def _holds_something(folder: Path) -> bool:
    """Whether there is more in a folder than what a run leaves that is killed before it has written its recipe."""
    others = [p for p in folder.iterdir() if p.name != TRAINING and not is_temporary(p.name)]
    training = folder / TRAINING
    return bool(others) or (training.exists() and any(p.name != LOCK for p in training.iterdir()))


def plain_json(value: Any) -> str:
    """`value` as one line of JSON, without the NaN and Infinity that JSON does not have."""
    return json.dumps(_finite(value), allow_nan=False, ensure_ascii=False)


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(_finite(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    return read_object(path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _subfolders(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."] if folder.is_dir() else []


def _number(name: str, recipe: str) -> int:
    number = name.removeprefix(f"{recipe}-")
    return int(number) if number != name and number.isdecimal() else 0
