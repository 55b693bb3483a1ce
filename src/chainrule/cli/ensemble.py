"""`chainrule ensemble`: several runs as one, beside its members."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter
from msgspec.structs import replace

from chainrule.cli import OK
from chainrule.cli.interruption import Interruption
from chainrule.cli.options import Integer, Overrides, given
from chainrule.ensembles import ensemble_of, load_runs, parse_views, shared_test_part, train_members, train_snapshots
from chainrule.errors import ConfigError
from chainrule.files import write_atomically
from chainrule.recipes import Recipe, apply_overrides, load_recipe
from chainrule.recipes.run import Run, new_run_folder, plain_json
from chainrule.report.progress import Progress
from chainrule.report.tables import console, text_table
from chainrule.solver import Callback

MEMBERS = 5

app = App(
    name="ensemble",
    help_epilogue="""Examples:
  chainrule ensemble runs/mnist-mlp-600-1 runs/mnist-mlp-600-2
  chainrule ensemble --train digits-mlp --members 5
  chainrule ensemble --train mnist-mlp-600 --snapshots 5
  chainrule ensemble runs/digits-mlp-ensemble-1 --votes

A folder of runs stands for all runs in it, a run with snapshots for these.
The runs must share their test rows. The standard error is that of the mean
of differences, ensemble minus mean of the members, over the test rows.""",
)


@app.default
def ensemble(
    *runs: str,
    train: str | None = None,
    members: Integer = None,
    snapshots: Integer = None,
    votes: Annotated[bool, Parameter(negative="")] = False,
    tta: str | None = None,
    overrides: Overrides = None,
    epochs: Integer = None,
    seed: Integer = None,
    out: str | None = None,
    engine: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Evaluate several runs as one, beside its members.

    Parameters
    ----------
    runs
        Run folders, or their names in runs/.
    train
        Train the members first: a recipe's name, or the path of a recipe file.
    members
        How many to train, with different seeds; 5 if not given.
    snapshots
        Train one run of so many cycles instead; its weights at their ends are the members.
    votes
        Count the members' decisions in place of averaging their probabilities.
    tta
        Views of each image to average over, as in evaluate.
    overrides
        With --train, entries of the recipe to replace, as KEY=VALUE; may be repeated.
    epochs
        With --train, short for --set train.epochs=N.
    seed
        With --train, the first member's seed; short for --set seed=N.
    out
        With --train, the folder to make; runs/RECIPE-ensemble-N if not given.
    engine
        With --train, what runs the networks.
    json
        Print one JSON object instead of a table.
    quiet
        Show neither progress nor tables.
    """
    views = () if tta is None else parse_views(tta)
    folder: Path | None = None
    status = OK
    if train is None:
        chosen = {"members": members, "snapshots": snapshots, "epochs": epochs, "seed": seed, "out": out}
        refuse_without_train(chosen | {"set": overrides})
        loaded = load_runs(runs)
        if not loaded:
            raise ConfigError("give the runs to combine, or --train RECIPE")
    else:
        if runs:
            raise ConfigError("runs and --train exclude each other; give one of them")
        if members is not None and snapshots is not None:
            raise ConfigError("--members and --snapshots exclude each other; give one of them")
        recipe = with_options(train, overrides, epochs, seed)
        with training(recipe, "ensemble", out, quiet) as (folder, options):
            if snapshots is None:
                count = MEMBERS if members is None else members
                for _ in train_members(recipe, count, folder, engine=engine, **options):
                    pass
            else:
                train_snapshots(recipe, snapshots, folder / "1", engine=engine, **options)
        loaded, status = load_runs([folder]), status_of(options)
    results = compared(loaded, votes=votes, tta=tta, views=views)
    if folder is not None:
        write_atomically(folder / "ensemble.json", plain_json(results) + "\n")
    if not quiet:
        show(results, to_stderr=json)
    if status != OK:
        print(f"interrupted: what was trained is in {folder}", file=sys.stderr)
    if json:
        print(plain_json(results))
    return status


def compared(runs: Sequence[Run], *, votes: bool, tta: str | None, views: Any) -> dict[str, Any]:
    """The ensemble of `runs` and its members on their test rows."""
    together = ensemble_of(runs, votes=votes, views=views)
    part, rows = shared_test_part(runs)
    comparison = together.compare(rows.X, rows.y)
    spread = float(np.std(comparison.members, ddof=1)) if len(runs) > 1 else None
    return {
        "members": [
            {"run": str(run.folder), "score": score} for run, score in zip(runs, comparison.members, strict=True)
        ],
        "part": part,
        "method": "votes" if votes else "values" if together.is_regression else "probabilities",
        "views": tta,
        "std": spread,
        **{f.name: getattr(comparison, f.name) for f in dataclasses.fields(comparison) if f.name != "members"},
    }


def show(results: dict[str, Any], *, to_stderr: bool) -> None:
    """The members, the ensemble, and the difference with its standard error."""
    out = console(stderr=to_stderr)
    rows = [(member["run"], f"{member['score']:.4f}") for member in results["members"]]
    out.print(text_table(("run", f"{results['part']} score"), rows))
    spread = "" if results["std"] is None else f" ± {results['std']:.4f} (standard deviation)"
    out.print(f"mean of {len(rows)} members  {results['mean']:.4f}{spread}{_loss(results['mean_loss'])}")
    out.print(f"ensemble ({results['method']})  {results['ensemble']:.4f}{_loss(results['ensemble_loss'])}")
    out.print(
        f"difference  {results['difference']:+.4f} ± {results['standard_error']:.4f} "
        f"(standard error, paired over {results['count']:,} {results['part']} rows)"
    )


def with_options(name: str, overrides: list[str] | None, epochs: int | None, seed: int | None) -> Recipe:
    """The recipe that is to be trained."""
    short = {"train.epochs": epochs, "seed": seed}
    return apply_overrides(
        load_recipe(name), [*given(overrides), *(f"{k}={v}" for k, v in short.items() if v is not None)]
    )


@contextmanager
def training(recipe: Recipe, kind: str, out: str | None, quiet: bool) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder for runs of `recipe`, and options for their training; one Ctrl-C ends them all.

    Where nothing comes of it, no empty folder is left.
    """
    had_runs = Path("runs").exists()
    folder = new_run_folder(replace(recipe, name=f"{recipe.name}-{kind}"), out)
    interruption, progress = Interruption(), Progress(console(stderr=True))
    callbacks: list[Callback] = [interruption] if quiet else [interruption, progress]
    try:
        with interruption, progress:
            yield folder, {"callbacks": callbacks, "status": interruption.described}
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
            if out is None and not had_runs:
                Path("runs").rmdir()
        raise


def status_of(options: dict[str, Any]) -> int:
    """The exit status after training with `options` from `training`."""
    status: int = options["callbacks"][0].status
    return status


def refuse_without_train(options: dict[str, Any]) -> None:
    """Raise where one of these options is given, which say how members are trained."""
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"--{name} goes with --train RECIPE only")


def _loss(value: float | None) -> str:
    return "" if value is None else f"  loss {value:.4f}"
