"""Convolution and pooling as the loops of their definitions: the oracle that the fast layers are tested against.

Every output is one pass of four loops (image, channel, row, column), and every backward pass the chain rule applied
to the very statement of the forward loop: `y += w·x` gives `dw += dy·x` and `dx += dy·w`. Nothing is shared with the
layers, so a mistake in their windows, patches or folding cannot hide here. Slow: only for images of a few pixels.

stride, dilation and size are pairs (vertical, horizontal); padding is (top, bottom, left, right).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def count_windows(length: int, extent: int, stride: int, before: int, after: int, *, ceil: bool = False) -> int:
    """How many windows of `extent` that start every `stride` lie on `length` pixels with padding, found by trying.

    ceil: one more window that hangs over the end, if it starts before the padding at the end.
    """
    end = before + length + after
    count = 0
    while count * stride + extent <= end:
        count += 1
    left_out = count > 0 and (count - 1) * stride + extent < end
    return count + (ceil and left_out and count * stride < before + length)


def convolution(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> np.ndarray:
    """y[n, f, h, w] = b[f] + Σ_cij W[f, c, i, j] x[n, c, hS + id − top, wS + jd − left]."""
    y = np.zeros(_output_shape(x, W, stride, padding, dilation), x.dtype)
    for n, f, h, w in np.ndindex(y.shape):
        y[n, f, h, w] = b[f]
        for at_w, at_x in _meetings(n, f, h, w, x, W, stride, padding, dilation, groups):
            y[n, f, h, w] += W[at_w] * x[at_x]
    return y


def convolution_backward(
    dy: np.ndarray, x: np.ndarray, W: np.ndarray, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(∂L/∂x, ∂L/∂W, ∂L/∂b) of `convolution`."""
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[0], x.dtype)
    for n, f, h, w in np.ndindex(dy.shape):
        db[f] += dy[n, f, h, w]
        for at_w, at_x in _meetings(n, f, h, w, x, W, stride, padding, dilation, groups):
            dW[at_w] += dy[n, f, h, w] * x[at_x]
            dx[at_x] += dy[n, f, h, w] * W[at_w]
    return dx, dW, db


def transposed_convolution(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
    output_padding: Pair,
) -> np.ndarray:
    """Each x[n, c, h, w] adds W[c, f, i, j] x to y[n, f, hS + id − top, wS + jd − left], where that exists."""
    y = np.zeros(_enlarged_shape(x, W, stride, padding, dilation, groups, output_padding), x.dtype)
    y += b[:, None, None]
    for n, c, h, w in np.ndindex(x.shape):
        for at_w, at_y in _meetings(n, c, h, w, y, W, stride, padding, dilation, groups):
            y[at_y] += W[at_w] * x[n, c, h, w]
    return y


