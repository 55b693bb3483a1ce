"""Sandwich layers: two or three layers called one after the other, their caches kept together."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from chainrule.courses.common.convolution import conv_backward, conv_forward, max_pool_backward, max_pool_forward
from chainrule.courses.common.faces import unpack
from chainrule.courses.common.layers import affine_backward, affine_forward, relu_backward, relu_forward
from chainrule.courses.common.normalization import spatial_batchnorm_backward, spatial_batchnorm_forward

Result = tuple[np.ndarray, Any]
Gradients3 = tuple[np.ndarray, np.ndarray, np.ndarray]
Gradients5 = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def affine_relu_forward(x: Any, w: Any, b: Any) -> Result:
    """Affine, then ReLU."""
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx, dw, db."""
    fc_cache, relu_cache = unpack(cache, "affine_relu_backward", "fc_cache relu_cache")
    return affine_backward(relu_backward(dout, relu_cache), fc_cache)


def conv_relu_forward(x: Any, w: Any, b: Any, conv_param: Mapping[str, Any]) -> Result:
    """Convolution, then ReLU."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


def conv_relu_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx, dw, db."""
    conv_cache, relu_cache = unpack(cache, "conv_relu_backward", "conv_cache relu_cache")
    return conv_backward(relu_backward(dout, relu_cache), conv_cache)


def conv_bn_relu_forward(
    x: Any, w: Any, b: Any, gamma: Any, beta: Any, conv_param: Mapping[str, Any], bn_param: MutableMapping[str, Any]
) -> Result:
    """Convolution, spatial batch normalisation, ReLU."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    normal, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normal)
    return out, (conv_cache, bn_cache, relu_cache)


def conv_bn_relu_backward(dout: Any, cache: Any) -> Gradients5:
    """Return dx, dw, db, dgamma, dbeta."""
    conv_cache, bn_cache, relu_cache = unpack(cache, "conv_bn_relu_backward", "conv_cache bn_cache relu_cache")
    da, dgamma, dbeta = spatial_batchnorm_backward(relu_backward(dout, relu_cache), bn_cache)
    return *conv_backward(da, conv_cache), dgamma, dbeta


def conv_relu_pool_forward(
    x: Any, w: Any, b: Any, conv_param: Mapping[str, Any], pool_param: Mapping[str, Any]
) -> Result:
    """Convolution, ReLU, max pooling."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    s, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward(s, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def conv_relu_pool_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx, dw, db."""
    conv_cache, relu_cache, pool_cache = unpack(cache, "conv_relu_pool_backward", "conv_cache relu_cache pool_cache")
    return conv_backward(relu_backward(max_pool_backward(dout, pool_cache), relu_cache), conv_cache)
