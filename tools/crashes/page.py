"""docs/results/torture.md: a section a part, each written by the run that measured it."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.optim import RULES
from chainrule.recipes.provenance import processor
from crashes import faults, hashes, kills, real, signals, solvers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "torture.md"
HEAD = """# Crash safety and reproducibility

Written by `python tools/torture.py` (`make torture`); do not edit. Every run that is broken off goes on, and must end
in the same SHA-256 sums as the run that was not: of the weights and buffers, of what the update rule keeps, and of the
history without the times. Recipes are drawn at random: nine update rules, dropout, batch normalisation, augmentation,
schedules, early stopping, averages of weights, clipping, decay, both generators, both engines, one and two threads.
"""
Section = tuple[str, int]  # its text, and how many cases went wrong


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def filled(*paragraphs: str) -> str:
    """Paragraphs of text, each in lines of at most 120 characters."""
    return "\n\n".join(textwrap.fill(" ".join(p.split()), 120, break_on_hyphens=False) for p in paragraphs)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], texts: int = 1) -> str:
    """A table whose first `texts` columns hold words and whose others hold numbers."""
    marks = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, marks, *rows))


def kills_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    goal = 4 if quick else 450
    found = kills.torture(goal, work, seed, tell=say, until=until)
    return killed(
        found,
        goal,
        """Runs in children forked from a process that has everything imported. A child says over
    a pipe where a save begins and ends; the parent waits for one drawn at random and then for a part of its length, or
    for a time drawn from the whole run. Checkpoints are written as often as training looks, or every 10 or 50 ms.""",
    )


def commands_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    goal = 1 if quick else 50
    found = kills.torture_command(goal, work, seed + 1, fresh=0 if quick else 10, tell=say, until=until)
    return killed(
        found,
        goal,
        """`chainrule train --checkpoint-seconds 0`, and `chainrule train --resume` after each kill.
    The first ten kills are of fresh processes, the others of forked ones that call the command's `main`; half of them
    wait until a temporary file appears. All recipes run on one or two threads.""",
    )


def killed(found: kills.Kills, goal: int, how: str) -> Section:
    missing = "" if found.count >= goal else f" {goal} were wanted; the time was up."
    text = filled(
        f"**{found.count} kills with SIGKILL, {found.inside} of them inside a save: {found.identical} of {found.runs} "
        f"runs, each killed several times, went on to the same bits.**{missing}",
        f"""{how} {found.halves} kills left a half-written file or folder behind, and {found.before_recipe} came before
        there was a recipe to go on with, so that the run was begun again; {found.left} temporary files were there after
        the end.""",
    )
    return text + listed(found.wrong), len(found.wrong)


def matrix_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    found = []
    for row in solvers.matrix(work, RULES[:1] if quick else RULES):
        found.append(row)
        if len(found) % 33 == 0:
            say(f"{len(found)} of the matrix, {sum(same for *_, same in found)} identical")

    def count(features: str, engine: str) -> str:
        same = [s for _, f, e, s in found if (f, e) == (features, engine)]
        return f"{sum(same)} of {len(same)}"

    rows = [(f, *(count(f, e) for e in solvers.ENGINES)) for f in (*solvers.FEATURES, *solvers.OTHERS)]
    text = filled(
        f"**{sum(same for *_, same in found)} of {len(found)} identical.** Each is stopped within an epoch and at the "
        "end of one, and goes on in another object from the file.",
        f"Update rules: {', '.join(dict.fromkeys(rule for rule, *_ in found))}. A row is what a convolutional network "
        "and its training have besides.",
    )
    wrong = [f"{rule}, {features}, {engine}" for rule, features, engine, same in found if not same]
    return f"{text}\n\n{table(('features', *solvers.ENGINES), rows)}" + listed(wrong), len(wrong)


def signals_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    often = {kind.name: 1 if quick else 10 if "SIGHUP" in kind.name else 50 for kind in signals.KINDS}
    found = signals.stops(often, work, seed + 2, fresh=0 if quick else 3, tell=say, until=until)
    found.append(signals.notebook(1 if quick else 50, work, seed + 3, until=until + 90))
    rows = []
    found = [f for f in found if f.count]  # none where the time was up before
    for f in found:
        used = f"{max(f.processor):.2f}" if f.processor else ""
        times = (f"{np.median(f.seconds):.2f}", f"{max(f.seconds):.2f}", used)
        rows.append((f.kind, f.count, f.status, f.identical, f.told, f.orphans, f.left, *times))
    text = filled(
        f"""A signal at a random moment of training; the seconds are those from the (first) signal to the end of the
        process, on the clock and of the processor, as the machine was busy with other work (load
        {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores). The exit status must be 128 + the signal's number, and how
        to go on must be said. The first three of each kind are fresh processes, the others forked ones that call the
        command's `main`. For `Solver.train` in Python, with `TrainingCheckpoints` and no command around it, the right
        status is a `KeyboardInterrupt`; it goes on both by `train()` and, elsewhere, from the checkpoint."""
    )
    head = ("signal", "runs", "right status", "went on to the same bits", "told how", "orphans", "temporary files")
    text += "\n\n" + table((*head, "median s", "longest s", "longest, processor s"), rows)
    wrong = [line for f in found for line in f.wrong]
    wrong += [f.kind for f in found if not f.count == f.status == f.identical == f.told or f.orphans or f.left]
    wrong += [f"{f.kind}: {s:.2f} s" for f in found for s in (f.processor or f.seconds) if s > 2]
    return text + listed(wrong), len(wrong)


def hashes_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    found = hashes.hashes(3 if quick else 50, seed + 4, tell=say)
    sums = [(name, f"{next(iter(counted))[:16]}…", len(counted)) for name, counted in found.sums.items()]
    before = filled(
        f"""{found.processes} fresh processes, each with another `PYTHONHASHSEED`, with `CHAINRULE_THREADS` and
        `OMP_NUM_THREADS` each 1, 2 or 4: the different sums of weights, buffers, slots and losses after an epoch."""
    )
    after = filled(
        f"""That the question is not idle: with `CHAINRULE_DETERMINISTIC=0`, which leaves NumPy its threads, 1, 2 and 4
        of them end in {found.free} different sums on the reference engine.""",
    )
    parts = (before, table(("engine, network", "a sum", "different sums"), sums, 2), after)
    wrong = [f"{name}: {dict(counted)}" for name, counted in found.sums.items() if len(counted) != 1]
    return "\n\n".join(parts) + listed(wrong), len(wrong)


def cost_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    found = hashes.cost(5 if quick else 300)
    text = filled(
        """The native engine cuts sums by the size of the problem and has no other mode, so that there is nothing to
        compare it with but other frameworks ([benchmarks.md](benchmarks.md)). The reference engine keeps NumPy's
        products on one thread: the fastest steps of a 784–600–10 network, 100 rows, with Adam, in turns with all
        threads that `OMP_NUM_THREADS` gives NumPy.""",
        f"""Three steps at a time; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores by other work, which a
        second thread has to share.""",
    )
    rows = [(t, f"{one:.2f} ms", f"{free:.2f} ms", f"{one / free:.2f}") for t, (one, free) in found.items()]
    return f"{text}\n\n{table(('OMP_NUM_THREADS', 'one thread, same bits', 'all threads', 'ratio'), rows, 0)}", 0


def faults_section(work: Path, quick: bool, seed: int, until: float) -> Section:
    found = []
    for operation in faults.operations(pictures=not quick):
        every = (40 if quick else 1) if not operation.name.startswith("a whole run") else 400 if quick else 10
        found.append(faults.inject(operation, work / operation.name.replace(" ", "-"), every=every, first=seed))
        say(f"{operation.name}: {found[-1].cases} cases, {len(found[-1].wrong)} wrong")
    cases, wrong = sum(f.cases for f in found), [line for f in found for line in f.wrong]
    text = filled(
        f"""**{cases - len(wrong)} of {cases} as it should be**: what was there before is whole, or the new is; nothing
        temporary lies about; the error is one of the package's, names the path and says in words what happened; and a
        run goes on to the same bits.""",
        f"""Each call that opens for writing, writes, syncs, renames or makes a folder fails in turn (every tenth case
        of a whole run, which has many) with {", ".join(faults.ERRORS)}; with Ctrl-C before it and after it; and as a
        full disk and a used-up quota from that call on.""",
    )
    rows = [(f.operation, f.calls, f.cases, f.cases - len(f.wrong)) for f in found]
    disks = real.real(work)
    wrong += [f"{disk.name}: {disk.said}" for disk in disks if not disk.right]
    text += "\n\n" + table(("what is written", "calls", "cases", "as it should be"), rows)
    text += "\n\nThe command on disks that are so indeed; a run that had begun goes on to the same bits afterwards:\n\n"
    text += table(("disk", "what it says", "as it should be"), [(d.name, d.said, yes(d.right)) for d in disks], 3)
    return text + listed(wrong), len(wrong)


def yes(right: bool) -> str:
    return "yes" if right else "no"


def listed(wrong: list[str]) -> str:
    return "" if not wrong else "\n\nWrong:\n\n" + "\n".join(f"- {line}" for line in wrong[:20])


PARTS: dict[str, tuple[str, Callable[[Path, bool, int, float], Section]]] = {
    "kills": ("Killed", kills_section),
    "commands": ("The command, killed", commands_section),
    "matrix": ("Every update rule with everything that keeps something", matrix_section),
    "signals": ("Stopped", signals_section),
    "hashes": ("The same bits in every process", hashes_section),
    "cost": ("What the same bits cost", cost_section),
    "faults": ("Disks that fail", faults_section),
}


def run(parts: list[str], *, quick: bool, seed: int, minutes: float = math.inf) -> int:
    """Measure the parts, show them, and write them into the page unless `quick`; 1 where something went wrong."""
    bad = 0
    for part in parts:
        title, measure = PARTS[part]
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="chainrule-torture-") as work:
            text, wrong = measure(Path(work), quick, seed, time.monotonic() + 60 * minutes)
        bad += wrong
        machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
        how = f"`python tools/torture.py {part}`, seed {seed}, {time.perf_counter() - started:,.0f} s on {machine}."
        print(f"\n## {title}\n\n{text}\n\n{how}", flush=True)
        if not quick:
            write(title, f"{text}\n\n{how}\n")
    return int(bad > 0)


def write(title: str, text: str) -> None:
    """Put one section into the page, the others staying as they are."""
    sections: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = part.partition("\n")
            sections[name] = body.strip() + "\n"
    sections[title] = text
    titles = [name for name, _ in PARTS.values() if name in sections]
    PAGE.write_text(HEAD + "".join(f"\n## {name}\n\n{sections[name]}" for name in titles))
