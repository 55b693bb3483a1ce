"""Derivatives by convolution: the central difference, Prewitt's and Sobel's masks, and gradients through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.analysis.masks import DERIVATIVE, PREWITT, SOBEL, convolve, gradient_images
from chainrule.analysis.theory.gradient_errors import layer_error
from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array
from chainrule.layers import Conv2D
from chainrule.summary import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run(*, image: str | None = None, seed: int = 0) -> Finding:
    """Differentiate a signal and a photograph by masks, and check the gradients of a strided convolution.

    Parameters
    ----------
    image
        An image file; a photograph that comes with scikit-learn if not given.
    seed
        Of the signal and of the gradient check.
    """
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=100)
    off = float(np.max(abs(convolve(signal, DERIVATIVE) - (signal[2:] - signal[:-2]) / 2)))
    grey = _grey(image)
    edges = {name: gradient_images(grey, mask) for name, mask in (("Prewitt", PREWITT), ("Sobel", SOBEL))}
    rows = [
        (name, *(f"{np.mean(abs(part)):.3f}" for part in parts), f"{parts[2].max():.3f}")
        for name, parts in edges.items()
    ]
    # strided correlation over several channels, as networks compute it
    layer, shape = Conv2D(2, 3, stride=2, bias=False), (2, 3, 7, 9)
    error = layer_error(layer, shape, seed)
    text = [
        f"G[−1] = ½, G[1] = −½: the largest error against (I[t+1] − I[t−1])/2 on a random signal is {off:g}",
        f"image of {grey.shape[0]} × {grey.shape[1]} pixels, grey from 0 to 1",
        aligned(("mask", "mean |across|", "mean |upwards|", "mean magnitude", "largest"), rows),
        "gradients of a correlation with stride 2 over 3 channels, for image and mask, beside numerical ones: "
        f"largest relative error {error:.0e}",
    ]
    data: dict[str, Any] = {
        "signal_error": off,
        "image_shape": grey.shape,
        "mean_magnitude": {name: float(parts[2].mean()) for name, parts in edges.items()},
        "gradient_error": error,
    }
    return Finding("\n".join(text), data, lambda: _figure(grey, edges))


def _grey(path: str | None) -> Array:
    """The image as (H, W) from 0 to 1, by the weights of ITU-R BT.601."""
    if path is None:
        from sklearn.datasets import load_sample_image

        pixels = np.asarray(load_sample_image("china.jpg"), dtype=np.float64)  # (427, 640, 3)
    else:
        pixels = _opened(path)
    return pixels @ np.array([0.299, 0.587, 0.114]) / 255


def _opened(path: str) -> Array:
    from chainrule.data.image_file import BadImageError, decoding, open_image
    from chainrule.errors import DataError

    with open(path, "rb") as file:
        content = file.read()
    with decoding():
        try:
            picture, _ = open_image(content)
            return np.asarray(picture.convert("RGB"), dtype=np.float64)
        except BadImageError as bad:
            raise DataError(f"masks: {path}: {bad}") from None


def _figure(grey: Array, edges: dict[str, tuple[Array, Array, Array]]) -> Figure:
    from chainrule.report.plots import new_figure

    height = 11.0 * grey.shape[0] / grey.shape[1] / 4 + 0.6
    figure = new_figure((12.0, 2 * height))
    titles = ("across", "upwards", "magnitude")
    for row, (name, parts) in zip(figure.subplots(2, 4), edges.items(), strict=True):
        row[0].imshow(grey, cmap="gray", vmin=0, vmax=1)
        row[0].set_title("image")
        reach = float(np.quantile(parts[2], 0.99))  # the strongest edges would leave the others grey
        for axes, part, title in zip(row[1:], parts, titles, strict=True):
            signed = title != "magnitude"
            axes.imshow(part, cmap="gray", vmin=-reach if signed else 0, vmax=reach)
            axes.set_title(f"{name}, {title}")
        for axes in row:
            axes.set(xticks=[], yticks=[])
    return figure


TOPIC = Topic("masks", "Convolution masks differentiate signals and images.", run)
