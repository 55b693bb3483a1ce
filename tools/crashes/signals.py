"""Ctrl-C, Ctrl-C twice, SIGTERM, a closed terminal, and a notebook's stop button: stopped in time, and nothing lost."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.recipes.run import RECIPE
from chainrule.solver import TrainingCheckpoints, resume_training
from crashes.commands import Process, outcome_of, start, warm
from crashes.outcome import is_finished
from crashes.processes import leftovers
from crashes.recipes import Case, drawn
from crashes.solvers import ENGINES, RULES, make, outcome

EPOCHS = 40
PLAIN = [
    "dropout",
    "norm",
    "augment",
    "cosine",
    "dropout norm augment one_cycle",
    "replacement",
]  # end at no early stop


@dataclass(frozen=True)
class Kind:
    """A way to be stopped: the signals, and the exit status that a shell shows."""

    name: str
    signals: tuple[signal.Signals, ...]
    status: int


KINDS = (
    Kind("SIGINT (Ctrl-C)", (signal.SIGINT,), 130),
    Kind("SIGINT twice", (signal.SIGINT, signal.SIGINT), 130),
    Kind("SIGTERM", (signal.SIGTERM,), 143),
    Kind("SIGHUP (closed terminal)", (signal.SIGHUP,), 129),
)


@dataclass
class Stops:
    """What became of the runs that got one kind of signal."""

    kind: str
    count: int = 0
    status: int = 0  # exit statuses by convention
    orphans: int = 0
    left: int = 0  # temporary files
    told: int = 0  # how to go on
    identical: int = 0
    seconds: list[float] = field(default_factory=list)  # from the signal to the end of the process
    processor: list[float] = field(default_factory=list)  # the same in seconds of the processor
    wrong: list[str] = field(default_factory=list)


def stops(
    counts: dict[str, int], work: Path, seed: int = 2, fresh: int = 3, tell: Any = None, until: float = math.inf
) -> list[Stops]:
    """Send each kind of signal so often, and go on with each run: of every kind `fresh` to processes of their own.

    The others go to forked ones, which have everything imported and call the command's `main`.
    """
    warm()
    rng = np.random.default_rng(seed)
    cases: list[tuple[Case, dict[str, str], float]] = []
    for i in range(max(2, sum(counts.values()) // 32)):
        case, folder = drawn(rng, epochs=EPOCHS), work / f"whole-{i}"
        process = Process(start(case, folder), folder)
        if process.wait() != 0:
            raise RuntimeError(process.said())
        begun, ended = ((folder / name).stat().st_mtime for name in (RECIPE, "history.json"))
        cases.append((case, outcome_of(folder), ended - begun))
    found = [Stops(kind.name) for kind in KINDS]
    while time.monotonic() < until:
        left = [(k, f) for k, f in zip(KINDS, found, strict=True) if f.count < counts.get(k.name, 0)]
        if not left:
            break
        for kind, result in left:  # one of each kind in turn
            case, whole, seconds = cases[int(rng.integers(len(cases)))]
            folder = work / f"stop-{KINDS.index(kind)}-{result.count}"
            one_stop(kind, case, whole, seconds, folder, result.count < fresh, rng, result)
        if tell is not None:
            tell(", ".join(f"{f.identical} of {f.count} {f.kind}" for f in found))
    return found


def one_stop(
    kind: Kind, case: Case, whole: dict[str, str], seconds: float, folder: Path, fresh: bool, rng: Any, result: Stops
) -> None:
    """One signal, or two; nothing is counted where the run has finished before."""
    shutil.rmtree(folder, ignore_errors=True)
    process = Process(start(case, folder), folder, fresh=fresh)
    while not (folder / RECIPE).is_file() and process.runs():
        time.sleep(0.001)
    time.sleep(float(rng.random()) * seconds)
    sent, used = time.perf_counter(), process.used()
    for i, number in enumerate(kind.signals):
        if i:
            time.sleep(float(rng.random()) * 0.02)
        process.send(number)
    status = process.wait()
    took = time.perf_counter() - sent
    if status == 0:
        return
    result.count += 1
    result.seconds.append(took)
    result.processor.append(process.seconds - used)
    result.status += status == kind.status
    result.orphans += process.has_others()
    result.left += bool(leftovers(folder))
    words = ("chainrule train --resume", "error: interrupted", "is finished")
    result.told += any(said in process.said() for said in words)
    if status != kind.status:
        result.wrong.append(f"{kind.name}: exit status {status}: {process.said()[-200:]}\n{case}")
    going_on = Process(start(case, folder), folder)  # where it had finished already, the command says so
    going_on.wait()
    got = outcome_of(folder) if is_finished(folder) else {}
    if got == whole:
        result.identical += 1
        shutil.rmtree(folder)
    else:
        result.wrong.append(f"{kind.name}: resumed to other bits: {going_on.said()[-300:]}\n{case}")


# -- without the command: a notebook ---------------------------------------------------------------------------------


def notebook(count: int, work: Path, seed: int = 3, until: float = math.inf) -> Stops:
    """Ctrl-C into `Solver.train` with `TrainingCheckpoints`; then `train` again, and elsewhere from the checkpoint."""
    rng, result = np.random.default_rng(seed), Stops("Solver.train in Python")
    while result.count < count and time.monotonic() < until:
        features, rule, engine = (values[int(rng.integers(len(values)))] for values in (PLAIN, RULES, ENGINES))
        folder = work / f"notebook-{result.count}"
        shutil.rmtree(folder, ignore_errors=True)
        run = partial(trained, features, rule.key, engine)
        begun = time.perf_counter()
        whole = in_child(folder, partial(run, None))
        delay = float(rng.random()) * (time.perf_counter() - begun)
        got = in_child(folder, partial(run, folder), delay)
        if not got.get("said"):
            continue  # it had finished, or not begun
        elsewhere = in_child(folder, partial(run, folder, resume=True))
        result.count += 1
        result.seconds.append(got["stopped"] - got["sent"])
        result.told += "solver.train() goes on" in got["said"] and "resume_training(" in got["said"]
        result.left += bool(leftovers(folder))
        result.status += got["kind"] == "KeyboardInterrupt"
        if got["outcome"] == whole["outcome"] == elsewhere["outcome"]:
            result.identical += 1
        else:
            result.wrong.append(f"{features}, {rule.key}, {engine}: other bits")
    return result


def trained(features: str, rule: str, engine: str, folder: Path | None, *, resume: bool = False) -> dict[str, Any]:
    """Train as a notebook would, and train on after an interrupt."""
    callbacks = [] if folder is None else [TrainingCheckpoints(folder, seconds=1e9)]
    solver = make(features, rule, engine, list(callbacks))
    solver.num_epochs = 60
    if resume and folder is not None:
        resume_training(folder, solver)
    told: dict[str, Any] = {"said": None}
    try:
        solver.train()
    except KeyboardInterrupt as stop:
        told = {"said": str(stop), "kind": type(stop).__name__, "stopped": time.time()}
        solver.train()
    return {**told, "outcome": digest(outcome(solver))}


def digest(value: Any) -> str:
    import hashlib

    return hashlib.sha256(repr(in_order(value)).encode()).hexdigest()


def in_order(value: Any) -> Any:
    """The same with dictionaries by name: what is read from a file comes in another order than what was never away."""
    if isinstance(value, dict):
        return sorted((name, in_order(v)) for name, v in value.items())
    return [in_order(v) for v in value] if isinstance(value, (list, tuple)) else value


def in_child(folder: Path, work: Callable[[], Any], interrupt_after: float | None = None) -> dict[str, Any]:
    """What `work` returns in a forked child, and when it got a Ctrl-C; {} where that came before or after it."""
    place = folder.with_suffix(".json")
    place.unlink(missing_ok=True)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            text = json.dumps(work())
            place.write_text(text)
        except KeyboardInterrupt:
            place.write_text("{}")
        except BaseException:
            folder.with_suffix(".log").write_text(traceback.format_exc())
        finally:
            os._exit(0)
    sent = 0.0
    if interrupt_after is not None:
        time.sleep(interrupt_after)
        sent = time.time()
        os.kill(pid, signal.SIGINT)
    os.waitpid(pid, 0)
    if not place.exists():
        raise RuntimeError(folder.with_suffix(".log").read_text())
    found: dict[str, Any] = json.loads(place.read_text() or "{}")
    return {**found, "sent": sent}
