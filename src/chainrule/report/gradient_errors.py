"""Where a gradient is wrong, as a picture: the relative error of every entry, one panel an argument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.check import Diagnosis
from chainrule.check.diagnosis.findings import Row
from chainrule.check.diagnosis.text import plane
from chainrule.errors import ConfigError
from chainrule.report.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS = 12
FLOOR = 1e-10  # smaller errors are drawn like this one


def gradient_errors_figure(diagnoses: Sequence[Diagnosis]) -> Figure:
    """Heat maps of log10 of the relative errors; those of wrong gradients only, if there are any.

    Of arrays with four axes, images are tiles, examples down and channels across. At most 12 panels. Raises
    `ConfigError` where no gradient can be drawn, as all have the wrong shape.
    """
    rows = [(d, row) for d in diagnoses for row in d.table if row.errors is not None]
    chosen = [(d, row) for d, row in rows if not row.right] or rows
    if not chosen:
        raise ConfigError("gradcheck: no gradient has the shape of its argument, so there is nothing to draw")
    chosen = chosen[:MOST_PANELS]
    across = min(len(chosen), 3)
    down = math.ceil(len(chosen) / across)
    figure = new_figure((3.6 * across + 0.9, 2.9 * down + 0.3))
    panels = figure.subplots(down, across, squeeze=False).reshape(-1)
    image = None
    for axes, (diagnosis, row) in zip(panels, chosen, strict=False):
        errors = _tiled(row)
        logs = np.log10(np.clip(errors, FLOOR, 1))
        image = axes.imshow(logs, cmap="magma", vmin=math.log10(FLOOR), vmax=0, interpolation="nearest", aspect="auto")
        axes.set_title(f"d{row.argument} {_shape(row)} of {diagnosis.name}", fontsize=9)
        axes.set_xticks(_ticks(errors.shape[1]))
        axes.set_yticks(_ticks(errors.shape[0]))
        axes.tick_params(labelsize=7)
        if len(row.shape) == 4:
            height, width = row.shape[2:]
            axes.set_xticks(np.arange(width, errors.shape[1], width) - 0.5, minor=True)
            axes.set_yticks(np.arange(height, errors.shape[0], height) - 0.5, minor=True)
            axes.grid(which="minor", color="#0072B2", linewidth=1.5)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(f"axis 1 ({row.shape[1]}), each {height} × {width}", fontsize=8)
            axes.set_ylabel(f"axis 0 ({row.shape[0]})", fontsize=8)
            axes.tick_params(which="minor", length=0)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=list(panels[: len(chosen)]), shrink=0.9)
    bar.set_label("relative error", fontsize=9)
    bar.set_ticks([-10, -8, -6, -4, -2, 0], labels=["≤ 1e-10", "1e-8", "1e-6", "1e-4", "1e-2", "≥ 1"])
    bar.ax.tick_params(labelsize=8)
    return figure


def _tiled(row: Row) -> np.ndarray:
    """The errors in two axes: images of four axes as tiles, N down and C across."""
    if len(row.shape) != 4:
        return plane(row)
    errors = np.array(row.errors, dtype=float).reshape(row.shape)
    errors = np.where(np.isfinite(errors), errors, 1.0)
    n, c, h, w = row.shape
    return np.asarray(errors.transpose(0, 2, 1, 3).reshape(n * h, c * w))


def _shape(row: Row) -> str:
    return str(row.shape)


def _ticks(n: int) -> list[int]:
    return list(range(0, n, max(1, math.ceil(n / 10))))
