"""Horizontal flips: out[n, :, i, j] = x[n, :, i, W − 1 − j] for some of the images.

The alternating flip draws once which images begin flipped and turns every image over in each epoch, so that two epochs
in a row show each image from both sides; a random flip shows half of them twice from the same side.
Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, section 3.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.data.augment.transform import Transform, require_images, require_one_each, uniform
from chainrule.errors import require_number


def flip(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A copy of x (N, C, H, W) whose images at True in `where` (N,) are mirrored left to right.

    >>> flip(np.array([[[[1, 2, 3]]]], np.uint8), np.array([True])).tolist()
    [[[[3, 2, 1]]]]
    """
    require_images("flip", x)
    return _flip(x, require_one_each("flip", "where", where, x, "b", 0, 1))


def _flip(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    out, rows = np.array(x, order="C"), np.flatnonzero(where)
    if (
        x.itemsize == 1 and x.shape[3] % 8 == 0
    ):  # eight pixels at a time: a word's bytes swapped are its pixels mirrored
        eights = out.view(np.uint64)
        eights[rows] = eights[rows][..., ::-1].byteswap()
    else:
        out[rows] = out[rows][..., ::-1]
    return out


@dataclass(frozen=True)
class HorizontalFlip(Transform):
    """Each image mirrored left to right with probability `rate`, drawn anew in every epoch."""

    rate: float = 0.5

    words = 1
    mirrors = True

    def __post_init__(self) -> None:
        require_number(self.name, "rate", self.rate, low=0, high=1)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """Flip where a number in [0, 1) is below the rate."""
        return _flip(x, uniform(words[0], 0, 1) < self.rate)


@dataclass(frozen=True)
class AlternatingFlip(Transform):
    """Half of the images mirrored in the first epoch, and from then on every image in every other epoch."""

    words = 1
    mirrors = True
    same_words_every_epoch = True

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """Flip where the image's bit and the parity of the epoch differ."""
        return _flip(x, (words[0] >> np.uint32(31)) != epoch % 2)
