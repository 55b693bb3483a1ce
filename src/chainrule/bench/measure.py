"""Runs modes against each other: who takes part, whose turn it is, and what came of it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.bench import report
from chainrule.bench.machine import allowed_cores, describe_machine, has_bfloat16
from chainrule.bench.rows import ROWS, Row
from chainrule.errors import ChainruleError, ConfigError, require_number, unknown

#: The frameworks that can take part, with their modes and the package that has to be installed.
PEERS: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "torch channels-last", "torch compile", "torch bf16", "torch bf16 channels-last"),
    "jax": ("jax",),
    "sklearn": ("sklearn",),
}
OURS, OURS_BF16 = "chainrule", "chainrule bf16"
_ENGINES = ("auto", "native", "reference")

TIMEOUT = 300.0  # seconds for one measurement, compilation included
#: A mode that is so many times slower than its framework's plain one in the first round takes no further part: compiled
#: ones, whose compilation is long, and all others (bfloat16 on a machine without it takes seconds a step).
HOPELESS = {"compile": 1.5, "": 5.0}
#: Processes that run on the machine, before the first measurement, from which on a warning is due.
BUSY = 0.5
#: A measurement is made again, so many times at most, if the machine does less than this part of its peak before or
#: after it: the two cores of a rented machine may be one for a while, or another's.
STEADY, ATTEMPTS = 0.85, 5

Note = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What is measured and how: rows, peers, engine, threads, rounds, seconds a measurement."""

    rows: tuple[Row, ...] = ROWS
    peers: tuple[str, ...] = ("torch", "jax")
    engine: str = "auto"
    threads: int = 2
    rounds: int = 5
    seconds: float = 1.0
    layers: bool = False
    scaling: bool = False

    def __post_init__(self) -> None:
        for peer in self.peers:
            if peer not in PEERS:
                raise unknown("peer", peer, PEERS)
        if self.engine not in _ENGINES:
            raise unknown("engine", self.engine, _ENGINES)
        require_number("bench", "threads", self.threads, integer=True, low=1)
        require_number("bench", "rounds", self.rounds, integer=True, low=1)
        require_number("bench", "seconds", self.seconds, low=0, open_low=True)

    @property
    def chosen_engine(self) -> str:
        """The engine that "auto" means here."""
        from chainrule.engines.native import is_available

        if self.engine == "native" and not is_available():
            raise ConfigError("engine must be 'auto' or 'reference' here: chainrule was installed without a compiler")
        if self.engine != "auto":
            return self.engine
        return "native" if is_available() else "reference"


def run(settings: Settings, note: Note = lambda line: None) -> dict[str, Any]:
    """Measure everything that `settings` name; `note` gets a line for each thing that is done or cannot be."""
    engine = settings.chosen_engine
    absent = [peer for peer in settings.peers if importlib.util.find_spec(peer) is None]
    for peer in absent:
        note(f"{peer} is not installed: skipped")
    modes = modes_of([peer for peer in settings.peers if peer not in absent], engine)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        note(
            f"the machine is busy (load {load:.1f}): times will be too long, and those of spinning threads far too long"
        )
    machine = Machine(settings)
    peak = machine.peak
    note(f"peak: {peak['gflops']:.0f} GFLOP/s on {settings.threads} threads, {peak['source']}")
    found: dict[str, Any] = {
        "machine": describe_machine(settings.threads),
        "engine": engine,
        "settings": {"rounds": settings.rounds, "seconds": settings.seconds, "peers_absent": absent},
        "load": load,
        "peak": peak,
    }
    found["rows"] = [time_row(machine, row, modes, note) for row in settings.rows]
    found["geometric_mean"] = report.geometric_means(found["rows"])
    if settings.layers:
        found["layers"] = time_layers(machine, modes, note)
    if settings.scaling:
        found["scaling"] = [time_scaling(machine, row, note) for row in settings.rows]
    return {**found, "repeated": machine.repeated, "slow": machine.slow}


class Machine:
    """Measures in processes of their own, again where the machine was not itself.

    peak: the most it does. repeated, slow: how many measurements were made again, and how many kept all the same.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.repeated, self.slow = settings, 0, 0
        found = [call(settings, {"task": "peak"}) for _ in range(ATTEMPTS)]
        if "skipped" in found[0]:
            raise ChainruleError(f"bench: the machine's peak could not be measured: {found[0]['skipped']}")
        self.peak = max(found, key=lambda f: float(f.get("gflops", 0)))
        self._steady = self._is_itself()

    def measure(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What the job gave in the first attempt before and after which the machine did what it can."""
        for _ in range(ATTEMPTS):
            before, result = self._steady, call(self.settings, job)
            self._steady = self._is_itself()
            if "skipped" in result or (before and self._steady):
                return result
            self.repeated += 1
        self.repeated, self.slow = self.repeated - 1, self.slow + 1
        return result

    def _is_itself(self) -> bool:
        now = call(self.settings, {"task": "peak"})
        return bool(now.get("gflops", 0) >= STEADY * self.peak["gflops"])


def modes_of(peers: Sequence[str], engine: str) -> list[str]:
    """Our modes and those of `peers`; bfloat16 is the native engine's."""
    return [OURS, *([OURS_BF16] if engine == "native" else []), *(mode for peer in peers for mode in PEERS[peer])]


