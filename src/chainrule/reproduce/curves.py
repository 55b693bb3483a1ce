"""A small picture of each row: training loss and validation accuracy by epoch, a line for each variant or seed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from chainrule.recipes import Study
from chainrule.report.plots import BLUE, ORANGE, new_figure
from chainrule.reproduce.jobs import Row
from chainrule.reproduce.rows import Outcomes, variant_jobs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI, COLORS = 80, 32  # small files: lines need few colours
MOST_DOUBLED = 4  # variants whose training accuracy is drawn too
DASHES = ("-", "--", ":", "-.")
MOST_LABELS = 8  # lines that a legend beside the axes has room for


def curves_png(row: Row, outcomes: Outcomes) -> bytes | None:
    """The picture as a PNG; None where no training has an epoch behind it."""
    from PIL import Image

    if not any(outcomes[job.key].epochs for job in row.jobs):
        return None
    content = io.BytesIO()
    curves(row, outcomes).savefig(content, format="png", dpi=DPI)
    small = io.BytesIO()
    with Image.open(content) as image:
        image.convert("RGB").quantize(COLORS).save(small, format="png", optimize=True)
    return small.getvalue()


def curves(row: Row, outcomes: Outcomes) -> Figure:
    """The figure: loss on the left, accuracy on the right."""
    study = isinstance(row.declared, Study)
    figure = new_figure((9.5 if study else 7.5, 2.7))
    left, right = figure.subplots(1, 2)
    if study:
        _variants(row, outcomes, left, right)
    else:
        _seeds(row, outcomes, left, right)
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="accuracy")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    return figure


def _seeds(row: Row, outcomes: Outcomes, left: Any, right: Any) -> None:
    """Every seed of a recipe: its accuracy on training and validation rows."""
    for i, job in enumerate(row.jobs):
        epochs = outcomes[job.key].epochs
        left.plot(*_line(epochs, "loss"), color=BLUE, linewidth=1.2)
        for score, name, color in (("train_acc", "training", BLUE), ("val_acc", "validation", ORANGE)):
            right.plot(*_line(epochs, score), color=color, linewidth=1.2, label=name if i == 0 else None)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    _log_where_wide(left)


def _variants(row: Row, outcomes: Outcomes, left: Any, right: Any) -> None:
    """Every variant of a study, by its first seed: its accuracy on the validation rows."""
    groups = variant_jobs(row)
    doubled = len(groups) <= MOST_DOUBLED
    for (name, jobs), style in zip(groups.items(), _styles(row), strict=True):
        epochs = outcomes[jobs[0].key].epochs
        left.plot(*_line(epochs, "loss"), **style, label=name)
        right.plot(*_line(epochs, "val_acc"), **style)
        if doubled:
            right.plot(*_line(epochs, "train_acc"), **{**style, "linestyle": "--"})
    right.set_title("validation (dashed: training)" if doubled else "validation", fontsize=9)
    size = 8 if len(groups) <= MOST_LABELS else 6.5
    handles, names = left.get_legend_handles_labels()
    left.figure.legend(handles, names, loc="outside right center", frameon=False, fontsize=size, handlelength=2.5)
    _log_where_wide(left)


def _styles(row: Row) -> list[dict[str, Any]]:
    """A colour for each variant; of variants with a grid, a colour for each value and a dash for each variant."""
    from matplotlib import colormaps

    assert isinstance(row.declared, Study)
    count, named = len(variant_jobs(row)), len(row.declared.variants)
    values = count // named if 1 < named <= len(DASHES) and named < count else count
    shades = [colormaps["viridis"](i / max(values - 1, 1) * 0.85) for i in range(values)]
    return [{"color": shades[i % values], "linestyle": DASHES[i // values], "linewidth": 1.3} for i in range(count)]


def _log_where_wide(axes: Any) -> None:
    values = [v for line in axes.get_lines() for v in line.get_ydata() if v == v]
    if values and min(values) > 0 and max(values) / min(values) > 30:
        axes.set_yscale("log")


def _line(epochs: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    return [e["epoch"] for e in epochs], [float("nan") if e[name] is None else e[name] for e in epochs]
