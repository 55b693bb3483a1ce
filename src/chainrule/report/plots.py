"""The figures of a run: learning curves and the confusion matrix.

Drawn with matplotlib's Figure objects on the Agg canvas, so no window system, backend or global state is involved.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import DTypeError, ShapeError, WriteError, describe
from chainrule.files import write_atomically
from chainrule.require import as_numbers
from chainrule.typed import typed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.solver import History

# Okabe & Ito's colours, told apart with any colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#B8B8B8"
MAX_ANNOTATED = 25  # classes; beyond, counts would not be legible


@typed
def curves_figure(history: History, title: str, score: str = "accuracy") -> Figure:
    """The loss of every step, with its running mean, beside the score on both sets after every epoch."""
    if not hasattr(history, "loss_history"):
        raise DTypeError(f"curves_figure: history must be a History, got {describe(history)}")
    figure = new_figure((10, 4))
    left, right = figure.subplots(1, 2)
    losses = np.asarray(history.loss_history, dtype=float)  # (steps,)
    steps = np.arange(1, len(losses) + 1)
    left.plot(steps, losses, color=GREY, linewidth=0.7, label="each step")
    window = max(len(losses) // 50, 1)
    if window > 1:
        left.plot(steps[window - 1 :], moving_average(losses, window), color=BLUE, label=f"mean of {window} steps")
    if len(losses) and losses.min() > 0 and losses.max() / losses.min() > 30:
        left.set_yscale("log")
    left.set(xlabel="step", ylabel="training loss", title="Loss")

    epochs = [record.epoch for record in history.epochs]
    marker = "o" if len(epochs) <= 40 else None
    for scores, name, color in (
        ([record.train_acc for record in history.epochs], "training", BLUE),
        ([record.val_acc for record in history.epochs], "validation", ORANGE),
    ):
        last = f" ({scores[-1]:.3f} at the end)" if scores else ""
        right.plot(epochs, scores, color=color, marker=marker, markersize=3, label=name + last)
    right.set(xlabel="epoch", ylabel=score, title=score.capitalize())
    for axes, count in ((left, len(losses)), (right, epochs[-1] if epochs else 0)):
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if count <= 1:  # the limits around nothing, or one point, have no integer ticks but these
            axes.set(xlim=(0, 2), xticks=[1] if count else [])
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_lines():
            axes.legend(frameon=False)
    figure.suptitle(title)
    return figure


@typed
def confusion_figure(matrix: Array, class_names: Sequence[str], title: str) -> Figure:
    """Counts (C, C), true classes down, predicted across, coloured by the share of each true class."""
    classes = len(class_names)
    matrix = as_numbers("confusion_figure", "matrix", matrix)
    if classes == 0 or matrix.shape != (classes, classes) or not np.isfinite(matrix).all() or matrix.min() < 0:
        expected = f"finite counts of shape {(classes, classes)}, one row a class name"
        raise ShapeError(f"confusion_figure: matrix must be {expected}, got {describe(matrix)}")
    side = min(max(4.5, 1.8 + 0.5 * classes), 16.0)
    figure = new_figure((side + 0.9, side))
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (C, C)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    long_names = max(map(len, class_names)) > 3
    axes.set_xticks(
        range(classes), class_names, rotation=45 if long_names else 0, ha="right" if long_names else "center"
    )
    axes.set_yticks(range(classes), class_names)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    if classes <= MAX_ANNOTATED:
        for i, j in np.ndindex(classes, classes):
            if matrix[i, j]:
                color = "white" if shares[i, j] > 0.5 else "black"
                axes.text(j, i, f"{matrix[i, j]}", ha="center", va="center", color=color, fontsize=9)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.04)
    bar.set_label("share of the true class")
    return figure


@typed
def save_figure(figure: Figure, path: str | Path) -> None:
    """Write `figure` as a PNG, all or nothing."""
    if not callable(getattr(figure, "savefig", None)) or isinstance(figure, type):
        raise DTypeError(f"save_figure: figure must be a matplotlib figure, got {describe(figure)}")
    if Path(path).is_dir():
        words = "a folder has that name"
        raise WriteError(f"save_figure: path must be that of a file, got {path}: {words}", str(path), EISDIR, words)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font draws boxes for them; a line each says no more
        figure.savefig(content, format="png", bbox_inches="tight", pad_inches=0.15)  # nothing is ever cut off
    write_atomically(path, content.getvalue())


def moving_average(values: Array, window: int) -> Array:
    """The mean of each `window` neighbours, (N − window + 1,).

    >>> moving_average(np.array([1.0, 2.0, 6.0]), 2).tolist()
    [1.5, 4.0]
    """
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def new_figure(size: tuple[float, float]) -> Any:
    """An empty figure of `size` inches on a canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
