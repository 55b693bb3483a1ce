"""From recipes, experiments, runs, solvers and networks to the `Subject` that rules look at."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.data import FACTS, Dataset, NormalizedRows
from chainrule.errors import CheckpointError, ConfigError, DataError, DTypeError, ShapeError, describe
from chainrule.lint.probe import copy_of, is_untrained
from chainrule.lint.subject import Outcome, Part, Subject, Training
from chainrule.network import Network
from chainrule.optim import EpochDecay, UpdateRule
from chainrule.recipes import Experiment, Recipe, build, load_recipe
from chainrule.recipes.experiment import make_network
from chainrule.recipes.run import CHECKPOINT, HISTORY, RECIPE, RESULTS, Run
from chainrule.solver import Callback, EarlyStopping, Epoch, History, KeepLast, Solver, WeightAveraging, load_network
from chainrule.solver.checkpoint import MANIFEST

MAX_JSON_BYTES = 256 << 20


def subject_of(thing: Any, data: Mapping[str, Any] | None, *, static: bool) -> Subject:
    """The subject that `thing` is: see `lint`."""
    if data is not None and not isinstance(thing, Network):
        raise ConfigError(f"lint: data goes with a Network, which has none of its own, got {describe(thing)}")
    if isinstance(thing, (str, os.PathLike)):
        thing = resolve(thing)
    if isinstance(thing, Path):
        return _of_folder(thing, static=static)
    if isinstance(thing, Run):
        return _of_folder(thing.folder, static=static)
    if isinstance(thing, Recipe):
        return of_recipe(thing) if static else of_experiment(_built(thing))
    if isinstance(thing, Experiment):
        return of_recipe(thing.recipe) if static else of_experiment(thing)
    if isinstance(thing, Solver):
        return of_solver(thing)
    if isinstance(thing, Network):
        return of_network(thing, None if static else data)
    if isinstance(thing, Subject):
        return thing
    raise DTypeError(
        "lint: the subject must be a recipe, an Experiment, a run, a Solver, a Network, or the name or path of a "
        f"recipe or a run, got {describe(thing)}"
    )


def resolve(name: str | os.PathLike[str]) -> Recipe | Path:
    """The recipe of that name or path, or the folder of a run or a checkpoint."""
    if not str(name).strip():
        raise ConfigError(f"lint: the subject must be a recipe, a run or a checkpoint, got {str(name)!r}")
    for folder in (Path(name), Path("runs") / name):
        if (folder / RECIPE).is_file() or (folder / MANIFEST).is_file():
            return folder
    if Path(name).is_dir():
        raise ConfigError(f"{name} is neither a run folder nor a checkpoint: it holds no {RECIPE} and no {MANIFEST}")
    return load_recipe(str(name))


def _built(recipe: Recipe) -> Experiment:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of mirrored characters: there is a rule for that
        return build(recipe)


def of_recipe(recipe: Recipe) -> Subject:
    """What the recipe itself says, nothing loaded."""
    known = None if recipe.data.name is None else FACTS.get(recipe.data.name)
    train = recipe.train
    return Subject(
        name=f"recipe {recipe.name}",
        layers=recipe.layers,
        loss=recipe.loss,
        recipe=recipe,
        training=Training(
            recipe.rule,
            EpochDecay(train.lr_decay) if recipe.schedule is None else recipe.schedule,
            train.batch_size,
            train.epochs,
            recipe.model.reg,
            None,
            recipe.augment,
            recipe.early_stopping,
            train.keep if recipe.averaging is None else "average",
        ),
        characters=None if known is None else known.characters,
    )


def of_experiment(experiment: Experiment) -> Subject:
    """The recipe with its data and its network, which may have been trained since."""
    subject, recipe, splits = of_recipe(experiment.recipe), experiment.recipe, experiment.splits
    rng = np.random.RandomState(recipe.seed) if recipe.generator == "legacy" else None
    subject.fresh = make_network(recipe, splits.train.input_shape, rng)
    subject.model = subject.fresh
    if not np.array_equal(subject.fresh.params.flat, experiment.network.params.flat):
        subject.trained = subject.model = experiment.network
    raw: dict[str, Dataset | None] = {"train": splits.train, "val": splits.val, "test": splits.test}
    subject.parts = {
        name: Part(experiment.data[f"X_{name}"], data.y, data.X) for name, data in raw.items() if data is not None
    }
    whole = experiment.source.train
    if whole.has_labels:
        subject.classes, subject.names = whole.classes, whole.class_names
        subject.characters = _are_characters(whole.class_names, subject.characters)
    return subject


def _are_characters(names: Sequence[str] | None, known: bool | None) -> bool | None:
    """Whether classes are letters or digits: as documented, otherwise where every name is one of them."""
    if known is not None or names is None:
        return known
    return all(len(name) == 1 and name.isalnum() for name in names)


def _of_folder(folder: Path, *, static: bool) -> Subject:
    if not (folder / RECIPE).is_file():
        network, _ = load_network(folder)
        return of_network(network, None, f"checkpoint {folder}")
    recipe = load_recipe(folder / RECIPE)
    subject = of_recipe(recipe) if static else of_experiment(_built(recipe))
    subject.name = f"run {folder}"
    if (folder / CHECKPOINT).is_dir() and not static:
        subject.trained, _ = load_network(folder / CHECKPOINT)
        subject.model = subject.trained
    if (folder / HISTORY).is_file():
        subject.history = _history(folder / HISTORY)
    results = _json(folder / RESULTS) if (folder / RESULTS).is_file() else {"status": "unfinished"}
    figures = [_number(results.get(name), math.nan) for name in ("val_accuracy", "val_loss")]
    subject.outcome = Outcome(
        str(results.get("status", "")),
        str(results.get("error", "")),
        *(None if math.isnan(value) else value for value in figures),
    )
    return subject


def _history(path: Path) -> History:
    plain = _json(path)
    try:
        names = ("loss_history", "train_acc_history", "val_acc_history")
        losses, train_acc, val_acc = ([_number(v, math.nan) for v in plain[name]] for name in names)
        epochs = [_epoch(record) for record in plain["epochs"]]
        return History(losses, train_acc, val_acc, epochs)
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not the history of a run: {error}") from None


def _epoch(record: dict[str, Any]) -> Epoch:
    """The record of an epoch; a model without a loss has no validation loss, others one that JSON may write as null."""
    numbers: dict[str, Any] = {name: _number(value, math.nan) for name, value in record.items()}
    return Epoch(**numbers | {"val_loss": record["val_loss"]})


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(f"{path} must have at most {MAX_JSON_BYTES} bytes")
        plain = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(plain, dict):
        raise CheckpointError(f"{path} must hold a table, got {describe(plain)}")
    return plain


def _number(value: Any, otherwise: float) -> float:
    """`value`, or what JSON writes as null: a number that is not finite."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else otherwise


