"""What a transform of images is: a frozen declaration that maps a batch (N, C, H, W) to a batch.

A transform that draws gets its random numbers from outside, some 32-bit words an image, which are a pure function of
(seed, epoch, row): the same image looks the same in an epoch whatever batch it is in and whichever thread makes it.
Those that draw nothing prepare every part of a data set alike; the others are for training rows only.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chainrule.errors import DTypeError, ShapeError, describe, require_number
from chainrule.typed import typed_fields


class Transform:
    """Base of all transforms: a frozen dataclass that writes `apply`, or `mix` where targets change too."""

    #: 32-bit random words an image; 0 for a transform that draws nothing.
    words: ClassVar[int] = 0
    #: Whether it works on normalised numbers, and so comes after all that work on pixels.
    after_normalizing: ClassVar[bool] = False
    #: Whether its words are those of epoch 0 in every epoch.
    same_words_every_epoch: ClassVar[bool] = False
    #: Whether it mirrors images, which turns characters into others.
    mirrors: ClassVar[bool] = False
    #: Whether it changes targets with the inputs, by `mix`.
    mixes_targets: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check fields against their annotations, whatever else a subclass asks of them."""
        super().__init_subclass__(**kwargs)
        typed_fields(cls)

    @property
    def name(self) -> str:
        """The class name, as recipes and messages use it."""
        return type(self).__name__

    def __call__(self, x: np.ndarray, words: np.ndarray | None = None, epoch: int = 0) -> np.ndarray:
        """A transformed copy of `x` (N, C, H, W); words: (`words`, N) uint32, for a transform that draws."""
        if self.mixes_targets:
            raise DTypeError(f"{self.name}: changes targets too; call mix(x, t, words)")
        require_images(self.name, x)
        require_number(self.name, "epoch", epoch, integer=True, low=0)
        return self.apply(x, require_words(self, x, words), epoch)

    def apply(self, x: np.ndarray, words: np.ndarray, epoch: int) -> np.ndarray:
        """What `__call__` does, of arguments that were checked."""
        raise NotImplementedError

    def mix(self, x: np.ndarray, t: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mixed inputs (N, C, H, W) and mixed targets (N, ...), for a transform that `mixes_targets`."""
        raise DTypeError(f"{self.name}: changes no targets; call it with x and words")


def require_images(owner: str, x: Any) -> None:
    """Raise unless `x` is a batch of images (N, C, H, W), of bytes or of floats."""
    if (
        isinstance(x, (np.ma.MaskedArray, np.matrix))
        or not isinstance(x, np.ndarray)
        or not (x.dtype == np.uint8 or x.dtype.kind == "f")
    ):
        raise DTypeError(f"{owner}: x must be an array of uint8 or floats, got {describe(x)}")
    if x.ndim != 4 or x.size == 0:
        raise ShapeError(f"{owner}: x has axes (N, C, H, W) of length >= 1, got shape {x.shape}")


def require_words(transform: Transform, x: np.ndarray, words: Any) -> np.ndarray:
    """`words` as (`transform.words`, N) uint32, or a typed error."""
    if words is None and transform.words == 0:
        return np.empty((0, len(x)), np.uint32)
    if type(words) is not np.ndarray or words.dtype != np.uint32:
        raise DTypeError(f"{transform.name}: words must be an array of uint32, got {describe(words)}")
    if words.shape != (transform.words, len(x)):
        raise ShapeError(f"{transform.name}: words must have shape {(transform.words, len(x))}, got {words.shape}")
    return words


def require_one_each(owner: str, argument: str, value: Any, x: np.ndarray, kinds: str, low: Any, high: Any) -> Any:
    """`value` as (N,) numbers of a dtype in `kinds`, all from `low` to `high`, or a typed error."""
    noun = "integers" if "f" not in kinds and "b" not in kinds else "booleans" if kinds == "b" else "numbers"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise DTypeError(f"{owner}: {argument} must be an array of {noun}, got {describe(value)}")
    if value.shape != (len(x),):
        raise ShapeError(f"{owner}: {argument} must have shape ({len(x)},), one an image, got {value.shape}")
    if kinds != "b" and not (value.min() >= low and value.max() <= high):  # NaN fails too
        bad = value[~((value >= low) & (value <= high))][0]
        raise ShapeError(f"{owner}: {argument} must be from {low:g} to {high:g}, got {bad}")
    return value


# -- from words to numbers ------------------------------------------------------------------------------------------


def uniform(words: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers in [low, high), float64, in steps of (high − low)/2³².

    >>> uniform(np.array([0, 2**31], np.uint32), -1.0, 1.0).tolist()
    [-1.0, 0.0]
    """
    return low + (high - low) * (words * 2.0**-32)


def integers(words: np.ndarray, count: int) -> np.ndarray:
    """Integers 0 ... count − 1, int64; their chances differ by less than 2⁻³².

    >>> integers(np.array([0, 2**31, 2**32 - 1], np.uint32), 9).tolist()
    [0, 4, 8]
    """
    return ((words.astype(np.uint64) * np.uint64(count)) >> np.uint64(32)).astype(np.int64)
