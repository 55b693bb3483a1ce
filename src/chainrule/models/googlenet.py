"""GoogLeNet, without the auxiliary classifiers.

Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1. The table rounds its parameter counts and
leaves biases out; the reference Caffe model (bvlc_googlenet) has this architecture with 6,998,552 parameters.
"""

from __future__ import annotations

from typing import Any

from chainrule.layers import Affine, Branches, Dropout, GlobalAveragePool, LocalResponseNorm, MaxPool2D
from chainrule.layers.layer import Layer
from chainrule.models.blocks import conv_relu
from chainrule.models.model import Model
from chainrule.network import Network
from chainrule.typed import typed

#: Table 1: 1×1; 3×3 reduce, 3×3; 5×5 reduce, 5×5; pool projection. None is a 3×3/2 max pool.
INCEPTIONS = (
    *((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None),
    *((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64)),
    *((112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None),
    *((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


def inception(one: int, reduce3: int, three: int, reduce5: int, five: int, project: int) -> Layer:
    """The Inception module (figure 2b): four branches joined along the channels."""
    return Branches(
        (
            conv_relu(one, 1),
            (*conv_relu(reduce3, 1), *conv_relu(three, 3, padding=1)),
            (*conv_relu(reduce5, 1), *conv_relu(five, 5, padding=2)),
            (MaxPool2D(3, stride=1, padding=1), *conv_relu(project, 1)),
        )
    )


def googlenet_layers(classes: int = 1000) -> tuple[Layer, ...]:
    """The stem, nine Inception modules, global average pooling and one affine layer."""
    pool = MaxPool2D(3, stride=2, rounding="ceil")
    body = [pool if sizes is None else inception(*sizes) for sizes in INCEPTIONS]
    return (
        *(*conv_relu(64, 7, stride=2, padding=3, rounding="floor"), pool, LocalResponseNorm(5)),
        *(*conv_relu(64, 1), *conv_relu(192, 3, padding=1), LocalResponseNorm(5), pool),
        *body,
        *(GlobalAveragePool(), Dropout(0.4), Affine(classes)),
    )


@typed
def GoogLeNet(classes: int = 1000, **options: Any) -> Network:
    """GoogLeNet for (3, 224, 224) images; options: seed, dtype, reg and rng of `Network`."""
    return Network(googlenet_layers(classes), None, (3, 224, 224), **options)


MODEL = Model(
    "googlenet",
    "GoogLeNet (Inception v1), 224×224 colour, no auxiliary classifiers",
    googlenet_layers(),
    (3, 224, 224),
    "parameters: the reference Caffe model (bvlc_googlenet) without its auxiliary classifiers",
    parameters=6_998_552,
)
