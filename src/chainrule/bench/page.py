"""The tables of `chainrule bench`, on the screen and as docs/results/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.bench.measure import STEADY
from chainrule.bench.report import COMPARISONS

_TIMES = {"best_peer": "best peer, fp32", "torch": "PyTorch, fp32", "torch_bf16": "PyTorch, bf16"}

ROW_HEAD = ("row", "ms", "one step", *_TIMES.values(), "GFLOP/s", "of peak", "of roofline", "MB", "first step, s")
LAYER_HEAD = ("layer and input", "forward, ms", "backward, ms", "of peak", "PyTorch, best", "times")


def row_cells(row: dict[str, Any], name: str = "row") -> tuple[str, ...]:
    """A row of the main table under its title or "key"; ratios say how many times as long the other takes."""
    return (
        row[name],
        number(row["ms"], 3),
        number(row["step_ms"], 3),
        *(times(row["ratio"][other]) for other in COMPARISONS),
        number(row["gflops"], 0),
        percent(row["fraction_of_peak"]),
        percent(row["fraction_of_roofline"]),
        number(row["peak_mb"], 0),
        number(row["first_step_s"], 2),
    )


def mean_cells(means: dict[str, float | None]) -> tuple[str, ...]:
    """The last row of the main table."""
    return ("geometric mean", "", "", *(times(means[other]) for other in COMPARISONS), "", "", "", "", "")


def layer_cells(result: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table of layers."""
    ours = result["modes"]["chainrule"]
    theirs = [
        m["forward_ms"] + m["backward_ms"] for mode, m in result["modes"].items() if mode != "chainrule" and "ms" in m
    ]
    rates = ""
    if "forward_peak_fraction" in ours:
        rates = f"{percent(ours['forward_peak_fraction'])}, {percent(ours['backward_peak_fraction'])}"
    return (
        result["row"],
        number(ours["forward_ms"], 3),
        number(ours["backward_ms"], 3),
        rates,
        number(min(theirs, default=None), 3),
        times(result["ratio"]),
    )


def page(found: dict[str, Any], command: str, starts: dict[str, float]) -> str:
    """The whole page."""
    machine, settings = found["machine"], found["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    sets = ", ".join(machine["instruction_sets"])
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {machine['processor']} ({machine['machine']}, {machine['cores']} cores), "
        f"{machine['threads']} threads; engine {found['engine']}"
        f"{f', instruction sets {sets}' if sets else ''}; {versions}. Before it began the machine's load was "
        f"{found['load']:.1f}.",
        "",
        _explanation(found),
        "",
        *table(ROW_HEAD, [*(row_cells(row) for row in found["rows"]), mean_cells(found["geometric_mean"])]),
        "",
        "## Every mode",
        "",
    ]
    absent = settings["peers_absent"]
    if absent:
        lines += [f"Not installed: {', '.join(absent)}.", ""]
    lines += table(
        ("row", "mode", "ms (lowest – highest)", "GFLOP/s", "MB", "first step, s"), _mode_rows(found["rows"])
    )
    lines += _skipped(found["rows"])
    lines += _operations(found["rows"])
    if "scaling" in found:
        lines += _scaling(found["scaling"])
    if "layers" in found:
        lines += [
            "",
            "## Every layer alone",
            "",
            "Forward and backward (the gradients of the input and of every parameter) in training mode; *of peak* for "
            "products, forward and backward; *times* is how many times as long PyTorch's best mode takes for both. 0 "
            "is a layer that the plan makes nothing of.",
            "",
            *table(LAYER_HEAD, [layer_cells(result) for result in found["layers"]]),
        ]
    lines += ["", "## Start-up", ""]
    numpy = starts["import numpy"]
    lines += table(
        ("command", "seconds", "ratio to `import numpy`"),
        [(f"`{name}`", f"{seconds:.3f}", f"{seconds / numpy:.2f}") for name, seconds in starts.items()],
    )
    return "\n".join(lines) + "\n"