def time_row(machine: Machine, row: Row, modes: Sequence[str], note: Note) -> dict[str, Any]:
    """Every mode on one row."""
    settings = machine.settings
    fitting = [mode for mode in modes if row.is_image or "channels-last" not in mode]

    def measure(mode: str) -> dict[str, Any]:
        if "bf16" in mode and not has_bfloat16():  # emulated, a step takes seconds
            return {"skipped": "this processor has no bfloat16 products"}
        return machine.measure({"task": "row", "row": row.key, "mode": mode})

    runs, skipped = take_turns(
        fitting,
        settings.rounds,
        measure,
        lambda line: note(f"{row.key}: {line}"),
    )
    inside = machine.measure({"task": "operations", "row": row.key})
    return report.row_result(row, runs, skipped, inside, machine.peak["gflops"])


def take_turns(
    modes: Sequence[str], rounds: int, measure: Callable[[str], dict[str, Any]], note: Note
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Each mode once a round, `rounds` times; what they measured, and why the others did not take part."""
    runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in modes}
    skipped: dict[str, str] = {}
    for number in range(rounds):
        for mode in modes:
            if mode in skipped:
                continue
            result = measure(mode)
            if "skipped" in result:
                skipped[mode] = result["skipped"]
                note(f"{mode} is skipped: {result['skipped']}")
                continue
            runs[mode].append(result)
            if "ms" in result:
                note(f"round {number + 1}/{rounds}  {mode:24} {result['ms']:9.3f} ms")
        for mode in modes:
            plain = runs.get(mode.split()[0])
            if number or rounds == 1 or mode in skipped or not plain or "ms" not in plain[0]:
                continue
            ratio = runs[mode][0]["ms"] / plain[0]["ms"]
            if ratio > next(limit for word, limit in HOPELESS.items() if word in mode):
                skipped[mode] = f"{ratio:.1f} times the plain mode's time in the first round"
                note(f"{mode} is skipped: {skipped[mode]}")
    if OURS in skipped:
        raise ChainruleError(f"bench: chainrule's own measurement failed: {skipped[OURS]}")
    return {mode: results for mode, results in runs.items() if mode not in skipped}, skipped


def time_layers(machine: Machine, modes: Sequence[str], note: Note) -> list[dict[str, Any]]:
    """Every layer alone, in one process for each mode and round."""
    settings = machine.settings
    fitting = [mode for mode in modes if mode in (OURS, "torch", "torch channels-last")]
    runs, _ = take_turns(
        fitting,
        settings.rounds,
        lambda mode: machine.measure({"task": "layers", "mode": mode, "cases": [], "seconds": settings.seconds / 10}),
        lambda line: note(f"layers: {line}"),
    )
    note(f"layers: {settings.rounds} rounds of {', '.join(runs)}")
    return report.layer_results(runs, machine.peak["gflops"])


def time_scaling(machine: Machine, row: Row, note: Note) -> dict[str, Any]:
    """Milliseconds a step for half to four times the batch, on one thread and then twice as many up to `threads`."""
    settings = machine.settings
    counts = [1]
    while 2 * counts[-1] <= settings.threads:
        counts.append(2 * counts[-1])
    points = {
        f"{threads} {row.batch * k // 2}": (threads, row.batch * k // 2) for threads in counts for k in (1, 2, 4, 8)
    }

    def measure(name: str) -> dict[str, Any]:
        threads, batch = points[name]
        return machine.measure({"task": "row", "row": row.key, "mode": OURS, "batch": batch, "threads": threads})

    runs, _ = take_turns(list(points), settings.rounds, measure, lambda line: None)
    result = report.scaling_result(row, {points[name]: [m["ms"] for m in measured] for name, measured in runs.items()})
    speedups = ", ".join(f"{k} threads {v:.2f}x" for k, v in result["speedup"].items())
    note(f"scaling of {row.key}: {speedups}; twice the batch {result['doubling']:.2f}x")
    return result


def time_starts(settings: Settings) -> dict[str, float]:
    """Seconds of a whole process: `import numpy`, `import chainrule`, `chainrule --help`; medians of paired runs."""
    programs = {
        "import numpy": "import numpy",
        "import chainrule": "import chainrule, numpy",
        "chainrule --help": "import sys; from chainrule.cli import main; sys.exit(main(['--help']))",
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(max(settings.rounds, 7)):
        for name, program in programs.items():
            started = time.perf_counter()
            command = [sys.executable, "-P", "-c", program]
            subprocess.run(command, env=environment(settings.threads), capture_output=True, check=True)
            times[name].append(time.perf_counter() - started)
    return {name: report.median(taken) for name, taken in times.items()}


def environment(threads: int) -> dict[str, str]:
    """The process's own, with every library told how many threads to use."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "CHAINRULE_THREADS")
    eigen = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {eigen}".strip()
    return {**os.environ, **dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def call(settings: Settings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job in a process of its own, on as many cores as it has threads; a failure is a reason to skip it."""
    threads = job.get("threads", settings.threads)
    whole = {
        "engine": settings.chosen_engine,
        "seconds": settings.seconds,
        "threads": threads,
        "cores": allowed_cores()[:threads],
        **job,
        "started": time.time(),
    }
    command = [sys.executable, "-P", "-m", "chainrule.bench.worker", json.dumps(whole)]
    try:
        done = subprocess.run(
            command, env=environment(threads), capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"not done after {TIMEOUT:.0f} s"}
    lines = done.stdout.split("\n")
    if done.returncode != 0 or len(lines) < 2:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return {"skipped": f"failed: {said[-1].strip()[:200] if said else f'exit status {done.returncode}'}"}
    result: dict[str, Any] = json.loads(lines[-2])
    return result
