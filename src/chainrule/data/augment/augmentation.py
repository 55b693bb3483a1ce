"""A list of transforms as one step of the loader, with the random words of every one of them.

The words of a transform are Philox blocks under one key of the seed, at the counter (row, epoch, place in the list,
block): nothing that was drawn before matters, so batches can be made in any order, by any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.arrays import Stream, derive_key, words_at
from chainrule.data.augment.transform import Transform
from chainrule.errors import ConfigError, DTypeError, describe, require_number


class Augmentation:
    """The transforms of the training rows, in order, reproducible from (seed, epoch, row).

    transforms: such that draw; those on pixels come first, those on normalised numbers after them.
    """

    def __init__(self, transforms: Sequence[Transform] = (), seed: int = 0) -> None:
        require_number("Augmentation", "seed", seed, integer=True, low=0, high=2**64, open_high=True)
        self.transforms = check_transforms("augment", transforms)
        for transform in self.transforms:
            if transform.words == 0:
                raise ConfigError(f"augment: {transform.name} draws nothing; prepare all parts of the data set with it")
        for one, other in zip(self.transforms, self.transforms[1:], strict=False):
            if one.after_normalizing and not other.after_normalizing:
                raise ConfigError(
                    f"augment: {other.name} works on pixels and must come before {one.name}, which works on "
                    "normalised numbers"
                )
        self._key = derive_key(seed, Stream.AUGMENT)
        # What does not change of the counters, a row a block: the place, the block, and whether the epoch counts.
        fixed = [
            (place, block, not transform.same_words_every_epoch)
            for place, transform in enumerate(self.transforms)
            for block in range(-(-transform.words // 4))
        ]
        self._fixed = np.array(fixed, np.uint64).reshape(-1, 3).T[:, :, None]  # (3, B, 1)

    def __len__(self) -> int:
        return len(self.transforms)

    @property
    def mixes_targets(self) -> bool:
        """Whether targets change too, so that labels must be given as probabilities."""
        return any(t.mixes_targets for t in self.transforms)

    def words(self, rows: np.ndarray, epoch: int) -> list[np.ndarray]:
        """For each transform its words (words, N) for the training rows `rows` (N,) in 0-based `epoch`."""
        if not self.transforms:
            return []
        place, block, changes = self._fixed
        counters = (rows[None], changes * np.uint64(epoch & 0xFFFFFFFF), place, block)
        drawn = words_at(self._key, [np.broadcast_to(c, (len(place), len(rows))) for c in counters])
        stacked = np.stack(drawn, axis=1).reshape(-1, len(rows))  # (4 B, N): word i of block b is row 4 b + i
        ends = np.cumsum([4 * -(-t.words // 4) for t in self.transforms])
        return [part[: t.words] for t, part in zip(self.transforms, np.split(stacked, ends[:-1]), strict=True)]

    def on_pixels(self, x: np.ndarray, words: Sequence[np.ndarray], epoch: int) -> np.ndarray:
        """`x` (N, C, H, W) after the transforms that come before normalising."""
        for transform, drawn in zip(self.transforms, words, strict=True):
            if not transform.after_normalizing:
                x = transform.apply(x, drawn, epoch)
        return x

    def on_numbers(self, x: np.ndarray, t: np.ndarray, words: Sequence[np.ndarray], epoch: int) -> Any:
        """Normalised `x` and targets `t` after the transforms that come then."""
        for transform, drawn in zip(self.transforms, words, strict=True):
            if transform.mixes_targets:
                x, t = transform.mix(x, t, drawn)
            elif transform.after_normalizing:
                x = transform.apply(x, drawn, epoch)
        return x, t


def prepared(X: np.ndarray, transforms: Sequence[Transform]) -> np.ndarray:
    """A whole set X (N, C, H, W) after transforms that draw nothing; X itself without any."""
    for transform in require_deterministic(transforms):
        X = transform(X)
    return X


def require_deterministic(transforms: Sequence[Transform]) -> tuple[Transform, ...]:
    """`transforms` as a tuple, none of which may draw."""
    given = check_transforms("prepare", transforms)
    for transform in given:
        if transform.words:
            raise ConfigError(f"prepare: {transform.name} draws at random; it can only augment training rows")
    return given


def check_transforms(owner: str, transforms: Any) -> tuple[Transform, ...]:
    """`transforms` as a tuple, or a typed error."""
    wrong = isinstance(transforms, (str, Transform, type, Mapping)) or not isinstance(transforms, Iterable)
    if wrong or getattr(transforms, "shape", None) == ():  # an array of no axes says that it can be iterated
        raise DTypeError(f"{owner} must be a list of transforms, got {describe(transforms)}")
    given = tuple(transforms)
    for transform in given:
        if not isinstance(transform, Transform):
            raise DTypeError(f"{owner} must be a list of transforms, got {describe(transform)} in it")
    return given
