"""Crops and translations: every image moved by a whole number of pixels of its own.

    out[n, :, i, j] = x[n, :, i + dyₙ, j + dxₙ]

Beyond the edge lies zero, or the image reflected in its border pixels. A crop with padding p of an image of the same
size is a shift by dy, dx ∈ {−p, ..., p}.
Source: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", 2012,
section 4.1; padding by 4: Lee et al., "Deeply-supervised nets", 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.data.augment.transform import Transform, integers, require_images, require_one_each
from chainrule.errors import ConfigError, require_number, unknown

BORDERS = ("zero", "reflect")


def shift(x: np.ndarray, dy: np.ndarray, dx: np.ndarray, border: str = "zero") -> np.ndarray:
    """x (N, C, H, W) with image n moved up by dy[n] and left by dx[n] pixels (integers (N,), negative: down, right).

    border: what comes in, "zero" or "reflect".

    >>> shift(np.array([[[[1, 2, 3]]]], np.uint8), np.array([0]), np.array([1])).tolist()
    [[[[2, 3, 0]]]]
    """
    require_images("shift", x)
    if border not in BORDERS:
        raise unknown("border", border, BORDERS)
    least = 1 if border == "reflect" else 0
    height, width = x.shape[2] - least, x.shape[3] - least
    dy = require_one_each("shift", "dy", dy, x, "iu", -height, height).astype(np.int64)
    dx = require_one_each("shift", "dx", dx, x, "iu", -width, width).astype(np.int64)
    return _shift(x, dy, dx, int(np.abs(dy).max()), int(np.abs(dx).max()), border)


def _shift(x: np.ndarray, dy: np.ndarray, dx: np.ndarray, py: int, px: int, border: str) -> np.ndarray:
    """`shift` by at most py and px pixels: one gather out of the padded images."""
    n, c, h, w = x.shape
    padded = _pad(x, py, px, border)  # (N, C, H + 2 py, W + 2 px)
    s = padded.strides
    # A row of an image is one element of as many bytes, so that gathering moves rows, not pixels.
    line = np.dtype((np.void, w * x.itemsize))
    windows: Any = np.ndarray((n, 2 * py + 1, 2 * px + 1, c, h), line, padded.data, 0, (s[0], s[2], s[3], s[1], s[2]))
    return windows[np.arange(n), dy + py, dx + px].view(x.dtype).reshape(x.shape)


def _pad(x: np.ndarray, py: int, px: int, border: str) -> np.ndarray:
    n, c, h, w = x.shape
    out = np.zeros((n, c, h + 2 * py, w + 2 * px), x.dtype)
    out[:, :, py : py + h, px : px + w] = x
    if border == "reflect":
        if px:
            out[:, :, py : py + h, :px] = x[..., px:0:-1]
            out[:, :, py : py + h, w + px :] = x[..., w - px - 1 : w - 1][..., ::-1]
        if py:
            out[:, :, :py] = out[:, :, 2 * py : py : -1]
            out[:, :, h + py :] = out[:, :, h - 1 : h + py - 1][:, :, ::-1]
    return out


@dataclass(frozen=True)
class RandomCrop(Transform):
    """A crop of the image's own size, at a random place of the image padded by `padding` pixels on each side.

    border: what it is padded with, "zero" or "reflect".
    """

    padding: int
    border: Literal["zero", "reflect"] = "zero"

    words = 2

    def __post_init__(self) -> None:
        require_number(self.name, "padding", self.padding, integer=True, low=1)
        if self.border not in BORDERS:
            raise unknown("border", self.border, BORDERS)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """Shifts drawn from −padding ... padding along each axis."""
        p = self.padding
        if p > min(x.shape[2:]) - (self.border == "reflect"):
            raise ConfigError(f"{self.name}: padding must be less than the image, of x {x.shape[2:]}, got {p}")
        dy, dx = integers(words, 2 * p + 1) - p
        return _shift(x, dy, dx, p, p, self.border)


@dataclass(frozen=True)
class Translation(Transform):
    """The image moved by up to a fraction of its height and of its width, to whole pixels; zeros come in.

    vertical, horizontal: the fractions, from 0 to 1.
    """

    vertical: float
    horizontal: float

    words = 2

    def __post_init__(self) -> None:
        require_number(self.name, "vertical", self.vertical, low=0, high=1)
        require_number(self.name, "horizontal", self.horizontal, low=0, high=1)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """Shifts drawn from −⌊fraction · size⌋ ... ⌊fraction · size⌋ along each axis."""
        py, px = int(self.vertical * x.shape[2]), int(self.horizontal * x.shape[3])
        return _shift(x, integers(words[0], 2 * py + 1) - py, integers(words[1], 2 * px + 1) - px, py, px, "zero")
