"""Resizing by a separable filter that widens when the image shrinks, so that nothing is skipped.

    out[i] = Σⱼ wᵢⱼ x[j]      wᵢⱼ ∝ k((j + ½ − cᵢ) / s)      cᵢ = (i + ½) · H/H'      s = max(H/H', 1)

first along rows, then along columns. Bytes use weights of 22 bits and integer sums and are rounded after each pass, so
they come out the same on every machine, and the same as Pillow's.
Source: Pillow, src/libImaging/Resample.c; Turkowski, "Filters for common resampling tasks", Graphics Gems, 1990.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chainrule.data.augment.transform import Transform, require_images
from chainrule.data.rows import row_blocks
from chainrule.errors import require_number, unknown

_BITS = 22  # of a weight; with 8 of a pixel and a sign this fits 32


def _box(t: float) -> float:
    return 1.0 if -0.5 < t <= 0.5 else 0.0


def _triangle(t: float) -> float:
    return max(1 - abs(t), 0.0)


def _cubic(t: float) -> float:
    """Keys' cubic with a = −½."""
    t = abs(t)
    if t < 1:
        return ((-0.5 + 2) * t - (-0.5 + 3)) * t * t + 1
    return (((t - 5) * t + 8) * t - 4) * -0.5 if t < 2 else 0.0


FILTERS: dict[str, tuple[Callable[[float], float], float]] = {  # and how far each reaches
    "box": (_box, 0.5),
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}


def resize(x: np.ndarray, height: int, width: int, interpolation: str = "bilinear") -> np.ndarray:
    """x (N, C, H, W) as images of `height` by `width` pixels; interpolation: "box", "bilinear" or "bicubic".

    >>> resize(np.array([[[[0, 10, 20, 30]]]], np.uint8), 1, 2, "box").tolist()
    [[[[5, 25]]]]
    """
    require_images("resize", x)
    require_number("resize", "height", height, integer=True, low=1)
    require_number("resize", "width", width, integer=True, low=1)
    if interpolation not in FILTERS:
        raise unknown("interpolation", interpolation, FILTERS)
    out = np.empty((*x.shape[:2], height, width), x.dtype)
    for rows in row_blocks(x if x[0].size > out[0].size else out):
        across = _resample(x[rows], width, interpolation)
        out[rows] = _resample(across.swapaxes(2, 3), height, interpolation).swapaxes(2, 3)
    return out


def _resample(x: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """The last axis of `x` resampled to `size`."""
    if x.shape[-1] == size:
        return x
    starts, weights = _weights(x.shape[-1], size, interpolation)
    whole = x.dtype == np.uint8
    if whole:
        weights = np.trunc(weights * 2**_BITS + np.copysign(0.5, weights)).astype(np.int32)
    total = np.full((*x.shape[:-1], size), 1 << (_BITS - 1) if whole else 0.0, np.int32 if whole else np.float64)
    for tap in range(weights.shape[1]):  # always in this order
        total += x.take(np.minimum(starts + tap, x.shape[-1] - 1), axis=-1) * weights[:, tap]
    return np.clip(total >> _BITS, 0, 255).astype(np.uint8) if whole else total.astype(x.dtype)


def _weights(n: int, size: int, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """The first input of each output (size,), and the weights from there on (size, taps), zero beyond the last."""
    kernel, reach = FILTERS[interpolation]
    scale = n / size
    spread = max(scale, 1.0)
    reach *= spread
    starts, weights = np.zeros(size, np.int64), np.zeros((size, 2 * math.ceil(reach) + 1))
    for i in range(size):
        middle = (i + 0.5) * scale
        first, last = max(int(middle - reach + 0.5), 0), min(int(middle + reach + 0.5), n)
        row = [kernel((j - middle + 0.5) / spread) for j in range(first, last)]
        total = 0.0
        for weight in row:
            total += weight
        starts[i], weights[i, : len(row)] = first, [w / total for w in row]
    return starts, weights


@dataclass(frozen=True)
class Resize(Transform):
    """Images resized to `height` by `width` pixels; draws nothing.

    interpolation: "box", "bilinear" or "bicubic".
    """

    height: int
    width: int
    interpolation: Literal["box", "bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        require_number(self.name, "height", self.height, integer=True, low=1)
        require_number(self.name, "width", self.width, integer=True, low=1)
        if self.interpolation not in FILTERS:
            raise unknown("interpolation", self.interpolation, FILTERS)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """The same for every image."""
        return resize(x, self.height, self.width, self.interpolation)
