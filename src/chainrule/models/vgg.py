"""VGG11: the full ImageNet network and two scaled ones for CIFAR-10.

Source: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
table 1, column A, and table 2 (133 million parameters).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.layers import Affine, BatchNorm, Dropout, Flatten, MaxPool2D, ReLU
from chainrule.layers.layer import Layer
from chainrule.models.blocks import affine_relu, conv_bn_relu, conv_relu
from chainrule.models.model import Model
from chainrule.network import Network
from chainrule.typed import typed

VGG11_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
CIFAR_STAGES = ((8,), (16, 16), (32, 32), (64, 64), (64, 64))
WIDE_STAGES = ((48,), (96, 96), (192, 192))


def vgg_stages(stages: Sequence[Sequence[int]], *, batch_norm: bool, dropout: float = 0.0) -> tuple[Layer, ...]:
    """3×3 convolutions with the given filters, each stage followed by a 2×2 max pool and, with it, dropout."""
    block = conv_bn_relu if batch_norm else conv_relu
    layers: list[Layer] = []
    for stage in stages:
        for filters in stage:
            layers += block(filters, 3, padding=1)
        layers += [MaxPool2D(2), *([Dropout(dropout)] if dropout else [])]
    return tuple(layers)


def vgg11_layers(classes: int = 1000) -> tuple[Layer, ...]:
    """Column A: eight convolutions, three affine layers."""
    return (
        *(*vgg_stages(VGG11_STAGES, batch_norm=False), Flatten()),
        *(*affine_relu(4096), Dropout(0.5), *affine_relu(4096), Dropout(0.5), Affine(classes)),
    )


def cifar_vgg_layers(
    stages: Sequence[Sequence[int]] = CIFAR_STAGES,
    hidden: Sequence[int] = (64,),
    classes: int = 10,
    dropout: float = 0.0,
) -> tuple[Layer, ...]:
    """3×3 convolutions with batch normalisation, then affine layers with batch normalisation."""
    layers: list[Layer] = [*vgg_stages(stages, batch_norm=True, dropout=dropout), Flatten()]
    for units in hidden:
        layers += [Affine(units), BatchNorm(), ReLU()]
    return (*layers, Affine(classes))


@typed
def VGG11(classes: int = 1000, **options: Any) -> Network:
    """VGG11 for (3, 224, 224) images: 133 million parameters; options: seed, dtype, reg and rng of `Network`."""
    return Network(vgg11_layers(classes), None, (3, 224, 224), **options)


@typed
def CifarVGG(classes: int = 10, dropout: float = 0.0, **options: Any) -> Network:
    """The scaled VGG11 for (3, 32, 32): 8 · 16 16 · 32 32 · 64 64 · 64 64, then 64."""
    return Network(cifar_vgg_layers(classes=classes, dropout=dropout), None, (3, 32, 32), **options)


@typed
def CifarVGGWide(classes: int = 10, dropout: float = 0.25, **options: Any) -> Network:
    """The wide one for (3, 32, 32): 48 · 96 96 · 192 192 with dropout after each stage, then 512 – 256."""
    layers = cifar_vgg_layers(WIDE_STAGES, (512, 256), classes, dropout)
    return Network(layers, None, (3, 32, 32), **options)


MODEL = Model(
    "vgg11",
    "VGG11 (column A), 224×224 colour",
    vgg11_layers(),
    (3, 224, 224),
    "parameters: torchvision's vgg11; multiply-adds: 7.61 G in its documentation; the paper says 133 M parameters",
    parameters=132_863_336,
    multiply_adds=7_609_090_048,
)
