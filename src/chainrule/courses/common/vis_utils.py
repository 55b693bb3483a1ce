"""Grids of images, as the course notebooks show weights and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ConfigError, ShapeError, require_number
from chainrule.require import as_numbers
from chainrule.typed import typed


@typed
def visualize_grid(Xs: Any, ubound: float = 255.0, padding: int = 1) -> np.ndarray:
    """Images (N, H, W, C) in a square grid, each stretched to [0, ubound], with `padding` black pixels between them."""
    Xs = _images("visualize_grid", Xs)
    require_number("visualize_grid", "padding", padding, integer=True, low=0, high=10**6)
    n, h, w, c = Xs.shape
    side = math.ceil(math.sqrt(n))
    shape = ((h + padding) * side - padding, (w + padding) * side - padding, c)
    try:
        grid = np.zeros(shape)
    except (MemoryError, ValueError):
        raise ConfigError(f"visualize_grid: the grid must fit in memory, got padding {padding}: {shape}") from None
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
    images = [[as_numbers("vis_nn", "each image in rows", image) for image in row] for row in rows]
    if any(len(row) != len(images[0]) for row in images):
        raise ShapeError(f"vis_nn: rows must hold equally many images, got {[len(row) for row in images][:20]}")
    first = images[0][0]
    if first.ndim != 3 or first.size == 0:
        raise ShapeError(f"vis_nn: each image in rows must have axes (H, W, C) and a pixel, got shape {first.shape}")
    return _stretched(_tiled(images, len(images[0]), 1))


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
                raise ShapeError(f"vis_nn: images in rows must all have shape {(h, w, c)}, got {image.shape}")
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
