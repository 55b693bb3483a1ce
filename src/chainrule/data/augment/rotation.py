"""Rotation about the middle of the image, by an angle of its own for each.

    (y', x') = R(−θ) (y, x)        out[n, :, y, x] = x[n, :, y', x']

in coordinates from the middle; between pixels the four neighbours are weighted by their distances (bilinear), or the
nearest is taken. Beyond the edge lies zero. A positive angle turns the picture anticlockwise.
Source: Szeliski, "Computer vision", 2nd edition, section 3.6.1 (inverse warping).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chainrule.data.augment.transform import Transform, require_images, require_one_each, uniform
from chainrule.errors import require_number, unknown

INTERPOLATIONS = ("bilinear", "nearest")


def rotate(x: np.ndarray, degrees: np.ndarray, interpolation: str = "bilinear") -> np.ndarray:
    """x (N, C, H, W) with image n turned anticlockwise by degrees[n]; bytes are rounded to the nearest.

    >>> rotate(np.array([[[[1, 2], [3, 4]]]], np.uint8), np.array([90.0])).tolist()
    [[[[2, 4], [1, 3]]]]
    """
    require_images("rotate", x)
    degrees = require_one_each("rotate", "degrees", degrees, x, "f", -360, 360)
    if interpolation not in INTERPOLATIONS:
        raise unknown("interpolation", interpolation, INTERPOLATIONS)
    out = np.empty(x.shape, x.dtype)
    for n, angle in enumerate(degrees.tolist()):  # an image at a time, so that the work stays in cache
        y_source, x_source = _sources(x.shape[2], x.shape[3], angle)
        out[n] = (_bilinear if interpolation == "bilinear" else _nearest)(x[n], y_source, x_source)
    return out


def _sources(height: int, width: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel comes from: row and column (H, W)."""
    angle = math.radians(degrees)
    # The last bits of sines differ between machines; these steps hide that, and make 90 degrees exact.
    cos, sin = (round(f(angle) * 2.0**30) * 2.0**-30 for f in (math.cos, math.sin))
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = np.arange(height)[:, None] - middle_y, np.arange(width)[None, :] - middle_x
    return cos * y + sin * x + middle_y, cos * x - sin * y + middle_x


def _nearest(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    pixels, first, _ = _framed(image, np.rint(y), np.rint(x))
    taken: np.ndarray = pixels.take(first, axis=1)
    return taken


def _bilinear(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    y, x = np.clip(y, -1, image.shape[1]), np.clip(x, -1, image.shape[2])  # beyond, all four neighbours are zero
    top, left = np.floor(y), np.floor(x)
    down, right = y - top, x - left  # in [0, 1)
    pixels, first, below = _framed(image.astype(np.float64), top, left)
    mixed = (1 - down) * ((1 - right) * pixels.take(first, axis=1) + right * pixels.take(first + 1, axis=1))
    first += below
    mixed += down * ((1 - right) * pixels.take(first, axis=1) + right * pixels.take(first + 1, axis=1))  # (C, H, W)
    return np.rint(mixed) if image.dtype == np.uint8 else mixed


def _framed(image: np.ndarray, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The image in a frame of zeros, flat (C, ...); where in it pixel (i, j) lies, (H, W); how far the one below is.

    The frame is one pixel wide, and two at the bottom and on the right, so that each pixel has neighbours there.
    """
    channels, height, width = image.shape
    framed = np.zeros((channels, height + 3, width + 3), image.dtype)
    framed[:, 1 : height + 1, 1 : width + 1] = image
    i, j = np.clip(i, -1, height) + 1, np.clip(j, -1, width) + 1
    return framed.reshape(channels, -1), (i * (width + 3) + j).astype(np.int64), width + 3


@dataclass(frozen=True)
class Rotation(Transform):
    """Each image turned about its middle by an angle from [−`degrees`, `degrees`].

    interpolation: "bilinear" or "nearest".
    """

    degrees: float
    interpolation: Literal["bilinear", "nearest"] = "bilinear"

    words = 1

    def __post_init__(self) -> None:
        require_number(self.name, "degrees", self.degrees, low=0, high=180)
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """The angle from one word."""
        return rotate(x, uniform(words[0], -self.degrees, self.degrees), self.interpolation)
