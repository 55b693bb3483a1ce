"""Affine, ReLU and the losses as functions: `forward(...) -> (out, cache)`, `backward(dout, cache) -> gradients`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.courses.common.faces import FaceCache, as_float, matching, unpack
from chainrule.errors import ShapeError
from chainrule.layers import Affine, ReLU
from chainrule.losses import BinaryHinge, Logistic, MultiClassHinge, SoftmaxCrossEntropy
from chainrule.require import as_numbers

Result = tuple[np.ndarray, Any]
Gradients3 = tuple[np.ndarray, np.ndarray, np.ndarray]


def affine_forward(x: Any, w: Any, b: Any) -> Result:
    """Return out = x w + b and the cache (x, w, b), x (N, d1, ..., dk) being read as (N, D) with D = d1 ... dk.

    >>> out, cache = affine_forward(np.ones((1, 2, 3)), np.ones((6, 2)), np.zeros(2))
    >>> out.tolist(), len(cache)
    ([[6.0, 6.0]], 3)
    """
    x, w, b = as_float(x), as_float(w, "w"), as_float(b, "b")
    if x.ndim < 1 or w.ndim != 2 or math.prod(x.shape[1:]) != w.shape[0]:
        raise ShapeError(
            f"affine_forward: x must have shape (N, d1, ..., dk) and w (d1 ... dk, M), got {x.shape} and {w.shape}"
        )
    if len(x) == 0:
        raise ShapeError(f"affine_forward: x must hold at least one row, got shape {x.shape}")
    layer = Affine(w.shape[1])
    out, inner = layer.forward(x.reshape(len(x), -1), {"W": w, "b": b})  # (N, M)
    return out, FaceCache.of((x, w, b), layer, inner)


def affine_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx in the shape of x, dw (D, M) and db (M,)."""
    x, w, b = unpack(cache, "affine_backward", "x w b")
    if not isinstance(cache, FaceCache):
        cache = affine_forward(x, w, b)[1]
    dout = matching(dout, (len(x), w.shape[1]), "affine_backward")
    grads = cache.layer.backward(dout, cache.inner)
    return grads["x"].reshape(x.shape), grads["W"], grads["b"]


def relu_forward(x: Any) -> Result:
    """Return max(x, 0), and x as the cache."""
    x = as_float(x)
    return ReLU().forward(x, {})[0], x


def relu_backward(dout: Any, cache: Any) -> np.ndarray:
    """Return dout where x > 0, else 0."""
    x = as_float(cache, "relu_backward: cache")
    # The layer keeps its output y, as y > 0 exactly where x > 0; so x serves as well.
    return ReLU().backward(matching(dout, x.shape, "relu_backward"), (x,))["x"]


def softmax_loss(x: Any, y: Any) -> Result:
    """Return the softmax cross-entropy of scores x (N, C) and labels y (N,), a mean over N, and dx."""
    return SoftmaxCrossEntropy()(as_float(x), as_numbers("loss", "y", y))


def svm_loss(x: Any, y: Any) -> Result:
    """Return the multi-class hinge loss of scores x (N, C) and labels y (N,), a mean over N, and dx."""
    return MultiClassHinge()(as_float(x), as_numbers("loss", "y", y))


def binary_svm_loss(x: Any, y: Any) -> Result:
    """Return the hinge loss of scores x (N,) and labels y (N,), 0/1 or −1/+1, a mean over N, and dx."""
    return BinaryHinge()(as_float(x), as_numbers("loss", "y", y))


def logistic_loss(x: Any, y: Any) -> Result:
    """Return the logistic loss of scores x (N,) and labels y (N,), 0/1 or −1/+1, a mean over N, and dx."""
    return Logistic()(as_float(x), as_numbers("loss", "y", y))
