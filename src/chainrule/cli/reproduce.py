"""`chainrule reproduce`: train what is reported, and put ours beside it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.cli import FAILED, OK
from chainrule.cli.options import Integer
from chainrule.engines import ENGINES
from chainrule.errors import ConfigError, require_number, unknown
from chainrule.recipes import list_recipes, list_studies
from chainrule.recipes.run import plain_json
from chainrule.report.tables import console, text_table
from chainrule.reproduce.cells import HEAD, row_cells
from chainrule.reproduce.jobs import Row, make_row
from chainrule.reproduce.quick import SECONDS_A_ROW
from chainrule.reproduce.report import collect, summarize, write
from chainrule.reproduce.runner import run

Flag = Annotated[bool, Parameter(negative="")]
KEPT, IN_REPOSITORY, ELSEWHERE = Path("runs/reproduce"), Path("docs/results"), Path("reproduce")

app = App(
    name="reproduce",
    help_epilogue="""Examples:
  chainrule reproduce mnist-softmax binary-logistic
  chainrule reproduce mnist-depth --jobs 2
  chainrule reproduce digits-mlp --seeds 5
  chainrule reproduce --all --quick

Trainings are kept in runs/reproduce by the content of their recipe and
their seed: what was interrupted goes on with the next one.""",
)


@app.default
def reproduce(
    *names: str,
    all: Flag = False,
    seeds: Integer = None,
    quick: Flag = False,
    engine: str = "auto",
    jobs: Integer = None,
    out: Path | None = None,
    kept: Path = KEPT,
    kept_only: Flag = False,
    json: Flag = False,
) -> int:
    """Train recipes and studies, and write one table of what is reported and what came out.

    The exit status is 1 if a training failed. Figures that are not reached are no failure of the command.

    Parameters
    ----------
    names
        Recipes and studies, by name or as paths of files.
    all
        Everything that comes with the package.
    seeds
        How many seeds each training is repeated with, 1 if not given; figures are means then.
    quick
        Shortened trainings: that everything runs, in minutes. Their figures mean nothing.
    engine
        What runs the networks.
    jobs
        How many processes train at once, sharing the cores; 1 if not given.
    out
        The folder of the table; docs/results for --all in the project's own folder, otherwise reproduce.
    kept
        The folder where the trainings are kept.
    kept_only
        Train nothing: the table of what is kept.
    json
        Print the table as one JSON object; all else goes to standard error.
    """
    rows = _rows(names, all, 1 if seeds is None else seeds, SECONDS_A_ROW if quick else None)
    if engine not in ("auto", *ENGINES):
        raise unknown("engine", engine, ["auto", *ENGINES])
    processes = 1 if jobs is None else jobs
    require_number("reproduce", "--jobs", processes, integer=True, low=1)
    folder = _folder(out, full=all and not quick)
    failures: dict[str, str] = {}
    try:
        if not kept_only:
            failures = run(rows, kept, engine, processes, _print)
    finally:  # Ctrl-C too leaves a table of what there is
        outcomes = collect(rows, kept, failures)
        found = summarize(rows, outcomes, quick=quick, command=_command(names, all, seeds, quick, engine, jobs))
        write(folder, found, rows, outcomes)
    _show(found, to_stderr=json)
    print(f"wrote {folder / 'reproduce.md'}, .html and .json", file=sys.stderr)
    if json:
        print(plain_json(found))
    return FAILED if any(row["status"] == "failed" for row in found["rows"]) else OK


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rows(names: tuple[str, ...], everything: bool, seeds: int, budget: float | None) -> list[Row]:
    if everything == bool(names):
        raise ConfigError(f"reproduce needs names of recipes and studies, or --all{', not both' if names else ''}")
    require_number("reproduce", "--seeds", seeds, integer=True, low=1, high=1000)
    chosen = [*list_recipes(), *list_studies()] if everything else list(dict.fromkeys(names))
    return [make_row(name, seeds, budget) for name in chosen]


def _folder(out: Path | None, *, full: bool) -> Path:
    if out is not None:
        return out
    return IN_REPOSITORY if full and IN_REPOSITORY.is_dir() and Path("src/chainrule").is_dir() else ELSEWHERE


def _command(
    names: tuple[str, ...], everything: bool, seeds: int | None, quick: bool, engine: str, jobs: int | None
) -> str:
    """How to do the same again."""
    words = ["chainrule", "reproduce", *names]
    words += [f"--{word}" for word, given in (("all", everything), ("quick", quick)) if given]
    words += [f"--seeds={seeds}"] * (seeds is not None) + [f"--jobs={jobs}"] * (jobs is not None)
    return shlex.join([*words, *([] if engine == "auto" else [f"--engine={engine}"])])


def _show(found: dict[str, Any], *, to_stderr: bool) -> None:
    lines = [[line[i] for i in (0, 2, 3, 4, 7, 9)] for row in found["rows"] for line in row_cells(row)]
    console(stderr=to_stderr).print(text_table([HEAD[i] for i in (0, 2, 3, 4, 7, 9)], lines))
