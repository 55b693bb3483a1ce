"""The picture of cost against batch and threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.report.plots import BLUE, ORANGE, new_figure


def scaling_figure(results: Sequence[dict[str, Any]]) -> Any:
    """For each row the milliseconds of a step against the batch, one line for each number of threads.

    The dotted line through the largest batch of the most threads is growth in proportion.
    """
    from matplotlib.ticker import LogLocator

    columns = min(3, len(results))
    lines = -(-len(results) // columns)
    figure = new_figure((4.0 * columns, 3.2 * lines))
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(results) :]:
        axes.set_axis_off()
    for axes, result in zip(grid.flat, results, strict=False):
        counts = sorted({point["threads"] for point in result["points"]})
        for i, threads in enumerate(counts):
            points = [point for point in result["points"] if point["threads"] == threads]
            batches, ms = [p["batch"] for p in points], [p["ms"] for p in points]
            shade = BLUE if threads == counts[-1] else ORANGE
            style = {"color": shade, "alpha": 1.0 if i in (0, len(counts) - 1) else 0.5}
            axes.plot(
                batches, ms, marker="o", markersize=4, label=f"{threads} thread{'s' if threads > 1 else ''}", **style
            )
        axes.plot(
            batches, [ms[-1] * b / batches[-1] for b in batches], color="#555555", linewidth=0.7, linestyle=":",
            label="in proportion",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="batch", ylabel="ms a step")
        axes.set_title(result["row"], fontsize=9)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(batches, [str(b) for b in batches])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return figure
