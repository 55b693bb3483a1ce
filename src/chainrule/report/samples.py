"""A picture of a data set: some images of every class, with the names and the counts of the classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import Dataset
from chainrule.errors import ConfigError
from chainrule.report.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 12  # images of a class
MOST_ROWS = 20  # classes, up to which each has a row of its own
GAP = (0.62, 0.70, 0.80)  # between images: a colour that neither black nor white ones run into
MOST_TILES = 100  # classes shown beyond that, one image each


def samples_figure(data: Dataset, scale: float | None, title: str) -> Figure:
    """A row of images for each class, spread evenly over the data set; for many classes one image each.

    scale: the number that is drawn white (black is 0); without it the highest of the images drawn.
    Raises `ConfigError` where rows are no images of 1 or 3 channels, or have no classes.
    """
    if len(data.input_shape) != 3 or data.input_shape[0] not in (1, 3) or not data.has_labels:
        raise ConfigError(f"pictures need images (C, H, W) of 1 or 3 channels with labels, got {data}")
    counts = data.class_counts()
    labels = [label for label in range(len(counts)) if counts[label]]
    names = [str(label) for label in range(len(counts))] if data.class_names is None else list(data.class_names)
    return (_rows if len(labels) <= MOST_ROWS else _tiles)(data, scale, title, labels, names, counts)


def _rows(data: Dataset, scale: float | None, title: str, labels: list[int], names: list[str], counts: Any) -> Figure:
    across = min(ACROSS, int(max(counts)))
    _, height, width = data.input_shape
    images = []
    for label in labels:
        chosen = data.X[_chosen(data, label, across)].astype(np.float64)
        missing = np.full((across - len(chosen), *data.input_shape), np.nan)
        images.append(np.concatenate([chosen, missing]))
    gap = max(1, round(max(height, width) / 20))
    grid = _grid(_scaled(np.concatenate(images), scale), across, gap)
    tile = 0.55  # inches
    figure = new_figure((across * tile * max(width / height, 0.4) + 2.6, len(labels) * tile + 0.9))
    axes = figure.subplots()
    _draw(axes, grid)
    centres = [gap + i * (height + gap) + height / 2 - 0.5 for i in range(len(labels))]
    axes.set_yticks(centres, [_short(names[label]) for label in labels])
    right = axes.secondary_yaxis("right")
    right.set_yticks(centres, [f"{counts[label]:,}" for label in labels])
    for side in (axes.yaxis, right.yaxis):
        side.set_tick_params(length=0)
    right.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11)
    return figure


def _tiles(data: Dataset, scale: float | None, title: str, labels: list[int], names: list[str], counts: Any) -> Figure:
    shown = labels[:MOST_TILES]
    across = 10
    down = math.ceil(len(shown) / across)
    figure = new_figure((across * 1.0, down * 1.15 + 0.8))
    places = figure.subplots(down, across, squeeze=False).ravel()
    images = _scaled(data.X[[_chosen(data, label, 1)[0] for label in shown]], scale)
    for axes, label, image in zip(places, shown, images, strict=False):
        _draw(axes, image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=GAP)
        axes.set_title(f"{_short(names[label])}\n{counts[label]:,}", fontsize=7, pad=2)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    rest = f" (the first {len(shown)} of {len(labels)} classes)" if len(shown) < len(labels) else ""
    figure.suptitle(title + rest, fontsize=11)
    return figure


def _chosen(data: Dataset, label: int, count: int) -> np.ndarray:
    rows = np.flatnonzero(data.y == label)
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


def _grid(images: np.ndarray, across: int, gap: int) -> np.ndarray:
    """Images (N, C, H, W) side by side, (H', W', 3); `GAP` around each, and in place of those of NaN."""
    n, _, height, width = images.shape
    grid = np.empty(((n // across) * (height + gap) + gap, across * (width + gap) + gap, 3))
    grid[...] = GAP
    for i, image in enumerate(images):
        top, left = (i // across) * (height + gap) + gap, (i % across) * (width + gap) + gap
        if not np.isnan(image).any():
            grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid


def _scaled(images: np.ndarray, scale: float | None) -> np.ndarray:
    """The images in [0, 1]; shown as they are, not stretched."""
    top = float(np.nanmax(images)) if scale is None else scale
    return np.clip(images / (top if top > 0 else 1.0), 0.0, 1.0)


def _draw(axes: Any, picture: np.ndarray) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"
