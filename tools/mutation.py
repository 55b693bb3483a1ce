"""Plant small faults in backward passes, losses, update rules and schedules, and count those that the tests catch.

    python tools/mutation.py                    every mutant; writes docs/results/mutation.md and .json
    python tools/mutation.py --sample 60        as many drawn at random, reported on the screen only
    python tools/mutation.py --only Affine      the mutants of one class or module
    python tools/mutation.py --survivors        what survived the last full run, or is new; brings its report up to date

The tests are collected once. Each mutant then lives in a process forked from that state, where one function's code is
replaced and the tests that name its class run until one fails: first those that caught other faults of the class, then
the quick ones. A fault that no test can see because the function computes the same is listed, with the reason, in
tools/equivalent_mutants.toml. Exits with 1 if fewer than 95 % of the others are caught.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import random
import re
import signal
import sys
import time
import tomllib
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from mutants import ROOT, Mutant, functions_of, mutants_of, plant

REQUIRED = 0.95
RESULTS = ROOT / "docs" / "results"
TIMEOUT = 120  # seconds for one mutant; a loop that a fault made endless counts as caught
#: What is changed, and where its tests are: packages whose listed classes are targets.
TESTS = {
    "layers": ["tests/layers", "src/chainrule/layers", "tests/test_network.py"],
    "losses": ["tests/losses", "src/chainrule/losses"],
    "optim": ["tests/optim", "src/chainrule/optim"],
}
#: Classes whose tests go by another name too.
ALSO = {"Sequential": {"Network"}, "layers.sequential": {"Network", "Residual", "Branches"}}


@dataclass
class Target:
    """A class (or the functions of a module) whose code is changed, and the tests that name it."""

    name: str
    package: str
    names: set[str]
    functions: dict[str, types.FunctionType]
    mutants: list[Mutant]
    items: list[Any] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)


def targets(only: str | None) -> list[Target]:
    """One target a class; the functions of a module that belong to no class are a target of their own."""
    from chainrule.layers import LAYERS
    from chainrule.losses import LOSSES
    from chainrule.optim import RULES, SCHEDULES, Transform
    from chainrule.optim.chain import Chain
    from chainrule.optim.update_rule import UpdateRule

    transforms = sorted(Transform.__subclasses__(), key=lambda c: c.__name__)
    listed = {"layers": LAYERS, "losses": LOSSES, "optim": (*transforms, *RULES, Chain, UpdateRule, *SCHEDULES)}
    found: list[Target] = []
    for package, classes in listed.items():
        by_module: dict[str, list[type]] = {}
        for cls in dict.fromkeys(classes):
            if cls.__module__.startswith("chainrule."):
                by_module.setdefault(cls.__module__, []).append(cls)
        for module_name, own in by_module.items():
            module = importlib.import_module(module_name)
            # A transform is tested through the rules of its file, which may be named alone in a test.
            names = {c.__name__ for c in own} if package == "optim" and "schedules" not in module_name else set()
            for cls in own:
                found.append(_target(cls.__name__, package, names | {cls.__name__}, module, functions_of(module, cls)))
            all_names = {c.__name__ for c in own}
            found.append(
                _target(module_name.removeprefix("chainrule."), package, all_names, module, functions_of(module))
            )
    return [t for t in found if t.mutants and (only is None or only.lower() in t.name.lower())]


def _target(
    name: str, package: str, names: set[str], module: types.ModuleType, functions: dict[str, types.FunctionType]
) -> Target:
    return Target(name, package, names, functions, mutants_of(Path(str(module.__file__)), set(functions)))


class Runner:
    """A pytest plugin that, instead of running the collected tests once, runs them against every mutant."""

    def __init__(self, chosen: list[Target], sample: int | None, processes: int, known: set[tuple[str, ...]]) -> None:
        self.processes = processes
        jobs = [(t, m) for t in chosen for m in t.mutants if m.key not in known]
        if sample is not None and sample < len(jobs):
            jobs = random.Random(0).sample(jobs, sample)
        self.jobs = jobs
        self.results: dict[int, str] = {}
        self.seconds: dict[str, float] = {}
        self.failing: list[str] = []
        self.kills: Counter[str] = Counter()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Time every test on sound code, then let the mutants meet them."""
        texts = {item: _text(item) for item in session.items}
        for target in {id(t): t for t, _ in self.jobs}.values():
            names = target.names | ALSO.get(target.name, set())
            pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
            target.items = [i for i in session.items if _package(i) == target.package and pattern.search(texts[i])]
        needed = {item.nodeid: item for t, _ in self.jobs for item in t.items}
        started = time.perf_counter()
        self._baseline(list(needed.values()))
        print(f"{len(self.jobs)} mutants, {len(needed)} tests; sound code took {time.perf_counter() - started:.0f} s")
        for nodeid in self.failing:
            print(f"left out, fails on sound code: {nodeid}")
        self._all_mutants()
        return True

    def _baseline(self, items: list[Any]) -> None:
        halves = [items[i :: self.processes] for i in range(self.processes)]
        pipes = []
        for half in halves:
            read, write = os.pipe()
            if _fork() == 0:
                os.close(read)
                _silence()
                lines = []
                for item in half:
                    begun = time.perf_counter()
                    good = all(r.passed or r.skipped for r in runtestprotocol(item, log=False, nextitem=None))
                    lines.append([item.nodeid, time.perf_counter() - begun, good])
                with os.fdopen(write, "w") as pipe:
                    json.dump(lines, pipe)
                os._exit(0)
            os.close(write)
            pipes.append(read)
        for read in pipes:
            with os.fdopen(read) as pipe:
                for nodeid, seconds, good in json.load(pipe):
                    self.seconds[nodeid] = seconds
                    if not good:
                        self.failing.append(nodeid)
        for _ in halves:
            os.wait()

    def _all_mutants(self) -> None:
        running: dict[int, tuple[int, int]] = {}
        waiting = iter(range(len(self.jobs)))
        exhausted, reported = False, time.perf_counter()
        while running or not exhausted:
            while len(running) < self.processes and not exhausted:
                job = next(waiting, None)
                if job is None:
                    exhausted = True
                    break
                read, write = os.pipe()
                pid = _fork()
                if pid == 0:
                    os.close(read)
                    self._child(job, write)
                os.close(write)
                running[pid] = (job, read)
            if not running:
                break
            pid, status = os.wait()
            job, read = running.pop(pid)
            with os.fdopen(read) as pipe:
                killer = pipe.read()
            self._record(job, status, killer)
            if time.perf_counter() - reported > 30:
                reported = time.perf_counter()
                print(f"{len(self.results)} of {len(self.jobs)}: {dict(Counter(self.results.values()))}", flush=True)

    def _record(self, job: int, status: int, killer: str) -> None:
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            self.results[job] = "timeout"
        elif status != 0:
            self.results[job] = "killed"
            self.jobs[job][0].kills[killer] += 1
            self.kills[killer.split("[")[0]] += 1
        else:
            self.results[job] = "survived"
            mutant = self.jobs[job][1]
            print(f"survived: {mutant.key[0]}:{mutant.line} {mutant.before}  ->  {mutant.after}", flush=True)

    def _order(self, target: Target, item: Any) -> tuple[float, ...]:
        """First what caught a fault of this class, then what catches most of any class for its time."""
        kind = item.nodeid.split("[")[0]
        return (
            -target.kills[item.nodeid],
            -self.kills[kind] / (self.seconds[item.nodeid] + 0.01),
            self.seconds[item.nodeid],
        )

    def _child(self, job: int, write: int) -> None:
        target, mutant = self.jobs[job]
        _silence()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(TIMEOUT)
        plant(mutant, target.functions[mutant.function])
        _forget()
        for item in sorted(target.items, key=lambda i: self._order(target, i)):
            if item.nodeid in self.failing:
                continue
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=None)):
                os.write(write, item.nodeid.encode())
                os._exit(1)
        os._exit(0)


