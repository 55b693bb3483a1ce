"""The layers of COMP 540 whose arguments it names theta and theta0; all else is as in CS231n 2016."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from chainrule.courses.common import convolution, layer_utils, layers

Result = tuple[np.ndarray, Any]


def affine_forward(x: Any, theta: Any, theta0: Any) -> Result:
    """Return x θ + θ₀ for x (m, d1, ..., dk), theta (d, h), theta0 (h,), and the cache (x, theta, theta0)."""
    return layers.affine_forward(x, theta, theta0)


def conv_forward(x: Any, theta: Any, theta0: Any, conv_param: Mapping[str, Any]) -> Result:
    """Return the cross-correlation of x (m, C, H, W) with theta (F, C, HH, WW), plus theta0 (F,), and the cache."""
    return convolution.conv_forward(x, theta, theta0, conv_param)


def affine_relu_forward(x: Any, theta: Any, theta0: Any) -> Result:
    """Affine, then ReLU."""
    return layer_utils.affine_relu_forward(x, theta, theta0)


def conv_relu_forward(x: Any, theta: Any, theta0: Any, conv_param: Mapping[str, Any]) -> Result:
    """Convolution, then ReLU."""
    return layer_utils.conv_relu_forward(x, theta, theta0, conv_param)


def conv_bn_relu_forward(
    x: Any,
    theta: Any,
    theta0: Any,
    gamma: Any,
    beta: Any,
    conv_param: Mapping[str, Any],
    bn_param: MutableMapping[str, Any],
) -> Result:
    """Convolution, spatial batch normalisation, ReLU."""
    return layer_utils.conv_bn_relu_forward(x, theta, theta0, gamma, beta, conv_param, bn_param)


def conv_relu_pool_forward(
    x: Any, theta: Any, theta0: Any, conv_param: Mapping[str, Any], pool_param: Mapping[str, Any]
) -> Result:
    """Convolution, ReLU, max pooling."""
    return layer_utils.conv_relu_pool_forward(x, theta, theta0, conv_param, pool_param)
