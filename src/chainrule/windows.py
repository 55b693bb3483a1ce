"""Windows over images: where they lie, how they are gathered (`patches`) and how they are added back (`fold`).

Convolution and pooling look at an image through windows of HH × WW entries that start every S rows and columns.
Both are written over the taps of a window: tap (i, j) of every window at once is one strided slice of the image,
so a loop over HH·WW taps replaces loops over all pixels. `fold` is the adjoint of `patches`: it adds every entry
back to the pixel it came from.

Arrays here have the batch axis last, (C, H, W, N). A tap's rows are then runs of W'·N neighbouring numbers at
stride 1 and of N at any stride, which is what makes copying and adding them fast. `batch_last` and `batch_first`
change the view; under NumPy the memory stays batch-last between layers, so only the first layer of a chain copies.
Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, sections 2 and 4.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from chainrule.arrays import Array, namespace
from chainrule.geometry import Rows, Windows

#: Patches are made a few window rows at a time so that they stay in the last-level cache.
PATCH_BYTES = 4 * 2**20


def batch_last(x: Array) -> Array:
    """(N, C, H, W) as (C, H, W, N), in consecutive memory under NumPy."""
    view = namespace(x).permute_dims(x, (1, 2, 3, 0))
    return np.ascontiguousarray(view) if type(view) is np.ndarray else view


def batch_first(x: Array) -> Array:
    """(C, H, W, N) as (N, C, H, W), a view."""
    return namespace(x).permute_dims(x, (3, 0, 1, 2))


def pad(x: Array, windows: Windows, value: float = 0.0) -> Array:
    """`x` (C, H, W, N) with the padding of `windows` around it, filled with `value`."""
    top, bottom, left, right = windows.padding
    if top == bottom == left == right == 0:
        return x
    xp = namespace(x)
    c, h, w, n = x.shape
    if xp is np:
        padded = np.full((c, top + h + bottom, left + w + right, n), value, x.dtype)
        padded[:, top : top + h, left : left + w] = x
        return padded

    def filled(rows: int, columns: int) -> Array:
        return xp.full((c, rows, columns, n), value, dtype=x.dtype)

    x = xp.concat([filled(top, w), x, filled(bottom, w)], axis=1)
    return xp.concat([filled(x.shape[1], left), x, filled(x.shape[1], right)], axis=2)


def crop(x: Array, windows: Windows) -> Array:
    """The image inside its padding: the adjoint of `pad`."""
    top, _, left, _ = windows.padding
    h, w = windows.image
    return x[:, top : top + h, left : left + w, :]


def taps(padded: Array, windows: Windows, rows: Rows | None = None) -> Iterator[Array]:
    """Each tap (i, j) of the windows, in row-major order: a view (C, H', W', N) of `padded`."""
    h, w = windows.output
    for i in range(windows.kernel[0]):
        down = windows.span(0, i, (0, h) if rows is None else rows)
        for j in range(windows.kernel[1]):
            yield padded[:, down, windows.span(1, j, (0, w)), :]


def patches(padded: Array, windows: Windows, rows: Rows | None = None) -> Array:
    """The windows as columns (im2col), (C, HH·WW, H', W', N); `rows` picks some rows of windows."""
    return namespace(padded).stack(list(taps(padded, windows, rows)), axis=1)


def fold(
    values: Iterable[Array], windows: Windows, rows: Rows | None = None, into: Array | None = None
) -> Array | None:
    """Add tap (i, j) of every window to the pixel it lies on (col2im): the adjoint of `taps`.

    values: HH·WW arrays (C, H', W', N) in row-major order of (i, j). Returns the padded image, added to `into`
    if given (the result of an earlier call, which is used up).
    """
    h, w = windows.output
    rows = (0, h) if rows is None else rows
    top, bottom, left, right = windows.padding
    height, width = windows.image[0] + top + bottom, windows.image[1] + left + right
    row: Array | None = None
    for tap, value in enumerate(values):
        i, j = divmod(tap, windows.kernel[1])
        down, across = windows.span(0, i, rows), windows.span(1, j, (0, w))
        if type(value) is np.ndarray:
            if into is None:
                into = np.zeros((value.shape[0], height, width, value.shape[3]), value.dtype)
            if windows.disjoint:
                into[:, down, across] = value
            else:
                into[:, down, across] += value
            continue
        spread = _spread(value, 2, across, width)  # libraries without assignment: a sum of shifted copies
        row = spread if row is None else row + spread
        if j == windows.kernel[1] - 1:
            spread, row = _spread(row, 1, down, height), None
            into = spread if into is None else into + spread
    return into


def _spread(x: Array, axis: int, where: slice, length: int) -> Array:
    """Zeros of `length` along `axis` with `x` at the positions of `where`."""
    xp = namespace(x)

    def zeros(count: int, shape: tuple[int, ...]) -> Array:
        return xp.zeros((*shape[:axis], count, *shape[axis + 1 :]), dtype=x.dtype)

    if where.step > 1:  # x0 x1 -> x0 0 0 x1 0 0 -> x0 0 0 x1
        shape = x.shape
        gap = xp.zeros((*shape[: axis + 1], where.step - 1, *shape[axis + 1 :]), dtype=x.dtype)
        x = xp.concat([xp.expand_dims(x, axis=axis + 1), gap], axis=axis + 1)
        x = xp.reshape(x, (*shape[:axis], shape[axis] * where.step, *shape[axis + 1 :]))
        keep: list[Any] = [slice(None)] * len(shape)
        keep[axis] = slice(0, where.stop - where.start)
        x = x[tuple(keep)]
    return xp.concat([zeros(where.start, x.shape), x, zeros(length - where.stop, x.shape)], axis=axis)


def first_tap(windows: Windows, zero: Array) -> Array:
    """The first tap of each window that lies on the image: `zero` itself, or (H', W', 1) where there is padding."""
    first = [
        [max(0, -(-(before - number * s) // d)) for number in range(count)]
        for before, s, d, count in zip(
            windows.padding[::2], windows.stride, windows.dilation, windows.output, strict=True
        )
    ]
    if not any(map(any, first)):
        return zero
    xp = namespace(zero)
    return xp.asarray([[[i * windows.kernel[1] + j] for j in first[1]] for i in first[0]], dtype=zero.dtype)


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library reuse memory that was freed, up to 32 MiB a piece, instead of returning it to the system.

    glibc raises its threshold to the size of the largest such piece freed so far. Without this a training step of a
    small network maps and clears the same pages again and again: a third of its time. Nothing is written, so no
    memory is taken; elsewhere it does nothing.
    """
    np.empty(32 * 2**20 - 8192, dtype=np.uint8)


def row_blocks(windows: Windows, like: Array, channels: int) -> Iterator[Rows]:
    """Blocks of window rows whose patches of `channels` channels stay in cache, for the batch and dtype of `like`.

    One block where a compiler lays out the loop, and where a window is a single pixel.
    """
    h, w = windows.output
    step = h
    if type(like) is np.ndarray:
        _keep_freed_memory()
        if windows.taps > 1:
            step = max(1, PATCH_BYTES // (channels * windows.taps * w * like.shape[3] * like.dtype.itemsize))
    for start in range(0, h, step):
        yield start, min(start + step, h)