def _explanation(found: dict[str, Any]) -> str:
    settings, peak = found["settings"], found["peak"]
    return (
        "A step is forward, backward and update, in single precision unless it says bf16. Each mode runs in a process "
        f"of its own and the modes take turns: {settings['rounds']} rounds of {settings['seconds']:g} s or more, of "
        "which medians are quoted. *ms* is a step of `engine.steps` over a resident set (of `engine.step` where the "
        "engine has no `steps`), *one step* a call of `engine.step` for each batch. Ratios say how many times as long "
        "the other's best mode takes: the median over rounds of its time over ours. *Of peak* compares with "
        f"{peak['gflops']:.0f} GFLOP/s ({peak['source']}). *Of roofline* is the time that the step's operations would "
        "take at that rate, or moving their bytes at the bandwidth of a copy of the same size, over the time they do. "
        "*MB* is the peak of resident memory of the whole process, *first step* the time from its start to the first "
        "step done, imports and data included. GFLOP/s count the multiplications of the definition, so that a "
        "convolution by Winograd's transforms may show more than the machine does. "
        f"A measurement is made again where the machine does less than {percent(STEADY)} of its peak right before or "
        f"after it, as rented cores do at times: {found['repeated']} were, and {found['slow']} are quoted all the same."
    )


def _mode_rows(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        for mode, m in row["modes"].items():
            if "skipped" not in m:
                low, high = (number(v, 3) for v in m["ms_range"])
                times = f"{number(m['ms'], 3)} ({low} – {high})"
                more = number(m["gflops"], 0), number(m["peak_mb"], 0), number(m["first_step_s"], 2)
                cells.append((row["row"], mode, times, *more))
    return cells


def _skipped(rows: Sequence[dict[str, Any]]) -> list[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for mode, m in row["modes"].items():
            if "skipped" in m:
                reasons.setdefault((mode, m["skipped"]), []).append(row["key"])
    if not reasons:
        return []
    lines = [f"- {mode} ({', '.join(keys)}): {why}" for (mode, why), keys in reasons.items()]
    return ["", "Skipped:", "", *lines]


def _operations(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        total = sum(op["ms"] for op in row["operations"])
        for op in sorted(row["operations"], key=lambda op: -op["ms"]):
            if op["ms"] >= 0.03 * total:
                rate = number(op["gflops"], 0), percent(op["fraction_of_peak"])
                where = f"{op['phase']} {op['kernel']}"
                cells.append((row["key"], where, op["layer"], number(op["ms"], 3), percent(op["ms"] / total), *rate))
    if not cells:
        return []
    head = ("row", "operation", "layer", "ms", "of the step", "GFLOP/s", "of peak")
    return ["", "## Where a step's time goes", "", "Operations of 3 % or more.", "", *table(head, cells)]


def _scaling(results: Sequence[dict[str, Any]]) -> list[str]:
    counts = list(results[0]["speedup"])
    head = ("row", *(f"{count} threads" for count in counts), "twice the batch")
    cells = [
        (
            r["row"],
            *(times(r["speedup"][c]) for c in counts),
            times(r["doubling"]),
        )
        for r in results
    ]
    return [
        "",
        "## Threads and batches",
        "",
        "How many times as fast with so many threads as with one, and how many times as long a step takes with twice "
        "the batch.",
        "",
        "![Cost against batch and threads](benchmarks-scaling.png)",
        "",
        *table(head, cells),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None, digits: int) -> str:
    """A number with so many digits behind the point, fewer where it is large; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.{digits if value < 1 else min(digits, 2 if value < 10 else 1)}f}"


def times(ratio: float | None) -> str:
    """A ratio; a dash where there is none."""
    return "–" if ratio is None else f"{ratio:.2f}×"


def percent(fraction: float | None) -> str:
    """A fraction in percent; a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.0f} %"
