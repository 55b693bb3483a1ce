"""Where the windows of convolution and pooling lie, and the checks of the options that place them.

Along each axis an image of H pixels with P of padding on both sides holds 1 + (H − F + 2P)/S windows of F pixels that
start every S. A stride that does not divide is refused unless the layer says how to round: a row silently left
out is the kind of mistake this file guards against.
Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, section 2.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.errors import ConfigError, ShapeError, describe, require_choice, require_number, shown

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = int | tuple[int, ...] | Literal["valid", "same", "full"]
Rounding: TypeAlias = Literal["exact", "floor", "ceil"]
Rows: TypeAlias = tuple[int, int]  # the window rows from the first to before the second


@dataclass(frozen=True)
class Windows:
    """Windows that fit an image: `output` of them down and across, each of `kernel` taps.

    image: (H, W). padding: (top, bottom, left, right) rows and columns added. overhang: how many of those below
    and to the right only complete the last window (rounding "ceil").
    """

    image: Pair
    output: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[int, int, int, int]
    overhang: Pair = (0, 0)

    @property
    def taps(self) -> int:
        """HH·WW, the entries of a window."""
        return math.prod(self.kernel)

    @property
    def disjoint(self) -> bool:
        """Whether no pixel lies in two windows."""
        return all(s >= d * (f - 1) + 1 for s, f, d in zip(self.stride, self.kernel, self.dilation, strict=True))

    def span(self, axis: int, tap: int, rows: Rows) -> slice:
        """The padded pixels that tap number `tap` of the windows `rows` meets along one axis."""
        start, step = tap * self.dilation[axis], self.stride[axis]
        return slice(start + rows[0] * step, start + (rows[1] - 1) * step + 1, step)


@functools.lru_cache(maxsize=4096)
def fit_windows(
    owner: str,
    image: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
    rounding: Rounding = "exact",
) -> Windows:
    """The windows of `kernel` over `image` (H, W); a `ShapeError` where they do not fit.

    Along each axis 1 + (H − F + 2P)/S windows fit, F = d(F − 1) + 1 being the extent of a dilated kernel. Where that
    is not whole, "exact" raises, "floor" leaves the last rows out, "ceil" completes the last window with padding
    unless it would start in the padding. padding "same" gives ⌈H/S⌉ windows, the odd row of padding at the bottom;
    "full" is F − 1, every window that meets the image.
    """
    around = None if padding == "same" else sides(padding, kernel, dilation)
    axes = []
    for axis in range(2):
        ends = None if around is None else around[2 * axis : 2 * axis + 2]
        axes.append(
            _fit_axis(owner, "HW"[axis], image[axis], kernel[axis], stride[axis], ends, dilation[axis], rounding)
        )
    (top, bottom, below, h), (left, right, beside, w) = axes
    return Windows(image, (h, w), kernel, stride, dilation, (top, bottom, left, right), (below, beside))


def sides(padding: Padding, kernel: Pair, dilation: Pair) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of any padding but "same", which depends on the image."""
    if padding == "full":
        high, wide = (d * (f - 1) for f, d in zip(kernel, dilation, strict=True))
        return high, high, wide, wide
    return four_sides(0 if padding == "valid" else padding)


def four_sides(padding: Any) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of an int, of (vertical, horizontal), or of all four."""
    if isinstance(padding, int):
        return (padding,) * 4
    return (padding[0], padding[0], padding[1], padding[1]) if len(padding) == 2 else tuple(padding)


def _fit_axis(
    owner: str, axis: str, length: int, kernel: int, stride: int, ends: Any, dilation: int, rounding: Rounding
) -> tuple[int, int, int, int]:
    """(padding before, after, overhang, number of windows) along one axis."""
    extent = dilation * (kernel - 1) + 1
    if ends is None:
        count = -(-length // stride)
        total = max((count - 1) * stride + extent - length, 0)
        return total // 2, total - total // 2, 0, count
    before, after = ends
    free = length - extent + before + after
    dilated = f", with F = d(F − 1) + 1 = {dilation}·({kernel} − 1) + 1 = {extent}" if dilation > 1 else ""
    if free < 0:
        raise ShapeError(
            f"{owner}: the window does not fit: F = {extent} is larger than {axis} + 2P = {length} + {before + after}"
            f"{dilated}"
        )
    whole, rest = divmod(free, stride)
    if rest == 0 or rounding == "floor":
        return before, after, 0, whole + 1
    if rounding == "exact":
        symbol = "2P" if before == after else "P + P'"
        raise ShapeError(
            f"{owner}: stride does not fit: 1 + ({axis} − F + {symbol})/S = 1 + ({length} − {extent} + "
            f"{before + after})/{stride} = {1 + free / stride:g} is not whole{dilated}"
        )
    if (whole + 1) * stride >= length + before:  # the completed window would see padding only
        return before, after, 0, whole + 1
    return before, after + stride - rest, stride - rest, whole + 2


def entries(windows: Windows, axis: int, *, padding: bool) -> tuple[int, ...]:
    """How many rows of the image (and of the padding, the overhang left out) each window covers along one axis."""
    before, after = windows.padding[2 * axis : 2 * axis + 2]
    low = 0 if padding else before
    high = before + windows.image[axis] + (after - windows.overhang[axis] if padding else 0)
    covered = []
    for number in range(windows.output[axis]):
        start = number * windows.stride[axis]
        rows = (start + tap * windows.dilation[axis] for tap in range(windows.kernel[axis]))
        covered.append(sum(low <= row < high for row in rows))
    return tuple(covered)


# -- options of the layers ------------------------------------------------------------------------------------------


def pair(value: Any) -> Pair:
    """A size given as one number for both axes, or as (vertical, horizontal)."""
    return (value, value) if isinstance(value, int) else value


def as_option(value: Any) -> Any:
    """A list (as recipes hold it) as a tuple, a NumPy integer as Python's, anything else as it is."""
    if isinstance(value, (np.integer, np.ndarray)) and value.shape == () and value.dtype.kind in "iu":
        return int(value)
    return tuple(value) if isinstance(value, list) else value


def require_pair(owner: str, argument: str, value: Any, low: int) -> None:
    """Raise unless `value` is an integer >= `low` or two of them."""
    if isinstance(value, tuple) and len(value) != 2:
        raise ConfigError(f"{owner}: {argument} must be an integer or two, got {describe(value)}")
    for number in value if isinstance(value, tuple) else (value,):
        require_number(owner, argument, number, integer=True, low=low)


def require_padding(owner: str, value: Any, *, named: bool = True) -> None:
    """Raise unless `value` is an integer >= 0, two, four, or (if `named`) "valid", "same", "full"."""
    if isinstance(value, str):
        if not named or value not in ("valid", "same", "full"):
            names = ", 'valid', 'same' or 'full'" if named else ""
            raise ConfigError(f"{owner}: padding must be an integer, two or four of them{names}, got {shown(value)}")
        return
    if isinstance(value, tuple) and len(value) not in (2, 4):
        raise ConfigError(f"{owner}: padding must be an integer, two or four of them, got {describe(value)}")
    for number in value if isinstance(value, tuple) else (value,):
        require_number(owner, "padding", number, integer=True, low=0)


def require_rounding(owner: str, value: Any) -> None:
    """Raise unless `value` names a way to treat windows that do not fit."""
    require_choice(owner, "rounding", value, ("exact", "floor", "ceil"))