def of_solver(solver: Solver) -> Subject:
    """A solver before or after training; its model may be anything that has `loss` and `params`."""
    model, steps = solver.model, solver.engine.step_number
    network = model if isinstance(model, Network) else None
    rule = solver.update_rule if isinstance(solver.update_rule, UpdateRule) else None
    subject = Subject(
        name="solver",
        training=Training(
            rule,
            solver.schedule,
            solver.batch_size,
            solver.num_epochs,
            float(getattr(model, "reg", 0.0)) if network is not None else 0.0,
            solver.batches,
            () if solver.loader is None else solver.loader.augmentation.transforms,
            next((c for c in solver.callbacks if isinstance(c, EarlyStopping)), None),
            _kept(solver.callbacks),
        ),
        parts={
            "train": Part(solver.X_train, solver.y_train, _raw(solver.X_train)),
            "val": Part(solver.X_val, solver.y_val, _raw(solver.X_val)),
        },
        model=model,
        history=solver.history if steps else None,
    )
    if network is not None:
        subject.layers, subject.loss = network.layers, network.loss_function
        if is_untrained(network):
            subject.fresh = network
        else:
            subject.trained, subject.fresh = network, copy_of(network)
            subject.fresh.initialize()
    if steps:
        val_acc, val_loss = solver.engine.evaluate(solver.X_val, solver.y_val)
        subject.outcome = Outcome("finished", "", val_acc, val_loss)
    return subject


def of_network(network: Network, data: Mapping[str, Any] | None, name: str = "network") -> Subject:
    """A network, with data X_train, y_train, X_val, ... if given."""
    subject = Subject(name=name, layers=network.layers, loss=network.loss_function, model=network)
    if is_untrained(network):
        subject.fresh = network
    else:
        subject.trained = network
    if data is not None:
        subject.parts = _parts(network, data)
    return subject


def _parts(network: Network, data: Any) -> dict[str, Part]:
    if not isinstance(data, Mapping) or not {"X_train", "y_train"} <= set(data):
        got = sorted(map(str, data)) if isinstance(data, Mapping) else describe(data)
        raise ConfigError(f"lint: data must be a dictionary with X_train and y_train (X_val, ...), got {got}")
    parts = {}
    for part in ("train", "val", "test"):
        if f"X_{part}" not in data:
            continue
        if f"y_{part}" not in data:
            raise ConfigError(f"lint: data holds X_{part} and must hold y_{part} too, got {sorted(map(str, data))}")
        X, y = np.asarray(data[f"X_{part}"]), np.asarray(data[f"y_{part}"])
        if X.ndim == 0 or y.ndim == 0 or len(X) != len(y) or len(X) == 0:
            raise ShapeError(
                f"lint: X_{part} and y_{part} must hold the same number (>= 1) of rows, got {X.shape} and {y.shape}"
            )
        for argument, value in (("X", X), ("y", y)):
            if value.dtype.kind not in "fiub":
                raise DTypeError(f"lint: {argument}_{part} must hold numbers, got {describe(value)}")
        if not (np.isfinite(X).all() and np.isfinite(y).all()):
            raise DataError(f"lint: X_{part} and y_{part} must be finite, got NaN or infinity")
        network.as_input(X[:1])
        scores = np.zeros((len(y), *network.output_shape), network.dtype)
        network.loss_function.check_targets(scores, y)
        parts[part] = Part(X, y, X)
    return parts


def _raw(X: Any) -> Array:
    """The rows as they are kept; normalising them all would take memory, and equal rows stay equal without it."""
    return X.X if isinstance(X, NormalizedRows) else np.asarray(X)


def _kept(callbacks: Sequence[Callback]) -> str:
    """Which weights these callbacks leave at the end."""
    if any(isinstance(callback, WeightAveraging) for callback in callbacks):
        return "average"
    return "last" if any(isinstance(callback, KeepLast) for callback in callbacks) else "best"
