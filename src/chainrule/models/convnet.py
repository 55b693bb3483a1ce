"""Small convolutional networks of the courses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.geometry import Padding
from chainrule.initializers import Initializer, Normal, he_normal
from chainrule.layers import Affine, BatchNorm, Conv2D, Dropout, Flatten, MaxPool2D, ReLU
from chainrule.layers.layer import Layer
from chainrule.models.blocks import affine_relu, conv_relu_pool
from chainrule.network import Network
from chainrule.typed import typed


@typed
def ThreeLayerConvNet(
    input_shape: Sequence[int] = (3, 32, 32),
    num_filters: int = 32,
    filter_size: int = 7,
    hidden_dim: int = 100,
    classes: int = 10,
    weight_scale: float | None = 1e-3,
    reg: float = 0.0,
    padding: Padding = "same",
    **options: Any,
) -> Network:
    """conv – ReLU – 2×2 max pool – affine – ReLU – affine – softmax.

    weight_scale: standard deviation of the initial weights, None for He's. padding: that of the convolution, as
    `Conv2D` has it. reg: λ of ½ λ ‖W‖². options: seed, dtype and rng of `Network`.
    """
    init: Initializer = he_normal if weight_scale is None else Normal(weight_scale)
    layers = (
        *conv_relu_pool(num_filters, filter_size, init=init, padding=padding),
        Flatten(),
        *affine_relu(hidden_dim, init),
        Affine(classes, init=init),
    )
    return Network(layers, None, input_shape, reg=reg, **options)


@typed
def ConvNet(
    input_shape: Sequence[int] = (1, 28, 28),
    num_filters: int = 32,
    filter_size: int = 5,
    hidden_dim: int = 512,
    classes: int = 10,
    weight_scale: float | None = None,
    reg: float = 0.0,
    dropout: float = 0.0,
    normalization: bool = False,
    pool: int | None = None,
    padding: Padding = "valid",
    **options: Any,
) -> Network:
    """conv – norm – ReLU – [pool] – dropout – affine – norm – ReLU – dropout – affine – softmax.

    dropout: the probability of dropping, 0 leaves both layers out. normalization: True puts batch normalisation in.
    pool: side of the max-pooling windows, None for no pooling. The others are those of `ThreeLayerConvNet`.
    """
    init: Initializer = he_normal if weight_scale is None else Normal(weight_scale)
    norm: tuple[Layer, ...] = (BatchNorm(),) if normalization else ()
    drop: tuple[Layer, ...] = (Dropout(dropout),) if dropout else ()
    pooling: tuple[Layer, ...] = () if pool is None else (MaxPool2D(pool),)
    layers = (
        Conv2D(num_filters, filter_size, padding=padding, init=init),
        *(*norm, ReLU(), *pooling, *drop, Flatten()),
        Affine(hidden_dim, init=init),
        *(*norm, ReLU(), *drop),
        Affine(classes, init=init),
    )
    return Network(layers, None, input_shape, reg=reg, **options)
