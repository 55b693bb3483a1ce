"""Views of an image for test-time augmentation: the image itself and declared changes of it, always the same ones.

    flip            the image, and mirrored left to right                              2 views
    crop:P          the image, and moved by ±P pixels along both axes, zeros coming in  5 views
    rotate:D        the image, and turned by ±D degrees                                3 views

Several kinds together give every combination: `flip,crop:4` are the ten views of Krizhevsky, Sutskever & Hinton,
"ImageNet classification with deep convolutional neural networks", 2012, section 4.1 (four corners and the centre, and
their mirror images). The probabilities that a network gives the views are averaged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.data.augment.flip import flip
from chainrule.data.augment.rotation import rotate
from chainrule.data.augment.shift import shift
from chainrule.data.augment.transform import require_images
from chainrule.errors import ConfigError, require_number, unknown
from chainrule.typed import typed

Change = Callable[[np.ndarray], np.ndarray]


class Views:
    """Base of the kinds of views: `changes` are functions of a batch (N, C, H, W), the first of which changes nothing.

    A subclass is a frozen dataclass of at most one number, which is what stands behind the colon.
    """

    key: ClassVar[str]
    #: Whether it mirrors images, which turns characters into others.
    mirrors: ClassVar[bool] = False

    @property
    def changes(self) -> tuple[Change, ...]:
        """One function a view."""
        raise NotImplementedError


@dataclass(frozen=True)
class FlipViews(Views):
    """The image, and mirrored left to right."""

    key = "flip"
    mirrors = True

    @property
    def changes(self) -> tuple[Change, ...]:
        """Two."""
        return _same, lambda x: flip(x, np.ones(len(x), bool))


@dataclass(frozen=True)
class CropViews(Views):
    """The centre and the four corners of the image padded by `padding` zeros on each side."""

    padding: int = 4

    key = "crop"

    def __post_init__(self) -> None:
        require_number(self.key, "padding", self.padding, integer=True, low=1)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Five."""
        p = self.padding
        return _same, *(self._shifted(dy, dx) for dy, dx in itertools.product((-p, p), repeat=2))

    def _shifted(self, dy: int, dx: int) -> Change:
        return lambda x: shift(x, np.full(len(x), dy), np.full(len(x), dx))


@dataclass(frozen=True)
class RotationViews(Views):
    """The image, and turned by `degrees` in both directions."""

    degrees: float = 10.0

    key = "rotate"

    def __post_init__(self) -> None:
        require_number(self.key, "degrees", self.degrees, low=0, high=180, open_low=True)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Three."""
        return _same, *(self._turned(angle) for angle in (-self.degrees, self.degrees))

    def _turned(self, angle: float) -> Change:
        return lambda x: rotate(x, np.full(len(x), float(angle)))


#: The closed list that `--tta` may name.
VIEWS: tuple[type[Views], ...] = (FlipViews, CropViews, RotationViews)


@typed
def parse_views(text: str) -> tuple[Views, ...]:
    """The kinds of views that a text such as "flip,crop:4" names.

    >>> parse_views("flip, crop:2")
    (FlipViews(), CropViews(padding=2))
    """
    known = {kind.key: kind for kind in VIEWS}
    views = []
    for entry in text.split(","):
        name, colon, number = (part.strip() for part in entry.partition(":"))
        if name not in known:
            raise unknown("view", name, known)
        if colon and known[name] is FlipViews:
            raise ConfigError(f"views: flip takes no number, got {entry.strip()!r}")
        views.append(known[name](_number(entry, number)) if colon else known[name]())  # type: ignore[call-arg]
    keys = [view.key for view in views]
    repeated = next((key for key in keys if keys.count(key) > 1), None)
    if repeated is not None:
        raise ConfigError(f"views: every kind may be named once, got {repeated} twice")
    return tuple(views)


def viewed(x: np.ndarray, views: Sequence[Views]) -> Iterator[np.ndarray]:
    """Every view of the images x (N, C, H, W), the first being `x` itself; only `x` where there are no views.

    >>> len(list(viewed(np.zeros((1, 1, 8, 8)), parse_views("flip,crop:2"))))
    10
    """
    if views:
        require_images("views", x)
    for changes in itertools.product(*(view.changes for view in views)):
        seen = x
        for change in changes:
            seen = change(seen)
        yield seen


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _number(entry: str, text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ConfigError(f"views: a number must follow the colon, got {entry.strip()!r}")