def _fork() -> int:
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries with threads warn of forks; none has started one yet
        return os.fork()


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _forget() -> None:
    """Empty the package's caches, which may hold what the sound function returned."""
    for name, module in list(sys.modules.items()):
        if name.startswith("chainrule"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _text(item: Any) -> str:
    """What a test says of itself: its name with its parameters, its source, and that of the helpers it calls."""
    function = getattr(item, "function", None)
    if function is None:
        return str(item.nodeid)
    seen: dict[str, Any] = {function.__name__: function}
    queue = [function]
    while queue:
        here = queue.pop()
        for name in here.__code__.co_names:
            other = here.__globals__.get(name)
            if isinstance(other, types.FunctionType) and other.__module__ == function.__module__ and name not in seen:
                seen[name] = other
                queue.append(other)
    return item.nodeid + "".join(inspect.getsource(f) for f in seen.values())


def _package(item: Any) -> str | None:
    return next((p for p, places in TESTS.items() if item.nodeid.startswith(tuple(places))), None)


# -- the report -----------------------------------------------------------------------------------------------------


def equivalent() -> dict[tuple[str, ...], str]:
    """The listed mutants that compute the same, with the reason."""
    path = ROOT / "tools" / "equivalent_mutants.toml"
    entries = tomllib.loads(path.read_text())["mutant"] if path.exists() else []
    return {(e["file"], e["function"], e["before"], e["after"]): e["reason"] for e in entries}


def rows(runner: Runner, reasons: dict[tuple[str, ...], str]) -> Iterator[dict[str, Any]]:
    """One row a mutant that was run."""
    for job, (target, mutant) in enumerate(runner.jobs):
        file, function, before, after = mutant.key
        result = runner.results[job]
        reason = reasons.get(mutant.key)
        if result == "survived" and reason is not None:
            result = "equivalent"
        yield {
            "target": target.name, "file": file, "line": mutant.line, "function": function,
            "before": before, "after": after, "result": result, "reason": reason,
        }  # fmt: skip


def last_table(chosen: list[Target]) -> list[dict[str, Any]]:
    """What the last full run caught, without the mutants that are no more."""
    keys = {m.key for t in chosen for m in t.mutants}
    table: list[dict[str, Any]] = json.loads((RESULTS / "mutation.json").read_text())
    return [row for row in table if row["result"] in ("killed", "timeout") and _key(row) in keys]


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["file"], row["function"], row["before"], row["after"])


