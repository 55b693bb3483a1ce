"""A stack of affine layers is one affine layer.

    (x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + (b₁ W₂ + b₂)

and so on for any number of layers: without a non-linearity between them, depth adds parameters, but no functions.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.1.
"""

from __future__ import annotations

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ConfigError, DTypeError, describe
from chainrule.layers import Affine, Dropout, Flatten
from chainrule.network import Network

#: Layers that are the identity in test mode, up to the shape.
PASSED = (Flatten, Dropout)


def collapse(network: Network) -> Network:
    """The network with one affine layer that computes what `network` does in test mode.

    Raises `ConfigError` naming the first layer that is not affine.

    >>> deep = Network([Affine(7), Affine(5), Affine(3)], input_shape=4, dtype="float64")
    >>> x = np.ones((2, 4))
    >>> bool(np.allclose(collapse(deep).scores(x), deep.scores(x)))
    True
    """
    if not isinstance(network, Network):
        raise DTypeError(f"collapse: network must be a Network, got {describe(network)}")
    W: Array | None = None
    b: Array = np.zeros(1)
    for i, (layer, params) in enumerate(network.body.split(network.tensors)):
        if isinstance(layer, PASSED):
            continue
        if not isinstance(layer, Affine):
            raise ConfigError(f"collapse: layer {i} ({layer.name}) is not linear, so the stack is not one affine layer")
        own = params["b"] if layer.bias else np.zeros(layer.units, network.dtype)
        W, b = (params["W"], own) if W is None else (W @ params["W"], b @ params["W"] + own)
    if W is None:
        raise ConfigError("collapse: the network has no affine layer")
    flat = [Flatten()] if len(network.input_shape) > 1 else []
    single = Network(
        [*flat, Affine(W.shape[1])], network.loss_function, network.input_shape, network.seed, network.dtype
    )
    single.params["W1"], single.params["b1"] = W, b
    return single
