"""Ensembles of runs: which run folders a path stands for, the rows they are compared on, and training their members."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chainrule.data import Dataset, Source
from chainrule.ensembles.ensemble import Ensemble, Member
from chainrule.ensembles.views import Views
from chainrule.errors import ConfigError, require_number, require_some
from chainrule.recipes.experiment import build, load_splits, open_source, test_part
from chainrule.recipes.recipe import Recipe
from chainrule.recipes.run import RECIPE, Run, finish, load_run, new_run_folder
from chainrule.recipes.run import train as run_training
from chainrule.solver import Callback, load_network
from chainrule.typed import typed

SNAPSHOTS = "snapshots"

#: Entries of [data] that say what rows look like, and those that say which rows are in a part that is split off.
_ROWS = ("name", "folder", "resize", "channels", "on_bad", "prepare")
_SPLIT = ("split", "train", "val", "test", "seed")


@typed
def load_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs that `paths` stand for: a run folder, one with snapshots for these, a folder of runs for all in it."""
    return [run for path in paths for run in _expanded(path)]


@typed
def ensemble_of(runs: Sequence[Run], *, votes: bool = False, views: Sequence[Views] = ()) -> Ensemble:
    """The ensemble of `runs`; it takes inputs as they come from the data set, and normalises them as each run did."""
    for run in runs[1:]:
        if run.extra.class_names != runs[0].extra.class_names:
            raise ConfigError(f"runs must have the same classes, got those of {runs[0].folder} and {run.folder}")
    return Ensemble([Member(run.network, run.normalizer) for run in runs], votes=votes, views=views)


@typed
def shared_test_part(runs: Sequence[Run]) -> tuple[str, Dataset]:
    """The part that figures are reported on ("test", or "val" where there is none), and its rows.

    Raises `ConfigError` naming the entry of [data] by which the runs' rows would differ.
    """
    require_some("shared_test_part", "runs", runs, "run")
    first = without_bootstrap(runs[0].recipe)
    source, splits = load_splits(first)
    part, rows = test_part(splits)
    own = getattr(source, part) is not None  # then the split has no say in it
    for run in runs[1:]:
        _require_same(runs[0], run, _ROWS if own else (*_ROWS, *_SPLIT), f"{part} rows")
    return part, rows


def shared_training_rows(runs: Sequence[Run]) -> Dataset:
    """The training rows that the runs' bootstrap samples were drawn from."""
    for run in runs[1:]:
        _require_same(runs[0], run, (*_ROWS, *_SPLIT), "training rows")
    return load_splits(without_bootstrap(runs[0].recipe))[1].train


def without_bootstrap(recipe: Recipe) -> Recipe:
    """The recipe on all its training rows."""
    return replace(recipe, data=replace(recipe.data, bootstrap=None))


@typed
def train_members(
    recipe: Recipe,
    count: int,
    folder: Path,
    *,
    bootstrap: bool = False,
    engine: str = "auto",
    callbacks: Sequence[Callback] = (),
    status: Callable[[], str] = lambda: "finished",
) -> Iterator[dict[str, Any]]:
    """Train `count` runs into `folder`/1, 2, ..., with the recipe's seed and those after it, and yield their results.

    bootstrap: each on a bootstrap sample of its own, drawn by the same seed. status: what to write into the results
    of a run that ended; after another than "finished" no more are trained.
    """
    require_number("train_members", "count", count, integer=True, low=1)
    source = open_source(recipe)  # once for all members
    for i in range(count):
        seed = recipe.seed + i
        data = replace(recipe.data, bootstrap=seed) if bootstrap else recipe.data
        chosen = replace(recipe, seed=seed, data=data).check(f"recipe {recipe.name} with seed={seed}")
        place = folder / str(i + 1)
        results = train_run(chosen, place, source, engine=engine, callbacks=callbacks, status=status)
        yield results
        if results["status"] != "finished":
            return


def train_run(
    recipe: Recipe,
    folder: Path,
    source: Source | None = None,
    *,
    engine: str,
    callbacks: Sequence[Callback],
    status: Callable[[], str],
) -> dict[str, Any]:
    """Train a recipe into a run folder and return the results, as `chainrule train` does; source: its data, opened."""
    experiment = build(recipe, source)
    solver = experiment.solver(callbacks, engine)
    new_run_folder(recipe, folder)
    started = time.perf_counter()
    run_training(experiment, solver, folder)
    return finish(experiment, folder, solver, seconds=time.perf_counter() - started, status=status())


def _expanded(path: str | Path) -> list[Run]:
    folder = Path(path)
    if not folder.is_dir() and (Path("runs") / folder).is_dir():
        folder = Path("runs") / folder
    inner = [] if (folder / RECIPE).is_file() or not folder.is_dir() else list(folder.iterdir())
    members = sorted((p for p in inner if (p / RECIPE).is_file()), key=_natural)
    if members:
        return [run for member in members for run in _expanded(member)]
    run = load_run(path)
    kept = run.folder / SNAPSHOTS
    snapshots = sorted((p for p in kept.iterdir() if p.is_dir()), key=_natural) if kept.is_dir() else []
    return [dataclasses.replace(run, folder=p, network=load_network(p)[0]) for p in snapshots] if snapshots else [run]


def _natural(path: Path) -> list[Any]:
    """A key that puts 2 before 10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in re.split(r"(\d+)", path.name)]


def _require_same(first: Run, other: Run, entries: Sequence[str], what: str) -> None:
    for entry in entries:
        ours, theirs = getattr(first.recipe.data, entry), getattr(other.recipe.data, entry)
        if ours != theirs:
            raise ConfigError(
                f"runs must share their {what}: data.{entry} is {ours!r} in {first.folder}, {theirs!r} in "
                f"{other.folder}"
            )
