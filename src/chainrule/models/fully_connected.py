"""Fully connected networks: two layers, and any number with dropout and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.initializers import Initializer, Normal, he_normal
from chainrule.layers import Affine, Flatten, ReLU
from chainrule.layers.layer import Layer
from chainrule.models.blocks import affine_relu, normalized
from chainrule.network import Network
from chainrule.typed import typed


@typed
def TwoLayerNet(
    input_shape: int | Sequence[int] = (3, 32, 32),
    hidden_dim: int = 100,
    classes: int = 10,
    weight_scale: float = 1e-3,
    reg: float = 0.0,
    **options: Any,
) -> Network:
    """affine – ReLU – affine – softmax.

    hidden_dim: units of the hidden layer. weight_scale: standard deviation of the initial weights. reg: λ of
    ½ λ ‖W‖². options: seed, dtype and rng of `Network`.
    """
    init = Normal(weight_scale)
    layers = (Flatten(), *affine_relu(hidden_dim, init), Affine(classes, init=init))
    return Network(layers, None, input_shape, reg=reg, **options)


@typed
def FullyConnectedNet(
    hidden_dims: Sequence[int],
    input_shape: int | Sequence[int] = (3, 32, 32),
    classes: int = 10,
    dropout: float = 0.0,
    normalization: str | None = None,
    reg: float = 0.0,
    weight_scale: float | None = None,
    activation: Layer = ReLU(),  # noqa: B008  (frozen)
    **options: Any,
) -> Network:
    """{affine – [norm] – activation – [dropout]} × len(hidden_dims) – affine – softmax.

    dropout: the probability of dropping, 0 for none. normalization: "batchnorm", "layernorm" or None. weight_scale:
    standard deviation of the initial weights; None for He's. options: seed, dtype and rng of `Network`.

    >>> sorted(FullyConnectedNet([50], (3, 32, 32), normalization="batchnorm").params)
    ['W1', 'W2', 'b1', 'b2', 'beta1', 'gamma1']
    """
    init: Initializer = he_normal if weight_scale is None else Normal(weight_scale)
    before, after = normalized(normalization, dropout)
    layers: list[Layer] = [Flatten()]
    for units in hidden_dims:
        layers += [Affine(units, init=init), *before, activation, *after]
    return Network([*layers, Affine(classes, init=init)], None, input_shape, reg=reg, **options)
