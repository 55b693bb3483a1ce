"""What the measurements mean: medians, paired ratios, geometric means, fractions of what the machine can do."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chainrule.bench.cases import layer_cases
from chainrule.bench.rows import Row, step_flops

Runs = Mapping[str, Sequence[Mapping[str, Any]]]

OURS = "chainrule"
#: Which of the peers' modes a ratio is taken to; ours in bfloat16 stands against PyTorch's in bfloat16.
COMPARISONS = ("best_peer", "torch", "torch_bf16")


def median(values: Iterable[float]) -> float:
    """The median."""
    return float(statistics.median(values))


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """(∏ v)^(1/n); None where there is no value or one is missing.

    >>> geometric_mean([1.0, 4.0]), geometric_mean([2.0, None]), geometric_mean([])
    (2.0, None, None)
    """
    known = list(values)
    if not known or any(v is None for v in known):
        return None
    return math.exp(math.fsum(math.log(v) for v in known if v is not None) / len(known))


def paired_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as long theirs takes: the median over rounds of theirs/ours.

    >>> paired_ratio([4.0, 30.0, 5.0], [2.0, 10.0, 2.0])
    2.5
    """
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def is_reduced(mode: str) -> bool:
    """Whether a mode computes in bfloat16."""
    return "bf16" in mode


def best_mode(runs: Runs, *, framework: str | None = None, reduced: bool = False) -> str | None:
    """The peers' mode of the lowest median time: of one framework or any, in bfloat16 or single precision."""
    names = [
        mode
        for mode in runs
        if mode.split()[0] != OURS
        and (framework is None or mode.split()[0] == framework)
        and is_reduced(mode) == reduced
    ]
    return min(names, key=lambda mode: median(r["ms"] for r in runs[mode]), default=None)


def row_result(
    row: Row, runs: Runs, skipped: Mapping[str, str], inside: Mapping[str, Any], peak: float
) -> dict[str, Any]:
    """One row: our figures, each mode's, and the ratios to the best of them.

    inside: the operations of our step and the bandwidth of memory; empty but for a reason where there are none.
    peak: GFLOP/s of single precision.
    """
    flops = step_flops(row)
    floor = floor_ms(inside, peak)
    modes = {mode: mode_result(runs[mode], flops) for mode in runs}
    ours = modes[OURS]
    against = {
        "best_peer": (best_mode(runs), OURS),
        "torch": (best_mode(runs, framework="torch"), OURS),
        "torch_bf16": (best_mode(runs, framework="torch", reduced=True), f"{OURS} bf16"),
    }
    return {
        "row": row.title,
        "key": row.key,
        "batch": row.batch,
        "ms": ours["ms"],
        "step_ms": ours.get("step_ms"),
        "gflops": ours["gflops"],
        "fraction_of_peak": ours["gflops"] / peak,
        "fraction_of_roofline": None if floor is None else floor / ours["ms"],
        "peak_mb": ours["peak_mb"],
        "first_step_s": ours["first_step_s"],
        "ratio": {name: _ratio(runs, *pair) for name, pair in against.items()},
        "against": {name: theirs for name, (theirs, _) in against.items()},
        "modes": {**modes, **{mode: {"skipped": why} for mode, why in skipped.items()}},
        "floor_ms": floor,
        "bandwidth_gbs": inside.get("bandwidth_gbs"),
        "operations": operation_results(inside, peak),
    }


def _ratio(runs: Runs, theirs: str | None, ours: str) -> float | None:
    if theirs is None or ours not in runs:
        return None
    return paired_ratio([r["ms"] for r in runs[theirs]], [r["ms"] for r in runs[ours]])


def mode_result(measured: Sequence[Mapping[str, Any]], flops: int) -> dict[str, Any]:
    """The medians of one mode's rounds, and the range of its times."""
    times = [r["ms"] for r in measured]
    result = {name: median(r[name] for r in measured) for name in measured[0]}
    return {**result, "ms_range": [min(times), max(times)], "gflops": flops / median(times) / 1e6}


