"""Pictures of what a network has learned: its first filters, its first affine weights, its feature maps.

Arrays become pictures by `image_grid`; the figures are drawn like those of `plots`, without global state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, require_number
from chainrule.layers import Affine, Conv2D, Layer
from chainrule.layers.sequential import Composite, split_params
from chainrule.network import Network
from chainrule.report.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def image_grid(images: Array, padding: int = 1, columns: int | None = None, *, shared: bool = False) -> Array:
    """Images (N, C, H, W) side by side as one picture, (H', W', 3) for C = 3 and (H', W') for C = 1, in [0, 1].

    Each image is stretched so that its lowest number is black and its highest white; with `shared`, all by the same
    numbers, so that strong and weak images can be told apart. padding: pixels of white between images.

    >>> image_grid(np.zeros((5, 1, 2, 2))).shape
    (5, 8)
    """
    x = np.asarray(images)
    if x.dtype.kind not in "fiub":
        raise DTypeError(f"image_grid: images must be an array of numbers, got {describe(images)}")
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape:
        raise ShapeError(f"image_grid: images have axes (N, C, H, W) with C = 1 or 3, got shape {x.shape}")
    require_number("image_grid", "padding", padding, integer=True, low=0)
    n, c, h, w = x.shape
    across = math.ceil(math.sqrt(n)) if columns is None else columns
    require_number("image_grid", "columns", across, integer=True, low=1)
    down = math.ceil(n / across)
    x = x.astype(np.float64)
    axes = None if shared else (1, 2, 3)
    low, high = x.min(axis=axes, keepdims=True), x.max(axis=axes, keepdims=True)
    x = (x - low) / np.where(high > low, high - low, 1.0)  # (N, C, H, W) in [0, 1]
    grid = np.ones((down * (h + padding) - padding, across * (w + padding) - padding, c))
    for i, image in enumerate(x):
        top, left = (i // across) * (h + padding), (i % across) * (w + padding)
        grid[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return grid[..., 0] if c == 1 else grid


def first_weights(network: Network, limit: int = 100) -> tuple[Array, str]:
    """What the first layer with weights looks for, as images (K, C, H, W), and what they are.

    A convolution's filters; an affine layer's columns, one a unit, in the shape of the input image. Images of other
    than 1 or 3 channels are shown channel by channel. At most `limit` images are returned.
    """
    for layer, params, shape in _walk(network):
        W = params.get("W")
        if W is None:
            continue
        if isinstance(layer, Conv2D):
            return _viewable(W, limit), f"filters of {layer.name}"
        if isinstance(layer, Affine):
            image = _image_shape(network.input_shape, W.shape[0])
            return _viewable(W.T.reshape(-1, *image), limit), f"weights of {layer.name}, one image a unit"
        raise ConfigError(f"the first layer with weights is {layer.name}, of input {shape}; it has no pictures")
    raise ConfigError("the network has no layer with weights to show")


def feature_maps(network: Network, image: Array) -> list[tuple[str, Array]]:
    """The output (C, H, W) of every layer that puts out images, for one input of the network's shape, with its name."""
    x = network.as_input(np.asarray(image)[None])
    maps = [(f"{i} {layer.name}", out[0]) for i, (layer, out) in enumerate(_outputs(network, x)) if out.ndim == 4]
    if not maps:
        raise ConfigError("no layer of the network puts out images (C, H, W); feature maps need a convolution")
    return maps


def weights_figure(network: Network, title: str) -> Figure:
    """`first_weights` as one grid."""
    images, what = first_weights(network)
    grid = image_grid(images)
    figure = new_figure((6.0, 6.0 * grid.shape[0] / grid.shape[1] + 0.6))
    axes = figure.subplots()
    _show(axes, grid, f"{title}: {what}")
    return figure


def feature_maps_figure(network: Network, image: Array, title: str) -> Figure:
    """The input and the feature maps of every layer that keeps them as images, one row a layer, 12 maps at most."""
    maps = feature_maps(network, image)
    first = network.as_input(np.asarray(image)[None])[0]
    rows = [("input", first if first.shape[0] in (1, 3) else first[:, None])] + [(n, m[:12, None]) for n, m in maps]
    figure = new_figure((10.0, 0.95 * len(rows) + 0.6))
    for axes, (name, images) in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        batch = images if images.ndim == 4 else images[None]
        grid = image_grid(batch, columns=12)
        if grid.ndim == 2 and len(batch) < 12:  # a short row keeps the scale of a full one
            width = 12 * (batch.shape[3] + 1) - 1
            grid = np.pad(grid, ((0, 0), (0, width - grid.shape[1])), constant_values=1.0)
        _show(axes, grid, "")
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.suptitle(title)
    return figure


def _show(axes: object, grid: Array, title: str) -> None:
    axes.imshow(grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")  # type: ignore[attr-defined]
    axes.set(xticks=[], yticks=[], title=title)  # type: ignore[attr-defined]
    axes.spines[:].set_visible(False)  # type: ignore[attr-defined]


def _viewable(images: Array, limit: int) -> Array:
    """(K, C, H, W) with C = 1 or 3: other images are cut into their channels."""
    if images.shape[1] not in (1, 3):
        images = images.reshape(-1, 1, *images.shape[2:])
    return images[:limit]


def _image_shape(input_shape: Shape, size: int) -> Shape:
    if len(input_shape) == 3 and math.prod(input_shape) == size:
        return input_shape
    side = math.isqrt(size)
    if side * side == size:
        return (1, side, side)
    side = math.isqrt(size // 3)
    if 3 * side * side == size:
        return (3, side, side)
    return (1, 1, size)  # no image: each unit is a row of its weights


def _walk(network: Network) -> Iterator[tuple[Layer, dict[str, Array], Shape]]:
    shape: Shape = (1, *network.input_shape)
    for layer, params in split_params(network.layers, network.tensors):
        if isinstance(layer, Composite) and layer.params:
            raise ConfigError(f"the first layer with weights is inside a {layer.name}, which has no single picture")
        yield layer, params, shape
        shape = layer.output_shape(shape)


def _outputs(network: Network, x: Array) -> Iterator[tuple[Layer, Array]]:
    return zip(network.layers, network.body.outputs(x, network.tensors), strict=True)
