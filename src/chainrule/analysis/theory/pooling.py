"""Where pooling sends gradients: to the entry that won, or in equal shares to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array
from chainrule.errors import require_number
from chainrule.layers import AveragePool2D, MaxPool2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run(*, side: int = 6, size: int = 2, stride: int | None = None, seed: int = 0) -> Finding:
    """Pool a small image of random digits, and send a gradient back.

    Parameters
    ----------
    side
        Rows and columns of the image.
    size
        Rows and columns of a window.
    stride
        The distance of windows; the size if not given.
    seed
        Of the image and the gradient.
    """
    require_number("pooling", "side", side, integer=True, low=1, high=30)
    require_number("pooling", "seed", seed, integer=True, low=0)
    largest, mean = MaxPool2D(size, stride), AveragePool2D(size, stride)
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 10, (1, 1, side, side)).astype(float)
    y, cache = largest.forward(x, {})
    averages, mean_cache = mean.forward(x, {})
    dout = rng.integers(1, 10, y.shape).astype(float)
    to_winners = largest.backward(dout, cache)["x"]
    to_all = mean.backward(dout, mean_cache)["x"]
    parts = {
        "image": x,
        "largest": y,
        "averages": averages,
        "gradient of the output": dout,
        "max pooling: to the winners": to_winners,
        "average pooling: to all": to_all,
    }
    matrices = {name: value[0, 0] for name, value in parts.items()}
    text = "\n\n".join(f"{name}\n{_matrix(value)}" for name, value in matrices.items())
    sums = {"output": float(dout.sum()), "max": float(to_winners.sum()), "average": float(to_all.sum())}
    text += (
        f"\n\nsums of the gradients: output {sums['output']:g}, max pooling {sums['max']:g}, "
        f"average pooling {sums['average']:g}\nof equal entries the first in the window wins"
    )
    data = {"sums": sums, **{name: value.tolist() for name, value in matrices.items()}}
    return Finding(text, data, lambda: _figure(matrices))


def _matrix(values: Array) -> str:
    rows = [[f"{v:.4g}" for v in row] for row in values]
    width = max(len(v) for row in rows for v in row)
    return "\n".join("  ".join(v.rjust(width) for v in row) for row in rows)


def _figure(matrices: dict[str, Array]) -> Figure:
    from chainrule.report.plots import new_figure

    figure = new_figure((11, 7.5))
    for axes, (name, values) in zip(figure.subplots(2, 3).flat, matrices.items(), strict=True):
        back = "gradient" in name or "pooling" in name
        axes.imshow(values, cmap="Oranges" if back else "Blues", vmin=0, vmax=max(float(values.max()), 1) * 1.4)
        if values.size <= 144:
            for i, j in np.ndindex(*values.shape):
                axes.text(j, i, f"{values[i, j]:.3g}", ha="center", va="center", fontsize=9)
        axes.set(title=name, xticks=[], yticks=[])
    return figure


TOPIC = Topic("pooling", "Max pooling sends the gradient to the winners, average pooling to all.", run)
