"""The columns of a convolution (im2col) and their adjoint, in the layout that CS231n documents.

Row (c, i, j) of the columns is tap (i, j) of channel c; column (h, w, n) is the window at (h, w) of image n, the image
index running fastest. That is the layout of `chainrule.windows`, so these are thin views of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import geometry, windows
from chainrule.courses.common.faces import as_float
from chainrule.errors import ConfigError, ShapeError, require_number, shown
from chainrule.geometry import Windows
from chainrule.typed import typed


@typed
def get_im2col_indices(
    x_shape: tuple[int, int, int, int],
    fh: int | None = None,
    fw: int | None = None,
    padding: int = 1,
    stride: int = 1,
    *,
    field_height: int | None = None,
    field_width: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The index arrays k, i, j with which `x_padded[:, k, i, j]` is every window of every channel.

    fh, fw: the window (also spelled field_height, field_width). Returns k (C·fh·fw, 1), i and j (C·fh·fw, H'·W').
    """
    at = _fit(x_shape, fh, fw, padding, stride, field_height, field_width)
    (fh, fw), (out_h, out_w), channels = at.kernel, at.output, x_shape[1]
    k, i0, j0 = (a.reshape(-1, 1) for a in np.indices((channels, fh, fw)))  # (C·fh·fw, 1)
    i1, j1 = (stride * a.reshape(1, -1) for a in np.indices((out_h, out_w)))  # (1, H'·W')
    return k, i0 + i1, j0 + j1


@typed
def im2col_indices(
    x: Any,
    fh: int | None = None,
    fw: int | None = None,
    padding: int = 1,
    stride: int = 1,
    *,
    field_height: int | None = None,
    field_width: int | None = None,
) -> np.ndarray:
    """The windows of x (N, C, H, W) as columns (C·fh·fw, H'·W'·N)."""
    x = as_float(x)
    at = _fit(x.shape, fh, fw, padding, stride, field_height, field_width)
    padded = windows.pad(windows.batch_last(x), at)
    return windows.patches(padded, at).reshape(x.shape[1] * at.taps, -1)


@typed
def col2im_indices(
    cols: Any,
    x_shape: tuple[int, int, int, int],
    fh: int | None = 3,
    fw: int | None = 3,
    padding: int = 1,
    stride: int = 1,
    *,
    field_height: int | None = None,
    field_width: int | None = None,
) -> np.ndarray:
    """Each entry of `cols` added to the pixel it came from, (N, C, H, W): the adjoint of `im2col_indices`."""
    if field_height is not None:
        fh = None
    if field_width is not None:
        fw = None
    at = _fit(x_shape, fh, fw, padding, stride, field_height, field_width)
    n, channels = x_shape[:2]
    cols = as_float(cols, "cols")
    expected = (channels * at.taps, at.output[0] * at.output[1] * n)
    if cols.shape != expected:
        height = f"fh = {fh}" if field_height is None else f"field_height = {field_height}"
        width = f"fw = {fw}" if field_width is None else f"field_width = {field_width}"
        given = f"x_shape = {tuple(x_shape)}, {height}, {width}, padding = {padding} and stride = {stride}"
        raise ShapeError(f"col2im_indices: cols must have shape {expected} for {given}, got {cols.shape}")
    taps = cols.reshape(channels, at.taps, *at.output, n)
    image = windows.fold((taps[:, t] for t in range(at.taps)), at)
    return windows.batch_first(windows.crop(image, at))


def _fit(
    x_shape: tuple[int, ...],
    fh: int | None,
    fw: int | None,
    padding: int,
    stride: int,
    field_height: int | None,
    field_width: int | None,
) -> Windows:
    for argument, number, least in (("padding", padding, 0), ("stride", stride, 1)):
        require_number("im2col", argument, number, integer=True, low=least, high=10**6)
    for axis in x_shape:
        require_number("im2col", "x_shape", axis, integer=True, low=1, high=10**9)
    if len(x_shape) != 4:
        raise ShapeError(f"im2col: x must have axes (N, C, H, W), got shape {tuple(x_shape)}")
    sizes = []
    for short, long, spelled in ((fh, field_height, "field_height"), (fw, field_width, "field_width")):
        brief = f"f{spelled[6]}"  # fh, fw
        if (short is None) == (long is None):
            got = f"{brief} = {shown(short)} and {spelled} = {shown(long)}"
            raise ConfigError(f"im2col: either {brief} or {spelled} must be given, got {got}")
        size: Any = short if long is None else long
        require_number("im2col", spelled if short is None else brief, size, integer=True, low=1, high=10**6)
        sizes.append(size)
    h, w = x_shape[2:]
    return geometry.fit_windows("im2col", (h, w), (sizes[0], sizes[1]), (stride, stride), padding)