def transposed_convolution_backward(
    dy: np.ndarray, x: np.ndarray, W: np.ndarray, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(∂L/∂x, ∂L/∂W, ∂L/∂b) of `transposed_convolution`."""
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    for n, c, h, w in np.ndindex(x.shape):
        for at_w, at_y in _meetings(n, c, h, w, dy, W, stride, padding, dilation, groups):
            dx[n, c, h, w] += dy[at_y] * W[at_w]
            dW[at_w] += dy[at_y] * x[n, c, h, w]
    return dx, dW, dy.sum(axis=(0, 2, 3))


def max_pooling(
    x: np.ndarray, size: Pair, stride: Pair, padding: Sides, *, ceil: bool = False
) -> tuple[np.ndarray, dict[tuple[int, ...], tuple[int, ...]]]:
    """The largest pixel of each window, and which it was: the first such in row-major order."""
    y = np.empty(_pooled_shape(x, size, stride, padding, ceil=ceil), x.dtype)
    winners: dict[tuple[int, ...], tuple[int, ...]] = {}
    for n, c, h, w in np.ndindex(y.shape):
        best, winner = -math.inf, None
        for row, column in _pixels(h, w, x, size, stride, padding):
            if winner is None or x[n, c, row, column] > best:
                best, winner = x[n, c, row, column], (n, c, row, column)
        assert winner is not None
        y[n, c, h, w], winners[n, c, h, w] = best, winner
    return y, winners


def max_pooling_backward(dy: np.ndarray, x: np.ndarray, winners: dict[tuple[int, ...], tuple[int, ...]]) -> np.ndarray:
    """∂L/∂x of `max_pooling`: each ∂L/∂y goes to the pixel that won."""
    dx = np.zeros_like(x)
    for at_y, at_x in winners.items():
        dx[at_x] += dy[at_y]
    return dx


def average_pooling(
    x: np.ndarray, size: Pair, stride: Pair, padding: Sides, *, count_include_pad: bool, ceil: bool = False
) -> np.ndarray:
    """The sum of each window's pixels over how many there are (counting padding, but nothing beyond it, or not)."""
    y = np.zeros(_pooled_shape(x, size, stride, padding, ceil=ceil), x.dtype)
    for n, c, h, w in np.ndindex(y.shape):
        for row, column in _pixels(h, w, x, size, stride, padding):
            y[n, c, h, w] += x[n, c, row, column]
        y[n, c, h, w] /= _entries(h, w, x, size, stride, padding, count_include_pad=count_include_pad)
    return y


def average_pooling_backward(
    dy: np.ndarray, x: np.ndarray, size: Pair, stride: Pair, padding: Sides, *, count_include_pad: bool
) -> np.ndarray:
    """∂L/∂x of `average_pooling`: each pixel of a window gets an equal share of ∂L/∂y."""
    dx = np.zeros_like(x)
    for n, c, h, w in np.ndindex(dy.shape):
        entries = _entries(h, w, x, size, stride, padding, count_include_pad=count_include_pad)
        for row, column in _pixels(h, w, x, size, stride, padding):
            dx[n, c, row, column] += dy[n, c, h, w] / entries
    return dx


def _meetings(
    n: int,
    f: int,
    h: int,
    w: int,
    image: np.ndarray,
    W: np.ndarray,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The entries of W (its index) and of the image (its index) that meet in output [n, f, h, w]; padding left out."""
    filters, channels, kernel_height, kernel_width = W.shape
    first_channel = f // (filters // groups) * channels
    for c in range(channels):
        for i in range(kernel_height):
            for j in range(kernel_width):
                row = h * stride[0] + i * dilation[0] - padding[0]
                column = w * stride[1] + j * dilation[1] - padding[2]
                if 0 <= row < image.shape[2] and 0 <= column < image.shape[3]:
                    yield (f, c, i, j), (n, first_channel + c, row, column)


def _pixels(h: int, w: int, x: np.ndarray, size: Pair, stride: Pair, padding: Sides) -> Iterator[Pair]:
    """The pixels (row, column) of x in pooling window (h, w), in row-major order; padding left out."""
    for i in range(size[0]):
        for j in range(size[1]):
            row, column = h * stride[0] + i - padding[0], w * stride[1] + j - padding[2]
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                yield row, column


def _entries(
    h: int, w: int, x: np.ndarray, size: Pair, stride: Pair, padding: Sides, *, count_include_pad: bool
) -> int:
    if not count_include_pad:
        return len(list(_pixels(h, w, x, size, stride, padding)))
    rows = [h * stride[0] + i for i in range(size[0])]
    columns = [w * stride[1] + j for j in range(size[1])]
    height, width = padding[0] + x.shape[2] + padding[1], padding[2] + x.shape[3] + padding[3]
    return len([r for r in rows if r < height]) * len([c for c in columns if c < width])


def _output_shape(x: np.ndarray, W: np.ndarray, stride: Pair, padding: Sides, dilation: Pair) -> tuple[int, ...]:
    h, w = (
        count_windows(
            x.shape[2 + axis],
            dilation[axis] * (W.shape[2 + axis] - 1) + 1,
            stride[axis],
            padding[2 * axis],
            padding[2 * axis + 1],
        )
        for axis in range(2)
    )
    return x.shape[0], W.shape[0], h, w


def _pooled_shape(x: np.ndarray, size: Pair, stride: Pair, padding: Sides, *, ceil: bool) -> tuple[int, ...]:
    h, w = (
        count_windows(x.shape[2 + axis], size[axis], stride[axis], padding[2 * axis], padding[2 * axis + 1], ceil=ceil)
        for axis in range(2)
    )
    return x.shape[0], x.shape[1], h, w


def _enlarged_shape(
    x: np.ndarray,
    W: np.ndarray,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
    output_padding: Pair,
) -> tuple[int, ...]:
    """The last row that the last pixel reaches, less what is cut, and what is added."""
    h, w = (
        (x.shape[2 + axis] - 1) * stride[axis]
        + dilation[axis] * (W.shape[2 + axis] - 1)
        + 1
        - padding[2 * axis]
        - padding[2 * axis + 1]
        + output_padding[axis]
        for axis in range(2)
    )
    return x.shape[0], W.shape[1] * groups, h, w
