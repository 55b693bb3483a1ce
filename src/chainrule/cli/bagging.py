"""`chainrule bagging`: members on bootstrap samples, their out-of-bag score, and what averaging them gains."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.cli import OK
from chainrule.cli.ensemble import compared, refuse_without_train, show, status_of, training, with_options
from chainrule.cli.options import Integer, Overrides
from chainrule.ensembles import (
    bagging_figure,
    bagging_table,
    load_runs,
    out_of_bag_score,
    prediction_errors,
    shared_test_part,
    train_members,
    uncorrelated_errors,
    usual_ensemble,
)
from chainrule.ensembles.bagging import BaggingRow
from chainrule.ensembles.ensemble import Member
from chainrule.errors import ConfigError
from chainrule.files import write_atomically
from chainrule.recipes.run import Run, plain_json
from chainrule.report.plots import save_figure
from chainrule.report.tables import console, text_table

MEMBERS = 10

app = App(
    name="bagging",
    help_epilogue="""Examples:
  chainrule bagging --train digits-mlp --members 10
  chainrule bagging runs/digits-mlp-bagging-1 --out study

Each member is trained on a bootstrap sample of the training rows, and the
rows that its sample lacks test it (out of bag). E_av is the members' mean
squared error, E_bag that of their average; E_bag = E_av/L where their errors
are uncorrelated, and never above E_av. bagging.json and bagging.png hold the
table and its picture, beside errors that are uncorrelated by construction.""",
)


@app.default
def bagging(
    *runs: str,
    train: str | None = None,
    members: Integer = None,
    overrides: Overrides = None,
    epochs: Integer = None,
    seed: Integer = None,
    out: str | None = None,
    engine: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Study bagging: the errors of members and of their average, against the number of members.

    Parameters
    ----------
    runs
        Runs on bootstrap samples (recipes with data.bootstrap), or a folder of them.
    train
        Train the members first: a recipe's name, or the path of a recipe file.
    members
        How many to train; 10 if not given.
    overrides
        With --train, entries of the recipe to replace, as KEY=VALUE; may be repeated.
    epochs
        With --train, short for --set train.epochs=N.
    seed
        With --train, the first member's seed; short for --set seed=N.
    out
        Where bagging.json and bagging.png go, and with --train the runs; runs/RECIPE-bagging-N there if not given.
    engine
        With --train, what runs the networks.
    json
        Print one JSON object instead of a table.
    quiet
        Show neither progress nor tables.
    """
    folder: Path | None
    status = OK
    if train is None:
        refuse_without_train({"members": members, "set": overrides, "epochs": epochs, "seed": seed})
        folder = None if out is None else Path(out)
        loaded = load_runs(runs)
        if not loaded:
            raise ConfigError("give the runs to study, or --train RECIPE")
    else:
        if runs:
            raise ConfigError("runs and --train exclude each other; give one of them")
        recipe = with_options(train, overrides, epochs, seed)
        count = MEMBERS if members is None else members
        with training(recipe, "bagging", out, quiet) as (folder, options):
            for _ in train_members(recipe, count, folder, bootstrap=True, engine=engine, **options):
                pass
        loaded, status = load_runs([folder]), status_of(options)
    results, table = _study(loaded)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "bagging.json", plain_json(results) + "\n")
        ideal = bagging_table(uncorrelated_errors(max(len(loaded), 2), 10_000))
        titles = (f"{loaded[0].recipe.name}, {results['part']} rows", "errors made uncorrelated, of mean 0")
        save_figure(bagging_figure([(titles[0], table), (titles[1], ideal)]), folder / "bagging.png")
    if not quiet:
        _show(results, table, to_stderr=json)
        if folder is not None:
            console(stderr=json).print(str(folder / "bagging.png"), soft_wrap=True)
    if status != OK:
        print(f"interrupted: what was trained is in {folder}", file=sys.stderr)
    if json:
        print(plain_json(results))
    return status


def _study(runs: list[Run]) -> tuple[dict[str, Any], list[BaggingRow]]:
    outside = out_of_bag_score(runs)
    _, rows = shared_test_part(runs)
    together = usual_ensemble([Member(run.network, run.normalizer) for run in runs])
    table = bagging_table(prediction_errors(together, rows.X, rows.y))
    results = compared(runs, votes=together.votes, tta=None, views=())
    return results | {"out_of_bag": asdict(outside), "table": [asdict(row) for row in table]}, table


def _show(results: dict[str, Any], table: list[BaggingRow], *, to_stderr: bool) -> None:
    show(results, to_stderr=to_stderr)
    out, outside = console(stderr=to_stderr), results["out_of_bag"]
    out.print(
        f"out of bag  {outside['score']:.4f}  on {outside['rows']:,} of {outside['training_rows']:,} training rows"
    )
    head = ("members L", "E_av", "E_bag", "E_av/L", "correlation")
    out.print(text_table(head, [_words(row) for row in table]))


def _words(row: BaggingRow) -> tuple[str, ...]:
    errors = (row.average_error, row.ensemble_error, row.uncorrelated_error)
    correlation = "" if row.correlation is None else f"{row.correlation:.4f}"
    return str(row.members), *(f"{error:.5f}" for error in errors), correlation
