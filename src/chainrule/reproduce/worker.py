"""One process of a reproduction: it trains what it is asked to, one training after the other, on data read once.

It is started by the runner and reads its request, one line of JSON, from standard input:

    {"engine": "auto", "jobs": [{"recipe": TOML, "folder": path}, ...]}

A training gets its folder only when it is complete. After each, one line of JSON goes to standard output. When standard
input is closed the runner is gone, and the process ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.data import Source
from chainrule.errors import ChainruleError, DivergenceError
from chainrule.files import LOCK, locked, write_atomically
from chainrule.recipes import Experiment, Recipe, build, parse_recipe
from chainrule.recipes.experiment import open_source
from chainrule.recipes.run import RESULTS, SUMMED, TRAINING, finish, plain_json, train
from chainrule.recipes.sums import write_with_sums
from chainrule.solver import Solver
from chainrule.solver.resumption import checkpoints

#: Written last: what the table needs beside the run folder's own files, or why there is no more than this.
MEASURED = "measured.json"


def main() -> None:
    """Read the request, do it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's business, whose end ends this process
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    sources: dict[str, Source] = {}
    for job in request["jobs"]:
        started = time.perf_counter()
        outcome = run_job(parse_recipe(job["recipe"]), Path(job["folder"]), request["engine"], sources)
        line = {"folder": job["folder"], "wall": time.perf_counter() - started, "outcome": outcome}
        print(json.dumps(line), flush=True)


def run_job(recipe: Recipe, folder: Path, engine: str, sources: dict[str, Source]) -> str:
    """Train `recipe` into `folder` and measure; `sources` holds the data sets that were read so far.

    It is made in a folder beside it, and goes on there from its last checkpoint where an earlier process was stopped;
    while another process is at it, this one waits. Returns "finished", or what went wrong: an error of ours is part of
    the result and kept with it where it comes from the recipe's numbers (divergence), as it would come again; anything
    else leaves no folder.
    """
    part = folder.parent / f".part-{engine}-{folder.name}"
    while True:
        try:
            part.mkdir(parents=True, exist_ok=True)
            with locked(part / LOCK) as alone:
                if alone and part.is_dir():  # what was locked may have been given its place since
                    return _run_alone(recipe, part, folder, engine, sources)
        except (ChainruleError, OSError) as error:
            if part.is_dir() or not folder.is_dir():
                return f"failed: {error}"
        time.sleep(1.0)


def _run_alone(recipe: Recipe, part: Path, folder: Path, engine: str, sources: dict[str, Source]) -> str:
    try:
        if (folder / MEASURED).is_file():  # another process was faster
            return "finished"
        outcome = _train(recipe, part, engine, sources)
        _name_folder(part, folder)
        _put(part, folder)
        return outcome
    except ChainruleError as error:
        return f"failed: {error}"
    except (MemoryError, OSError) as error:
        return f"failed: {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _train(recipe: Recipe, folder: Path, engine: str, sources: dict[str, Source]) -> str:
    before = load_average()
    source_key = repr((recipe.data.name, recipe.data.folder, recipe.data.resize, recipe.data.channels))
    if source_key not in sources:
        sources.clear()  # one at a time is enough for the trainings of a row
        sources[source_key] = open_source(recipe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of flaws that the recipe keeps on purpose
        experiment = build(recipe, sources[source_key])
    solver = experiment.solver(engine=engine)
    resumed = bool(checkpoints(folder / TRAINING))
    started = time.perf_counter()
    try:
        train(experiment, solver, folder, resume=resumed)
    except DivergenceError as error:
        _write(folder, {"outcome": f"diverged: {error}", "seconds": time.perf_counter() - started})
        return "diverged"
    # What came before the last checkpoint counts as long as its whole epochs took, and no evaluation between them.
    seconds = max(time.perf_counter() - started, sum(e.seconds for e in solver.history.epochs))
    finish(experiment, folder, solver, seconds=seconds, status="finished", figures=False)
    measured = measure(experiment, solver)
    machine = {"load_average": [before, load_average()], "threads": os.environ.get("CHAINRULE_THREADS")}
    _write(folder, {"outcome": "finished", "seconds": seconds, "resumed": resumed, **measured, **machine})
    return "finished"


def _put(part: Path, folder: Path) -> None:
    """Give a finished training its place; what lies there unfinished goes."""
    shutil.rmtree(folder, ignore_errors=True)
    (part / LOCK).unlink(missing_ok=True)
    os.replace(part, folder)


def _name_folder(part: Path, folder: Path) -> None:
    """Say in the results where the run will lie, not where it was made."""
    if (part / RESULTS).is_file():
        results = json.loads((part / RESULTS).read_text("utf-8"))
        if "run" in results:
            write_with_sums(part / RESULTS, {**results, "run": str(folder)}, SUMMED)


def measure(experiment: Experiment, solver: Solver) -> dict[str, Any]:
    """The rows of every part, the standard error of its mean loss (for classes), the mean loss over all steps."""
    losses = solver.loss_history
    measured: dict[str, Any] = {"mean_step_loss": float(np.mean(losses)) if losses else None}
    for part in ("train", "val", "test"):
        if f"X_{part}" not in experiment.data:
            continue
        y = experiment.data[f"y_{part}"]
        measured[f"{part}_rows"] = len(y)
        if part != "train" and experiment.splits.train.has_labels:
            measured[f"{part}_loss_error"] = _loss_error(solver, experiment.data[f"X_{part}"], y)
    return measured


def _loss_error(solver: Solver, X: Any, y: Array) -> float | None:
    """The standard error of the mean of −log p(y), where the loss has probabilities of classes."""
    try:
        scores = solver.engine.predict(X)
        probabilities = np.asarray(solver.model.loss_function.probabilities(scores), dtype=np.float64)
    except ChainruleError:
        return None  # a hinge loss has none
    if probabilities.ndim != 2 or len(y) < 2:
        return None
    losses = -np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-30))  # (N,)
    return float(losses.std(ddof=1) / np.sqrt(len(y)))


def load_average() -> float | None:
    """How many processes wanted a core in the last minute, where the system says."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _write(folder: Path, measured: dict[str, Any]) -> None:
    write_atomically(folder / MEASURED, plain_json(measured) + "\n")


def _end_with_the_runner() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
