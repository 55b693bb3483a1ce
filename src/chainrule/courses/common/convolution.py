"""Convolution and max pooling as functions. The courses' naive, fast, strided and im2col versions are one layer here.

They differ in nothing but speed, and the layer is faster than all of them; the four nested loops that the naive
versions are known for serve as the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.courses.common.faces import FaceCache, as_float, matching, option, unpack
from chainrule.errors import DTypeError, ShapeError, describe
from chainrule.layers import Conv2D, MaxPool2D

Result = tuple[np.ndarray, Any]
Gradients3 = tuple[np.ndarray, np.ndarray, np.ndarray]


def conv_forward(x: Any, w: Any, b: Any, conv_param: Mapping[str, Any]) -> Result:
    """Return the cross-correlation of x (N, C, H, W) with w (F, C, HH, WW), plus b (F,), and (x, w, b, conv_param).

    conv_param: stride, and pad, the zeros on each side. out is (N, F, H', W'), H' = 1 + (H + 2 pad − HH) // stride.
    """
    x, w, b = as_float(x), as_float(w, "w"), as_float(b, "b")
    stride, pad = (_whole(conv_param, "conv_forward", "conv_param", key) for key in ("stride", "pad"))
    layer = Conv2D(*_kernel("conv_forward", w, x), stride=stride, padding=pad, rounding="floor")
    out, inner = layer.forward(x, {"W": w, "b": b})  # (N, F, H', W')
    return out, FaceCache.of((x, w, b, conv_param), layer, inner)


def conv_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx (N, C, H, W), dw (F, C, HH, WW) and db (F,)."""
    x, w, b, conv_param = unpack(cache, "conv_backward", "x w b conv_param")
    if not isinstance(cache, FaceCache):
        cache = conv_forward(x, w, b, conv_param)[1]
    dout = matching(dout, cache.layer.output_shape(x.shape), "conv_backward")
    grads = cache.layer.backward(dout, cache.inner)
    return grads["x"], grads["W"], grads["b"]


def valid_conv_forward(x: Any, w: Any) -> Result:
    """Return the cross-correlation of x (N, C, H, W) with w (F, C, HH, WW), no bias, no padding, and (x, w)."""
    x, w = as_float(x), as_float(w, "w")
    layer = Conv2D(*_kernel("conv_forward", w, x), bias=False)
    out, inner = layer.forward(x, {"W": w})  # (N, F, H − HH + 1, W − WW + 1)
    return out, FaceCache.of((x, w), layer, inner)


def valid_conv_backward(dout: Any, cache: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return dx (N, C, H, W) and dw (F, C, HH, WW)."""
    x, w = unpack(cache, "conv_backward", "x w")
    if not isinstance(cache, FaceCache):
        cache = valid_conv_forward(x, w)[1]
    grads = cache.layer.backward(matching(dout, cache.layer.output_shape(x.shape), "conv_backward"), cache.inner)
    return grads["x"], grads["W"]


def max_pool_forward(x: Any, pool_param: Mapping[str, Any]) -> Result:
    """Return the maximum of each window of x (N, C, H, W), and (x, pool_param); windows may overlap.

    pool_param: pool_height, pool_width, stride. out is (N, C, H', W'), H' = 1 + (H − pool_height) // stride.
    """
    x = as_float(x)
    height, width, stride = (
        _whole(pool_param, "max_pool_forward", "pool_param", key) for key in ("pool_height", "pool_width", "stride")
    )
    layer = MaxPool2D((height, width), stride=stride, rounding="floor")
    out, inner = layer.forward(x, {})  # (N, C, H', W')
    return out, FaceCache.of((x, pool_param), layer, inner)


def max_pool_backward(dout: Any, cache: Any) -> np.ndarray:
    """Return dx (N, C, H, W): each dout goes to the pixel that was the maximum of its window."""
    x, pool_param = unpack(cache, "max_pool_backward", "x pool_param")
    if not isinstance(cache, FaceCache):
        cache = max_pool_forward(x, pool_param)[1]
    dout = matching(dout, cache.layer.output_shape(x.shape), "max_pool_backward")
    return cache.layer.backward(dout, cache.inner)["x"]


def _kernel(owner: str, w: np.ndarray, x: np.ndarray) -> tuple[int, tuple[int, int]]:
    """(F, (HH, WW)) of w (F, C, HH, WW)."""
    if w.ndim != 4 or x.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            f"{owner}: x must have axes (N, C, H, W) and w (F, C, HH, WW) with one C, got {x.shape} and {w.shape}"
        )
    if w.size == 0:
        raise ShapeError(f"{owner}: w must hold at least one filter (F, C, HH, WW), got shape {w.shape}")
    return w.shape[0], (w.shape[2], w.shape[3])


def _whole(param: Mapping[str, Any], owner: str, argument: str, key: str) -> int:
    """`param[key]` as an int; 1.0 counts as 1, since (filter_size − 1) / 2 is what notebooks compute."""
    value = option(param, owner, argument, key)
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole and not (isinstance(value, (float, np.floating)) and float(value).is_integer()):
        raise DTypeError(f"{owner}: {argument}[{key!r}] must be an integer, got {describe(value)}")
    return int(value)