def report(table: list[dict[str, Any]]) -> tuple[str, float]:
    """The page, and the share of faults that were caught."""
    counts: dict[str, Counter[str]] = {}
    for row in table:
        counts.setdefault(row["target"], Counter())[row["result"]] += 1
    total = sum(counts.values(), Counter())
    caught = total["killed"] + total["timeout"]
    share = caught / max(caught + total["survived"], 1)
    lines = [
        "# Mutation testing",
        "",
        "Written by `make mutation`. Each mutant is one small change of the arithmetic in a layer's passes, a loss, an",
        "update rule or a schedule. It is caught if a test that names its class fails or never ends.",
        "",
        f"**{caught} of {caught + total['survived']} mutants caught ({share:.2%})**;",
        f"{total['equivalent']} more compute the same as the sound code (reasons in `tools/equivalent_mutants.toml`).",
        "",
        "| class or module | mutants | caught | of these by timeout | equivalent | survived |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, c in counts.items():
        got = c["killed"] + c["timeout"]
        lines.append(f"| {name} | {c.total()} | {got} | {c['timeout']} | {c['equivalent']} | {c['survived']} |")
    lines += ["", "## Survivors", ""]
    survivors = [r for r in table if r["result"] == "survived"]
    for row in survivors:
        lines += [f"- `{row['file']}:{row['line']}` in `{row['function']}`", ""]
        lines += ["  ```diff", f"  - {row['before']}", f"  + {row['after']}", "  ```", ""]
    if not survivors:
        lines += ["None.", ""]
    return "\n".join(lines), share


def main() -> int:
    """Collect, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="run only so many mutants, drawn at random; nothing is written")
    parser.add_argument("--only", help="run only targets whose name contains this; nothing is written")
    parser.add_argument("--survivors", action="store_true", help="run what survived the last full run, and what is new")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    started = time.perf_counter()
    chosen = targets(given.only)
    kept = last_table(chosen) if given.survivors else []
    runner = Runner(chosen, given.sample, given.processes, {_key(row) for row in kept})
    used = {t.package for t, _ in runner.jobs}
    places = [place for package in TESTS if package in used for place in TESTS[package]]
    status = pytest.main([*places, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-s"], plugins=[runner])
    if len(runner.results) < len(runner.jobs) or not runner.jobs:
        print(f"the tests could not be run (pytest said {status})")
        return 2
    table = sorted([*kept, *rows(runner, equivalent())], key=lambda row: (row["file"], row["line"], _key(row)))
    text, share = report(table)
    if given.sample is None and given.only is None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "mutation.md").write_text(text)
        (RESULTS / "mutation.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    print(text)
    print(f"{(time.perf_counter() - started) / 60:.0f} minutes")
    if share < REQUIRED:
        print(f"fewer than {REQUIRED:.0%} of the faults were caught")
    return int(share < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
