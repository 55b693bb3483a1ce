"""Colour: brightness, contrast, saturation and hue, greyscale and RGB.

    brightness    f x
    contrast      f x + (1 − f) · mean of the grey image
    saturation    f x + (1 − f) · grey
    hue           the angle in the HSV cylinder plus f turns

with grey = 0.2989 R + 0.587 G + 0.114 B and a factor f for each image. Results are clipped to [0, 255] for bytes, whose
fractions are cut off, and to [0, 1] for floats; the arithmetic is in single precision.
Source: ITU-R BT.601 (grey); Smith, "Color gamut transform pairs", 1978 (HSV); as in Pillow and torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data.augment.transform import Transform, require_images, require_one_each, uniform
from chainrule.errors import ShapeError, require_number

_GREY = (0.2989, 0.587, 0.114)


def adjust_brightness(x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """x (N, C, H, W) times factor (N,) >= 0, clipped.

    >>> adjust_brightness(np.full((1, 1, 1, 1), 200, np.uint8), np.array([1.5])).item()
    255
    """
    factor = _factors("adjust_brightness", x, factor)
    return _like(x, x * factor.astype(_work(x)))


def adjust_contrast(x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """x (N, 1 or 3, H, W) away from its mean grey by factor (N,) >= 0, clipped."""
    factor = _factors("adjust_contrast", x, factor)
    grey = _grey("adjust_contrast", x)
    # Of bytes a sum of integers, so exact; of floats at least always in the same order.
    mean = np.ascontiguousarray(grey).mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    return _blend(x, mean.astype(_work(x)), factor)


def adjust_saturation(x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """x (N, 1 or 3, H, W) away from its own grey by factor (N,) >= 0, clipped; grey images stay as they are."""
    factor = _factors("adjust_saturation", x, factor)
    grey = _grey("adjust_saturation", x)
    return x.copy() if x.shape[1] == 1 else _blend(x, grey, factor)


def adjust_hue(x: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """x (N, 1 or 3, H, W) with hues moved by turns (N,) in [−0.5, 0.5]; grey images stay as they are."""
    require_images("adjust_hue", x)
    turns = require_one_each("adjust_hue", "turns", turns, x, "f", -0.5, 0.5)
    _require_colors("adjust_hue", x, (1, 3))
    if x.shape[1] == 1:
        return x.copy()
    work = _work(x)
    unit = x.astype(work) / work(255) if x.dtype == np.uint8 else x
    hue, saturation, value = _to_hsv(unit)
    hue += turns.astype(work)[:, None, None]
    rgb = _from_hsv(hue - np.floor(hue), saturation, value)
    return (rgb * work(255.999)).astype(np.uint8) if x.dtype == np.uint8 else rgb


def to_grayscale(x: np.ndarray) -> np.ndarray:
    """x (N, 1 or 3, H, W) as grey images (N, 1, H, W)."""
    require_images("to_grayscale", x)
    return _grey("to_grayscale", x).astype(x.dtype)


def to_rgb(x: np.ndarray) -> np.ndarray:
    """x (N, 1 or 3, H, W) as images (N, 3, H, W), a grey channel repeated."""
    require_images("to_rgb", x)
    _require_colors("to_rgb", x, (1, 3))
    return np.repeat(x, 3 // x.shape[1], axis=1)


def _work(x: np.ndarray) -> Any:
    """The dtype that is computed in: single precision for bytes, otherwise the images' own."""
    return np.float32 if x.dtype == np.uint8 else x.dtype.type


def _like(x: np.ndarray, result: np.ndarray) -> np.ndarray:
    return np.clip(result, 0, 255 if x.dtype == np.uint8 else 1, out=result).astype(x.dtype, copy=False)


def _blend(x: np.ndarray, other: np.ndarray, factor: np.ndarray) -> np.ndarray:
    work = _work(x)
    return _like(x, x * factor.astype(work) + other * (1 - factor).astype(work))


def _grey(owner: str, x: np.ndarray) -> np.ndarray:
    """(N, 1, H, W), whole numbers for bytes."""
    _require_colors(owner, x, (1, 3))
    work = _work(x)
    if x.shape[1] == 1:
        return x.astype(work)
    r, g, b = (x[:, i : i + 1] * work(weight) for i, weight in enumerate(_GREY))
    grey: np.ndarray = r + g + b
    return np.floor(grey) if x.dtype == np.uint8 else grey


def _to_hsv(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue in turns (from −1/6), saturation and value, each (N, H, W), of colours in [0, 1]."""
    r, g, _ = (x[:, i] for i in range(3))
    low, high = x.min(axis=1), x.max(axis=1)
    spread = high - low
    grey = spread == 0  # their hue does not matter; a divisor of 1 keeps it finite
    one = x.dtype.type(1)
    saturation = spread / np.where(grey, one, high)
    rc, gc, bc = ((high - x[:, i]) / np.where(grey, one, spread) for i in range(3))
    hue = np.where(high == r, bc - gc, np.where(high == g, 2 + rc - bc, 4 + gc - rc))
    return hue / 6, saturation, high


def _from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(N, 3, H, W). Each channel falls from the value by saturation · value where the hue is far from its own."""
    out = np.empty((len(hue), 3, *hue.shape[1:]), hue.dtype)
    chroma = saturation * value
    for channel, start in enumerate((5, 3, 1)):
        k = hue * 6 + start  # in sixths of a turn
        k -= 6 * (k >= 6).astype(hue.dtype)
        np.subtract(value, chroma * np.clip(np.minimum(k, 4 - k), 0, 1), out=out[:, channel])
    return np.clip(out, 0, 1, out=out)


def _factors(owner: str, x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    require_images(owner, x)
    largest = float(np.finfo(np.float32).max) / 255
    factor = require_one_each(owner, "factor", factor, x, "f", 0, largest)
    return factor.astype(np.float64)[:, None, None, None]


def _require_colors(owner: str, x: np.ndarray, channels: tuple[int, ...]) -> None:
    if x.shape[1] not in channels:
        raise ShapeError(f"{owner}: x must have {' or '.join(map(str, channels))} channels, got shape {x.shape}")


@dataclass(frozen=True)
class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue of each image changed by random amounts, in this order.

    brightness, contrast, saturation: b >= 0 draws the factor from [max(0, 1 − b), 1 + b]. hue: h in [0, 0.5] draws
    turns of the hue from [−h, h]. Zero leaves a property alone. For bytes, or floats from 0 to 1.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    words = 4

    def __post_init__(self) -> None:
        for argument in ("brightness", "contrast", "saturation"):
            require_number(self.name, argument, getattr(self, argument), low=0)
        require_number(self.name, "hue", self.hue, low=0, high=0.5)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """One word a property."""
        ranges = (self.brightness, self.contrast, self.saturation)
        for word, reach, adjust in zip(
            words, ranges, (adjust_brightness, adjust_contrast, adjust_saturation), strict=False
        ):
            if reach:
                x = adjust(x, uniform(word, max(0.0, 1 - reach), 1 + reach))
        return adjust_hue(x, uniform(words[3], -self.hue, self.hue)) if self.hue else x


@dataclass(frozen=True)
class Grayscale(Transform):
    """Colour images as grey ones, (N, 3, H, W) to (N, 1, H, W); draws nothing."""

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """The weighted sum of the channels."""
        return to_grayscale(x)


@dataclass(frozen=True)
class RGB(Transform):
    """Grey images as colour ones, (N, 1, H, W) to (N, 3, H, W); draws nothing."""

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """The channel three times."""
        return to_rgb(x)
