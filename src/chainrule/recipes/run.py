"""A training run and its folder: what is written where, and how it is read back.

    recipe.toml       the recipe as it was run, with the defaults of its own entries written out (those of a layer,
                      a loss, a schedule and an update rule are left to the package)
    history.json      the loss of every step, the scores of every epoch
    checkpoint/       the best weights; the normaliser and the class names in its `extra`
    results.json      figures on all three parts, time, versions; the files of the data set that were left out
    curves.png        learning curves
    confusion.png     the confusion matrix on the test rows (for classes)

The folder is made when training starts and never written into by another run. History and checkpoint are written
during training too, so that a run that was killed can be evaluated.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import chainrule
from chainrule.arrays import Array
from chainrule.data import NormalizedRows, Normalizer
from chainrule.errors import ChainruleError, CheckpointError, ConfigError, DivergenceError, unknown
from chainrule.files import write_atomically
from chainrule.network import Network
from chainrule.recipes.experiment import Experiment, test_part
from chainrule.recipes.reading import load_recipe
from chainrule.recipes.recipe import Recipe, to_toml
from chainrule.report.metrics import class_table, confusion_matrix
from chainrule.solver import Callback, Solver, load_network, save_network
from chainrule.solver.checkpoint import save_checkpoint

RECIPE, HISTORY, CHECKPOINT, RESULTS = "recipe.toml", "history.json", "checkpoint", "results.json"
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
        self._written, self._best = -math.inf, -math.inf  # when, and the validation score of the weights on disk

    def on_epoch_end(self, solver: Solver) -> None:
        """Write the history, and the best weights if they are new, unless the last write is only seconds ago."""
        if time.monotonic() - self._written < SECONDS_BETWEEN_WRITES:
            return
        _write_json(self.folder / HISTORY, solver.history.to_dict())
        if solver.best_val_acc > self._best:
            state = {"network": self.experiment.network.config(), "extra": _extra(self.experiment)}
            save_checkpoint(self.folder / CHECKPOINT, solver.best_params, state)
            self._best = solver.best_val_acc
        self._written = time.monotonic()


def train(experiment: Experiment, solver: Solver, folder: Path) -> None:
    """Train, and leave recipe and history in `folder`, which must exist; also where training diverges or fails."""
    write_atomically(folder / RECIPE, to_toml(experiment.recipe))
    snapshots = Snapshots(experiment, folder)
    solver.callbacks.append(snapshots)
    try:
        solver.train()
    except ChainruleError as error:
        status = "diverged" if isinstance(error, DivergenceError) else "failed"
        _write_json(folder / RESULTS, {"status": status, "recipe": experiment.recipe.name, "error": str(error)})
        raise
    finally:
        solver.callbacks.remove(snapshots)
        _write_json(folder / HISTORY, solver.history.to_dict())


def finish(
    experiment: Experiment, folder: Path, solver: Solver, *, seconds: float, status: str, figures: bool = True
) -> dict[str, Any]:
    """Evaluate the best weights on every part and write the rest of the run folder; returns the results.

    `figures` are curves.png and confusion.png.
    """
    from chainrule.report.plots import confusion_figure, curves_figure, save_figure

    recipe = experiment.recipe
    save_network(folder / CHECKPOINT, experiment.network, _extra(experiment))
    results: dict[str, Any] = {
        "run": str(folder),
        "recipe": recipe.name,
        "status": status,
        "seed": recipe.seed,
        "reported": {k: v for k, v in msgspec.to_builtins(recipe.reported).items() if v is not None},
        "skipped_files": [entry._asdict() for entry in experiment.source.skipped],
    }
    for part in ("train", "val", "test"):
        if f"X_{part}" in experiment.data:
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
    if figures:
        save_figure(curves_figure(solver.history, recipe.title), folder / "curves.png")
    names = class_names(experiment)
    if names is not None:
        part, rows = test_part(experiment.splits)
        y, predicted = rows.y, experiment.network.predict(experiment.data[f"X_{part}"])
        results["classes"] = [row._asdict() for row in class_table(y, predicted, names)]
        if figures:
            matrix = confusion_matrix(y, predicted, len(names))
            save_figure(confusion_figure(matrix, names, f"{recipe.title}: {part} set"), folder / "confusion.png")
    _write_json(folder / RESULTS, results)
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
    recipe = load_recipe(folder / RECIPE)
    if not (folder / CHECKPOINT).is_dir():
        raise CheckpointError(f"{folder} holds no {CHECKPOINT}: its training diverged or has not ended")
    network, extra = load_network(folder / CHECKPOINT)
    try:
        return Run(folder, recipe, network, msgspec.convert(extra, Extra, strict=True))
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{folder / CHECKPOINT}: not the checkpoint of a run: {error}") from None


def new_run_folder(recipe: Recipe, out: str | Path | None) -> Path:
    """Make and return the folder of a new run: `out`, or the first free runs/<recipe>-<n>. An old run is never used."""
    try:
        if out is not None:
            folder = Path(out)
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
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
        raise ConfigError(f"run folder cannot be made: {error}") from None


def plain_json(value: Any) -> str:
    """`value` as one line of JSON, without the NaN and Infinity that JSON does not have."""
    return json.dumps(_finite(value), allow_nan=False, ensure_ascii=False)


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(_finite(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


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
