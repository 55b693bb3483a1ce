"""Grids of images, as the course notebooks show weights and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.require import as_numbers
from chainrule.typed import typed


@typed
def visualize_grid(Xs: Any, ubound: float = 255.0, padding: int = 1) -> np.ndarray:
    """Images (N, H, W, C) in a square grid, each stretched to [0, ubound], with `padding` black pixels between them."""
    Xs = _images("visualize_grid", Xs)
    n, h, w, c = Xs.shape
    side = math.ceil(math.sqrt(n))
    grid = np.zeros(((h + padding) * side - padding, (w + padding) * side - padding, c))
    for number, image in enumerate(Xs):
        top, left = (h + padding) * (number // side), (w + padding) * (number % side)
        grid[top : top + h, left : left + w] = ubound * _stretched(image)
    return grid


def vis_grid(Xs: Any) -> np.ndarray:
    """Images (N, H, W, C) in a square grid, stretched to [0, 1] together, a dark line of one pixel after each."""
    Xs = _images("vis_grid", Xs)
    n, side = len(Xs), math.ceil(math.sqrt(len(Xs)))
    return _stretched(_tiled([list(Xs[row * side : min((row + 1) * side, n)]) for row in range(side)], side, Xs.min()))


@typed
def vis_nn(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """Rows of images (H, W, C) in a grid, stretched to [0, 1] together, one white pixel (of value 1) between them."""
    if not len(rows) or not len(rows[0]):
        raise ShapeError("vis_nn: rows must hold at least one row of at least one image")
    return _stretched(_tiled([[np.asarray(image) for image in row] for row in rows], len(rows[0]), 1))


def show_net_weights(model: Any) -> None:
    """Show the first layer's weights of a network on 32 × 32 colour images, one tile a unit."""
    import matplotlib.pyplot as plt

    W = model.params["theta1" if "theta1" in model.params else "W1"]
    if W.ndim != 4 and W.shape[0] != 3 * 32 * 32:
        raise ShapeError(f"show_net_weights: first weights must be of 32 x 32 colour images, got shape {W.shape}")
    images = W.transpose(0, 2, 3, 1) if W.ndim == 4 else W.reshape(3, 32, 32, -1).transpose(3, 1, 2, 0)
    plt.imshow(visualize_grid(images, padding=3).astype("uint8"))
    plt.gca().axis("off")
    plt.show()


def _tiled(rows: Sequence[Sequence[np.ndarray]], columns: int, background: Any) -> np.ndarray:
    h, w, c = rows[0][0].shape
    grid = np.full((len(rows) * (h + 1), columns * (w + 1), c), background, rows[0][0].dtype)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            if image.shape != (h, w, c):
                raise ShapeError(f"images must all have shape {(h, w, c)}, got {image.shape}")
            grid[i * (h + 1) : i * (h + 1) + h, j * (w + 1) : j * (w + 1) + w] = image
    return grid


def _stretched(image: np.ndarray) -> np.ndarray:
    low, high = float(image.min()), float(image.max())
    return (image - low) / (high - low) if high > low else np.zeros(image.shape)


def _images(owner: str, Xs: Any) -> np.ndarray:
    Xs = as_numbers(owner, "Xs", Xs)
    if Xs.ndim != 4 or Xs.size == 0:
        raise ShapeError(f"{owner}: Xs must have axes (N, H, W, C) and hold at least one image, got shape {Xs.shape}")
    return Xs
