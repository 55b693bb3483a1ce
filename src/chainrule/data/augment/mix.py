"""Mixtures of two images and of their targets: mixup and cutmix.

    mixup     x' = λ x + (1 − λ) x̃           t' = λ t + (1 − λ) t̃
    cutmix    x' = x outside a box, x̃ inside   t' likewise, 1 − λ being the share of the box in the image

Each image is mixed with the one before it in its batch (the first with the last), with a λ of its own from the
distribution Beta(α, α). Labels become probabilities (N, C), which softmax cross-entropy takes.
Source: Zhang et al., "mixup: beyond empirical risk minimization", 2018; Yun et al., "CutMix", 2019, algorithm A1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data.augment.cutout import inside
from chainrule.data.augment.transform import (
    Transform,
    integers,
    require_images,
    require_one_each,
    require_words,
    uniform,
)
from chainrule.errors import DTypeError, ShapeError, describe, require_number


def mixup(x: np.ndarray, t: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mixed floats x (N, C, H, W) and targets t (N, ...); share: λ (N,) in [0, 1], the part of the image itself.

    >>> x, t = np.array([[[[0.0]]], [[[8.0]]]]), np.eye(2)
    >>> mixup(x, t, np.array([1.0, 0.75]))[0].ravel().tolist()
    [0.0, 6.0]
    """
    _require_pair("mixup", x, t)
    share = require_one_each("mixup", "share", share, x, "f", 0, 1)
    return _blend(x, share), _blend(t, share)


def cutmix(x: np.ndarray, t: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Floats x (N, C, H, W) with the image before pasted into a box, and targets t (N, ...) mixed by areas.

    box: integers (4, N): top, left, bottom, right of each image's box, the last two just outside.
    """
    _require_pair("cutmix", x, t)
    if not isinstance(box, np.ndarray) or box.dtype.kind not in "iu" or box.shape != (4, len(x)):
        raise DTypeError(f"cutmix: box must be an array (4, {len(x)}) of integers, got {describe(box)}")
    height, width = x.shape[2:]
    for edge, numbers, limit in zip(("top", "left", "bottom", "right"), box, (height, width) * 2, strict=True):
        require_one_each("cutmix", f"the {edge} of box", numbers, x, "iu", 0, limit)
    top, left, bottom, right = box.astype(np.int64)
    if (top > bottom).any() or (left > right).any():
        raise ShapeError("cutmix: top and left of box must not lie beyond bottom and right")
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return np.where(inside(x, top, left, bottom, right), np.roll(x, 1, axis=0), x), _blend(t, share)


def _blend(v: np.ndarray, share: np.ndarray) -> np.ndarray:
    weight = share.reshape(-1, *(1,) * (v.ndim - 1))
    mixed: np.ndarray = weight.astype(v.dtype) * v + (1 - weight).astype(v.dtype) * np.roll(v, 1, axis=0)
    return mixed


def _require_pair(owner: str, x: Any, t: Any) -> None:
    require_images(owner, x)
    for argument, value in (("x", x), ("t", t)):
        plain = isinstance(value, np.ndarray) and not isinstance(value, (np.ma.MaskedArray, np.matrix))
        if not plain or value.dtype.kind != "f":
            raise DTypeError(f"{owner}: {argument} must be an array of floats, a plain one, got {describe(value)}")
    if t.ndim == 0 or len(t) != len(x):
        raise ShapeError(f"{owner}: x and t must have as many rows as each other, got {x.shape} and {t.shape}")


def beta(words: np.ndarray, alpha: float) -> np.ndarray:
    """Numbers from Beta(α, α) in steps of 2⁻¹⁶, float64: the inverse of its distribution function at uniform numbers.

    Coarse steps hide what the last bits of a special function differ in between machines.
    """
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    return np.rint(betaincinv(alpha, alpha, uniform(words, 0, 1)) * 2.0**16) * 2.0**-16


@dataclass(frozen=True)
class _Mixing(Transform):
    alpha: float = 1.0

    after_normalizing = True
    mixes_targets = True

    def __post_init__(self) -> None:
        require_number(self.name, "alpha", self.alpha, low=0, open_low=True)


@dataclass(frozen=True)
class MixUp(_Mixing):
    """Images and targets mixed in the proportion λ : 1 − λ with λ from Beta(`alpha`, `alpha`)."""

    words = 1

    def mix(self, x: np.ndarray, t: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """λ of each image from one word."""
        require_images(self.name, x)
        return mixup(x, t, beta(require_words(self, x, words)[0], self.alpha))


@dataclass(frozen=True)
class CutMix(_Mixing):
    """A box of another image pasted in, 1 − λ of the area before the border cuts it; λ from Beta(`alpha`, `alpha`)."""

    words = 3

    def mix(self, x: np.ndarray, t: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """λ and the middle of the box from three words."""
        require_images(self.name, x)
        words = require_words(self, x, words)
        half = 0.5 * np.sqrt(1 - beta(words[0], self.alpha))
        edges = []
        for word, size in zip(words[1:], x.shape[2:], strict=True):
            middle, reach = integers(word, size), (half * size).astype(np.int64)
            edges.append((np.maximum(middle - reach, 0), np.minimum(middle + reach, size)))
        (top, bottom), (left, right) = edges
        return cutmix(x, t, np.stack((top, left, bottom, right)))
