"""One mode in a process of its own: a job as JSON comes in as the only argument, the last line out is its result.

Heavy imports happen inside the modes, so that memory and the time to the first step are what a user's program has.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from chainrule.bench.program import UnavailableError

#: Seconds that one measurement lasts at least, so that the clock and the caller do not count.
CHUNK = 0.02
LEAST_CHUNKS = 5
MOST_STEPS = 500  # in one call of `train`


def main(argument: str) -> None:
    """Do the job and print the result, or why it cannot be done."""
    job = json.loads(argument)
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job["cores"])
    try:
        result = _TASKS[job["task"]](job)
    except (UnavailableError, ImportError) as error:
        result = {"skipped": " ".join(str(error).split())}
    print("\n" + json.dumps(result))


def train_row(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds a step, the peak of memory, and seconds from the start of the process to the first step done."""
    from chainrule.bench.rows import select_rows

    (row,) = select_rows([job["row"]])
    if job.get("batch"):
        import dataclasses

        row = dataclasses.replace(row, batch=job["batch"])
    program = _module(job["mode"]).row_program(row, job)
    program.train(1)
    first = time.time() - job["started"]
    result = {"ms": _pace(program.train, job["seconds"]), "first_step_s": first}
    if program.step is not None:
        step = program.step
        result["step_ms"] = _pace(lambda count: [step() for _ in range(count)], job["seconds"] / 2)
    return {**result, "peak_mb": peak_memory() / 1e6}


def time_layers(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of forward and of backward, or why there are none, for each of the layers' cases by title."""
    from chainrule.bench.cases import layer_cases

    module = _module(job["mode"])
    results: dict[str, Any] = {}
    for case in layer_cases():
        if not job["cases"] or case.title in job["cases"]:
            try:
                passes = module.layer_passes(case, job)
            except UnavailableError as error:
                results[case.title] = {"skipped": str(error)}
                continue
            forward, backward = _median_pair(passes, job["seconds"])
            results[case.title] = {"forward_ms": forward, "backward_ms": backward}
    return results


def look_into(job: dict[str, Any]) -> dict[str, Any]:
    """The operations of a row's plan with their times, and the bandwidth of memory at the size that it works on."""
    from chainrule.bench import ours
    from chainrule.bench.rows import select_rows

    (row,) = select_rows([job["row"]])
    return ours.operations(row, job)


def measure_peak(job: dict[str, Any]) -> dict[str, Any]:
    """Fused multiply-adds that the machine does at best."""
    from chainrule.bench import machine

    return machine.peak(job["threads"])


def peak_memory() -> int:
    """The most bytes that this process held at once."""
    try:
        with open("/proc/self/status") as status:  # of this program alone; ru_maxrss has what it was forked from, too
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _module(mode: str) -> Any:
    name = {"chainrule": "ours", "torch": "torch_peer", "jax": "jax_peer", "sklearn": "sklearn_peer"}[mode.split()[0]]
    return importlib.import_module(f"chainrule.bench.{name}")


def _pace(train: Callable[[int], object], seconds: float) -> float:
    """The median milliseconds of a step, in chunks that the clock can measure."""
    count, spent, started = 1, 0.0, time.perf_counter()
    while True:  # warm up, and find how many steps make a chunk
        before = time.perf_counter()
        train(count)
        spent = time.perf_counter() - before
        if time.perf_counter() - started > seconds / 5 and (spent > CHUNK / 2 or count == MOST_STEPS):
            break
        if spent < CHUNK:
            count = min(2 * count, MOST_STEPS)
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(times) < LEAST_CHUNKS:
        before = time.perf_counter()
        train(count)
        times.append((time.perf_counter() - before) / count)
    return statistics.median(times) * 1e3


def _median_pair(passes: Iterator[tuple[float, float]], seconds: float) -> tuple[float, float]:
    """The medians of what `passes` yields (seconds of forward and backward), in milliseconds; the first is warm-up."""
    next(passes)
    pairs: list[tuple[float, float]] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(pairs) < LEAST_CHUNKS:
        pairs.append(next(passes))
    return statistics.median(f for f, _ in pairs) * 1e3, statistics.median(b for _, b in pairs) * 1e3


_TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "row": train_row,
    "layers": time_layers,
    "operations": look_into,
    "peak": measure_peak,
}

if __name__ == "__main__":
    main(sys.argv[1])
