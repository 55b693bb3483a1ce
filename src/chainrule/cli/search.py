"""`chainrule search`: try the values that a recipe's [search] declares, and write the best recipe."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from chainrule.cli import FAILED
from chainrule.cli.interruption import Interruption
from chainrule.cli.options import Integer, Overrides, given
from chainrule.errors import ConfigError
from chainrule.recipes import Recipe, apply_overrides, change, load_recipe
from chainrule.recipes.recipe import to_plain
from chainrule.recipes.run import plain_json
from chainrule.report.tables import console, text_table
from chainrule.search import Plan
from chainrule.search import search as run_search
from chainrule.search.binding import short
from chainrule.search.ledger import LEASE_SECONDS
from chainrule.search.results import RESULTS, Results, line

Flag = Annotated[bool, Parameter(negative="")]
SHOWN = 10  # of the best trials

app = App(
    name="search",
    help_epilogue="""Examples:
  chainrule search mine.toml --jobs 2
  chainrule search digits-mlp --space 'train.batch_size=choice(32, 64)' --strategy grid
  chainrule search mine.toml --storage postgresql://user@host/name

Spaces: uniform(a, b), log(a, b), range(a, b), choice(v, w, ...).
The same command goes on with a search that was interrupted. Ctrl-C keeps
all trials that have ended.""",
)


@app.default
def search(
    recipe: str,
    /,
    *,
    space: Annotated[list[str] | None, Parameter(negative="")] = None,
    strategy: Literal["grid", "random", "coarse-to-fine", "tpe"] | None = None,
    trials: Integer = None,
    pruner: Literal["none", "median", "halving"] | None = None,
    monitor: Literal["val_acc", "val_loss"] | None = None,
    repeats: Integer = None,
    confirm: Integer = None,
    seed: Integer = None,
    overrides: Overrides = None,
    jobs: Integer = None,
    storage: str | None = None,
    study: str | None = None,
    lease: Integer = None,
    engine: str = "auto",
    out: Path | None = None,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Search the values of a recipe's entries for the best ones.

    Parameters
    ----------
    recipe
        The name of a shipped recipe, or the path of a recipe file.
    space
        A space for an entry, as KEY=SPACE; may be repeated.
    strategy
        grid, random, coarse-to-fine (its stages are in the recipe) or tpe.
    trials
        How many, of random and tpe.
    pruner
        What stops bad trials early: none, median or halving.
    monitor
        What is compared: val_acc or val_loss.
    repeats
        Train every trial with so many seeds, and compare the means.
    confirm
        Train the best trial again with so many seeds, and measure the test set.
    seed
        The seed of the values that are drawn.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    jobs
        Processes, with one thread each; 1 if not given.
    storage
        The URL of the database; study.db in the output folder if not given.
    study
        The name of the study in the database; the recipe's if not given.
    lease
        Seconds without a sign of life after which a trial of another machine is taken over; 60 if not given.
    engine
        What runs the networks.
    out
        The folder for the results; searches/RECIPE if not given.
    json
        Print the results as one JSON object; all else goes to standard error.
    quiet
        Show neither progress nor tables.
    """
    options = {
        "strategy": strategy,
        "trials": trials,
        "pruner": pruner,
        "monitor": monitor,
        "repeats": repeats,
        "confirm": confirm,
        "seed": seed,
    }
    chosen = _resolve(recipe, given(overrides), [] if space is None else space, options)
    plan = Plan(chosen)
    folder = Path("searches") / (chosen.name if study is None else study) if out is None else out
    url = f"sqlite:///{folder / 'study.db'}" if storage is None else storage
    interruption = Interruption("interrupted: the trials that ended are kept; the same command goes on")
    started = time.perf_counter()
    if not quiet:
        where = folder if storage is None else "the database"
        print(f"{len(plan.places)} trials over {', '.join(plan.spaces)}; study in {where}", file=sys.stderr)
    with interruption:
        results = run_search(
            chosen,
            url,
            study=study,
            jobs=1 if jobs is None else jobs,
            lease=LEASE_SECONDS if lease is None else lease,
            engine=engine,
            show=None if quiet else lambda *a: print(line(*a), file=sys.stderr, flush=True),
            stopped=lambda: interruption.happened,
        )
    seconds = time.perf_counter() - started
    written = results.write(folder)
    if not quiet:
        _show(results, seconds, written, to_stderr=json)
    if interruption.happened:
        print(
            f"interrupted: {len(results.rows)} of {results.total} trials are kept; the same command goes on",
            file=sys.stderr,
        )
    if json:
        print(plain_json(results.to_dict() | {"seconds": seconds, "folder": str(folder)}))
    if results.finished and results.best is None:
        print(f"no trial finished; {folder / RESULTS} says why", file=sys.stderr)
        return FAILED
    return interruption.status


def _resolve(name: str, overrides: list[str], spaces: list[str], options: dict[str, Any]) -> Recipe:
    """The recipe with overrides, spaces and options of the command line put into it."""
    recipe = apply_overrides(load_recipe(name), overrides)
    part: dict[str, Any] = to_plain(recipe).get("search", {})
    part |= {key: value for key, value in options.items() if value is not None}
    for text in spaces:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--space needs KEY=SPACE, such as train.batch_size=choice(32, 64), got {text!r}")
        part["spaces"] = {**part.get("spaces", {}), key.strip(): value.strip()}
    return change(recipe, {"search": part} if part else {}, f"recipe {recipe.name}")


def _show(results: Results, seconds: float, written: list[Path], *, to_stderr: bool) -> None:
    out = console(stderr=to_stderr)
    out.print(text_table(*results.table(SHOWN)))
    if len(results.rows) > SHOWN:
        out.print(f"the {SHOWN} best of {len(results.rows)}")
    for part in ("val", "test"):
        mean = results.confirmed(f"{part}_acc")
        if mean is not None:
            out.print(f"best trial, {results.plan.part.confirm} seeds: {part} accuracy {mean[0]:.4f} ± {mean[1]:.4f}")
    importance = results.importance()
    if importance:
        out.print("importance: " + ", ".join(f"{short(name)} {share:.0%}" for name, share in importance.items()))
    out.print(f"{seconds:.1f} s; wrote {', '.join(map(str, written))}", soft_wrap=True)
