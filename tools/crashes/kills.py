"""kill -9 at random moments, half of them inside a save; each run goes on until it has finished."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ConfigError
from chainrule.recipes import build
from chainrule.recipes.run import RECIPE, finish, new_run_folder, resumable, train
from chainrule.solver import Callback, Solver
from crashes.commands import LIMIT, Process, outcome_of, start, warm
from crashes.outcome import is_finished, of_folder, of_slots
from crashes.processes import SECONDS, Child, forked, leftovers
from crashes.recipes import Case, digits, drawn


@dataclass
class Kills:
    """What became of the runs that were killed."""

    inside: int = 0  # kills that fell into a save
    outside: int = 0
    halves: int = 0  # kills that left a temporary file or folder behind
    before_recipe: int = 0  # kills before there was anything to resume
    runs: int = 0
    identical: int = 0
    left: int = 0  # temporary files in finished run folders
    wrong: list[str] = field(default_factory=list)  # what differed, one line each
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return self.inside + self.outside


class EachStep(Callback):
    """Has steps taken one by one, so that there is a save after each."""

    def on_step_end(self, solver: Solver) -> None:
        pass


def whole_run(case: Case, folder: Path, record: Path, between: float, each: bool) -> None:
    """Begin the run or go on with it, and write what it came to: the work of a child."""
    os.environ["CHAINRULE_THREADS"] = str(case.threads)
    resume = (folder / RECIPE).is_file()
    recipe = resumable(folder)[1] if resume else case.recipe
    experiment = build(recipe, digits())
    solver = experiment.solver([EachStep()] if each else [], case.engine)
    if not resume:
        new_run_folder(recipe, folder)
    train(experiment, solver, folder, resume=resume, seconds_between=between)
    slots = of_slots(solver)
    finish(experiment, folder, solver, seconds=0.0, status="finished", figures=False)
    record.write_text(json.dumps({**of_folder(folder), "slots": slots, "saves": SECONDS}))


@dataclass
class Plan:
    """One run: its unbroken outcome, how long it took, and how long its saves did."""

    case: Case
    between: float
    each: bool
    outcome: dict[str, str]
    seconds: float
    saves: list[float]


def plan(case: Case, folder: Path, rng: np.random.Generator) -> Plan:
    """Run a case without a stop, checkpoints and all."""
    between, each = float(rng.choice([0.0, 0.0, 0.01, 0.05])), bool(rng.random() < 0.5)
    started = time.perf_counter()
    record = ended(
        forked(lambda: whole_run(case, folder, folder.with_suffix(".json"), between, each), log(folder)), folder
    )
    shutil.rmtree(folder)
    return Plan(case, between, each, record, time.perf_counter() - started, record.pop("saves"))


def log(folder: Path) -> Path:
    return folder.with_suffix(".log")


def ended(child: Child, folder: Path) -> dict[str, Any]:
    """What a child that may run to its end has written; `RuntimeError` with its traceback where it failed."""
    until = time.monotonic() + LIMIT
    while child.listen(until):
        pass
    status = child.end(kill=time.monotonic() > until)
    if status != 0:
        raise RuntimeError(log(folder).read_text() if log(folder).exists() else f"it ended with status {status}")
    found: dict[str, Any] = json.loads(folder.with_suffix(".json").read_text())
    return found


def kill_once(made: Plan, folder: Path, inside: bool, rng: np.random.Generator) -> Child | None:
    """Start or go on with the run, and kill it; None where it had ended before."""
    record = folder.with_suffix(".json")
    child = forked(lambda: whole_run(made.case, folder, record, made.between, made.each), log(folder))
    if inside:
        nth = int(rng.integers(1, len(made.saves) + 1))
        until = time.monotonic() + LIMIT
        while child.said.count(b"(") < nth and child.listen(until):
            pass
        time.sleep(float(rng.random()) * made.saves[min(child.said.count(b"("), len(made.saves)) - 1])
    else:
        time.sleep(float(rng.random()) * made.seconds)
    return child if child.end(kill=True) == signal.SIGKILL else None  # as `os.waitpid` has it: else it had ended


def torture(kills: int, work: Path, seed: int = 0, tell: Any = None, until: float = math.inf) -> Kills:
    """Kill forked runs until `kills` have been counted, half of them inside a save.

    A run is killed one to seven times before it may finish. Kills in the wrong half, once that is full, are made and
    not counted.
    """
    digits()
    rng, found, started = np.random.default_rng(seed), Kills(), time.perf_counter()
    half = {True: (kills + 1) // 2, False: kills // 2}
    while found.count < kills and time.monotonic() < until:
        case, folder = drawn(rng), work / f"run-{found.runs}"
        made = plan(case, folder, rng)
        for _ in range(int(rng.integers(1, 8))):
            want = bool(rng.random() < 0.5) if found.inside < half[True] and found.outside < half[False] else (
                found.inside < half[True]
            )  # fmt: skip
            if found.count >= kills or is_finished(folder):
                break
            if (child := kill_once(made, folder, want, rng)) is not None:
                note(found, child.inside, folder, half)
        finish_and_compare(made, folder, found)
        if tell is not None:
            tell(f"{found.count} kills, {found.identical} of {found.runs} runs identical")
    found.seconds = time.perf_counter() - started
    return found


def note(found: Kills, inside: bool, folder: Path, half: dict[bool, int]) -> None:
    """Count a kill in its half, while that is not full."""
    if (found.inside if inside else found.outside) >= half[inside]:
        return
    found.inside += inside
    found.outside += not inside
    found.halves += bool(leftovers(folder))
    found.before_recipe += not (folder / RECIPE).is_file()


def finish_and_compare(made: Plan, folder: Path, found: Kills) -> None:
    """Let the run finish, and compare it with the unbroken one."""
    found.runs += 1
    try:
        record = folder.with_suffix(".json")
        if is_finished(folder):  # killed between its results and its end: it says so, and clears up
            with contextlib.suppress(ConfigError):
                resumable(folder)
            got = of_folder(folder)
        else:
            work = forked(lambda: whole_run(made.case, folder, record, made.between, made.each), log(folder))
            got = ended(work, folder)
    except (RuntimeError, OSError, ValueError) as error:
        found.wrong.append(f"run {found.runs}: {str(error).strip().splitlines()[-1]}\n{made.case}")
        return
    differing = [name for name in ("weights", "history", "slots") if name in got and got[name] != made.outcome[name]]
    stray = leftovers(folder)
    found.left += len(stray)
    if differing or stray:
        found.wrong.append(f"run {found.runs}: {', '.join(differing)} differ; left {stray}\n{made.case}")
    else:
        found.identical += 1
        shutil.rmtree(folder)


# -- the same with the command ---------------------------------------------------------------------------------------


def torture_command(
    kills: int, work: Path, seed: int = 1, fresh: int = 10, tell: Any = None, until: float = math.inf
) -> Kills:
    """Kill `chainrule train`, and go on with `chainrule train --resume`; the first `fresh` kills in fresh processes.

    Half of the kills wait for a temporary file or folder to appear in the run's folder, so that they fall into a save.
    """
    warm()
    rng, found, started = np.random.default_rng(seed), Kills(), time.perf_counter()
    more = ("--checkpoint-seconds", "0")
    while found.count < kills and time.monotonic() < until:
        case, folder = drawn(rng, epochs=8), work / f"command-{found.runs}"
        begun = time.perf_counter()
        ended_well(Process(start(case, folder, *more), folder))
        whole, seconds = outcome_of(folder), time.perf_counter() - begun
        shutil.rmtree(folder)
        for kill in range(int(rng.integers(3, 9))):
            if found.count < kills and not is_finished(folder):
                now, threads = found.count < fresh, int(rng.integers(1, 3))
                process = Process(start(case, folder, *more), folder, fresh=now, threads=threads)
                inside = wait_for_moment(process, folder, seconds, bool((found.count + kill) % 2), rng)
                process.send(signal.SIGKILL)
                if process.wait() == 128 + signal.SIGKILL:
                    note(found, inside or bool(leftovers(folder)), folder, {True: kills, False: kills})
        found.runs += 1
        try:
            over, process = is_finished(folder), Process(start(case, folder, *more), folder)
            if over:  # the command says so, and clears up
                process.wait()
            else:
                ended_well(process)
            got = outcome_of(folder)
        except (RuntimeError, OSError, ValueError) as error:
            found.wrong.append(f"command {found.runs}: {str(error).strip().splitlines()[-1]}\n{case}")
            continue
        stray = leftovers(folder)
        found.left += len(stray)
        if got == whole and not stray:
            found.identical += 1
            shutil.rmtree(folder)
        else:
            differing = [name for name in got if got[name] != whole[name]]
            found.wrong.append(f"command {found.runs}: {', '.join(differing)} differ; left {stray}\n{case}")
        if tell is not None:
            tell(f"{found.count} kills of the command, {found.identical} of {found.runs} runs identical")
    found.seconds = time.perf_counter() - started
    return found


def ended_well(process: Process) -> None:
    if process.wait() != 0:
        raise RuntimeError(process.said() or f"exit status {process.status}")


def wait_for_moment(process: Process, folder: Path, seconds: float, inside: bool, rng: np.random.Generator) -> bool:
    """Wait for a random time, and then for the next save if `inside`; whether one was seen."""
    early = not inside and rng.random() < 0.1  # before or while the folder is made
    while not early and not (folder / "training").is_dir() and process.runs():
        time.sleep(0.002)
    time.sleep(float(rng.random()) * (0.2 if inside else 0.6) * seconds)
    while inside and process.runs():
        if leftovers(folder):
            return True
    return False
