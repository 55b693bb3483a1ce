"""Cutout: a square of the image is blotted out.

Its centre is drawn from all pixels, so squares at the border are cut off by it. It works on normalised numbers, where
the default 0 is the mean.
Source: DeVries & Taylor, "Improved regularization of convolutional neural networks with cutout", 2017, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.data.augment.transform import Transform, integers, require_images, require_one_each
from chainrule.errors import ConfigError, require_number


def cutout(x: np.ndarray, cy: np.ndarray, cx: np.ndarray, size: int, fill: float = 0.0) -> np.ndarray:
    """A copy of x (N, C, H, W) with `fill` in the square of `size` pixels whose middle is (cy[n], cx[n]).

    >>> cutout(np.ones((1, 1, 1, 5)), np.array([0]), np.array([4]), 3).tolist()
    [[[[1.0, 1.0, 1.0, 0.0, 0.0]]]]
    """
    require_images("cutout", x)
    cy = require_one_each("cutout", "cy", cy, x, "iu", 0, x.shape[2] - 1).astype(np.int64)
    cx = require_one_each("cutout", "cx", cx, x, "iu", 0, x.shape[3] - 1).astype(np.int64)
    require_number("cutout", "size", size, integer=True, low=1)
    require_number("cutout", "fill", fill)
    if x.dtype == np.uint8 and not (0 <= fill <= 255 and float(fill).is_integer()):
        raise ConfigError(f"cutout: fill must be an integer from 0 to 255 for bytes, got {fill!r}")
    top, left = cy - size // 2, cx - size // 2
    return np.where(inside(x, top, left, top + size, left + size), x.dtype.type(fill), x)


def inside(x: np.ndarray, top: np.ndarray, left: np.ndarray, bottom: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, 1, H, W): True from row `top` to before `bottom` and from column `left` to before `right`, each (N,)."""
    i, j = np.arange(x.shape[2]), np.arange(x.shape[3])
    rows = (i >= top[:, None]) & (i < bottom[:, None])  # (N, H)
    columns = (j >= left[:, None]) & (j < right[:, None])  # (N, W)
    mask: np.ndarray = (rows[:, :, None] & columns[:, None, :])[:, None]
    return mask


@dataclass(frozen=True)
class Cutout(Transform):
    """A square of `size` pixels around a random pixel set to `fill`, after normalising."""

    size: int
    fill: float = 0.0

    words = 2
    after_normalizing = True

    def __post_init__(self) -> None:
        require_number(self.name, "size", self.size, integer=True, low=1)
        require_number(self.name, "fill", self.fill)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """The middle drawn from all H · W pixels."""
        return cutout(x, integers(words[0], x.shape[2]), integers(words[1], x.shape[3]), self.size, self.fill)
