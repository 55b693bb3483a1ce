"""Sandwich patterns: the runs of layers that networks repeat, as compositions that are spliced into a list.

Each returns a tuple of layers; `(*conv_relu(32, 3), *affine_relu(100))` is a network's beginning.
"""

from __future__ import annotations

from typing import Any

from chainrule.errors import unknown
from chainrule.geometry import Pair
from chainrule.initializers import Initializer, he_normal
from chainrule.layers import Affine, BatchNorm, Conv2D, Dropout, LayerNorm, MaxPool2D, ReLU
from chainrule.layers.layer import Layer
from chainrule.typed import typed

Layers = tuple[Layer, ...]

NORMALIZATIONS = {"batchnorm": BatchNorm, "layernorm": LayerNorm}


@typed
def affine_relu(units: int, init: Initializer = he_normal) -> Layers:
    """Affine – ReLU."""
    return (Affine(units, init=init), ReLU())


@typed
def conv_relu(filters: int, kernel: int | Pair, init: Initializer = he_normal, **options: Any) -> Layers:
    """Convolution – ReLU; `options` go to `Conv2D`."""
    return (Conv2D(filters, kernel, init=init, **options), ReLU())


@typed
def conv_bn_relu(filters: int, kernel: int | Pair, init: Initializer = he_normal, **options: Any) -> Layers:
    """Convolution – batch normalisation – ReLU; `options` go to `Conv2D`."""
    return (Conv2D(filters, kernel, init=init, **options), BatchNorm(), ReLU())


@typed
def conv_relu_pool(
    filters: int,
    kernel: int | Pair,
    pool: int | Pair = 2,
    pool_stride: int | Pair | None = None,
    init: Initializer = he_normal,
    **options: Any,
) -> Layers:
    """Convolution – ReLU – max pooling; `options` go to `Conv2D`."""
    return (*conv_relu(filters, kernel, init, **options), MaxPool2D(pool, stride=pool_stride))


def normalized(normalization: str | None, dropout: float) -> tuple[Layers, Layers]:
    """The layers between an affine map and its activation, and after the activation: a norm, and dropout.

    normalization: "batchnorm", "layernorm" or None. dropout: the probability of dropping; 0 leaves the layer out.
    """
    if normalization is not None and normalization not in NORMALIZATIONS:
        raise unknown("normalization", normalization, NORMALIZATIONS)
    before = () if normalization is None else (NORMALIZATIONS[normalization](),)
    return before, (Dropout(dropout),) if dropout else ()