def geometric_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Of each ratio over all rows; None where a row lacks it."""
    return {name: geometric_mean(row["ratio"][name] for row in rows) for name in COMPARISONS}


def floor_ms(inside: Mapping[str, Any], peak: float) -> float | None:
    """The roofline: what a step takes if each operation ran at the peak or moved its bytes at full bandwidth.

    Bandwidth is that of a copy over as much memory as the step works on, so that of a cache where it fits one.
    """
    if "operations" not in inside:
        return None
    bytes_per_ms = inside["bandwidth_gbs"] * 1e6
    return inside["state_bytes"] / bytes_per_ms + math.fsum(
        max(op["flops"] / (peak * 1e6), op["bytes"] / bytes_per_ms) for op in inside["operations"]
    )


def operation_results(inside: Mapping[str, Any], peak: float) -> list[dict[str, Any]]:
    """Each operation of our step with its rate."""
    results = []
    for op in inside.get("operations", ()):
        gflops = op["flops"] / op["ms"] / 1e6 if op["flops"] and op["ms"] else None
        results.append({**op, "gflops": gflops, "fraction_of_peak": None if gflops is None else gflops / peak})
    return results


def layer_results(runs: Runs, peak: float) -> list[dict[str, Any]]:
    """Each layer's case: forward and backward of every mode, rates of products, ratios to the best of PyTorch's."""
    results = []
    for case in layer_cases():
        measured = {mode: [r[case.title] for r in runs[mode] if case.title in r] for mode in runs}
        reasons = {mode: rs[0]["skipped"] for mode, rs in measured.items() if rs and "skipped" in rs[0]}
        kept = {
            mode: [{**r, "ms": r["forward_ms"] + r["backward_ms"]} for r in rs]
            for mode, rs in measured.items()
            if rs and mode not in reasons
        }
        if OURS not in kept:
            continue
        modes: dict[str, Any] = {}
        for mode, rs in kept.items():
            own: dict[str, Any] = {name: median(r[name] for r in rs) for name in rs[0]}
            if case.flops:  # forward is one product, backward two
                own["forward_peak_fraction"] = case.flops / (own["forward_ms"] * peak * 1e6)
                own["backward_peak_fraction"] = 2 * case.flops / (own["backward_ms"] * peak * 1e6)
            modes[mode] = own
        best = best_mode(kept)
        results.append(
            {
                "layer": case.layer.name,
                "row": case.title,
                "shape": list(case.shape),
                "ratio": None if best is None else _layer_ratio(kept[best], kept[OURS]),
                "modes": {**modes, **{mode: {"skipped": why} for mode, why in reasons.items()}},
            }
        )
    return results


def _layer_ratio(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> float | None:
    pairs = [(a["ms"], b["ms"]) for a, b in zip(theirs, ours, strict=True)]
    return median(a / b for a, b in pairs) if all(b > 0 for _, b in pairs) else None  # a layer that costs us nothing


def scaling_result(row: Row, times: Mapping[tuple[int, int], Sequence[float]]) -> dict[str, Any]:
    """From milliseconds by (threads, batch): speed-ups over one thread at the row's batch, and what doubling costs.

    doubling: the geometric mean of the time's growth from each batch to twice as many rows, with the most threads.
    """
    most = max(threads for threads, _ in times)
    batches = sorted({batch for threads, batch in times if threads == most})
    growth = [paired_ratio(times[most, b], times[most, a]) for a, b in itertools.pairwise(batches) if b == 2 * a]
    return {
        "row": row.title,
        "key": row.key,
        "batch": row.batch,
        "points": [{"threads": t, "batch": b, "ms": median(ms)} for (t, b), ms in sorted(times.items())],
        "speedup": {
            threads: paired_ratio(times[1, row.batch], times[threads, row.batch])
            for threads in sorted({t for t, _ in times})
            if threads > 1
        },
        "doubling": geometric_mean(growth),
    }
