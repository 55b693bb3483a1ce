"""Residual networks: ResNet-18 for ImageNet and ResNet-20 for CIFAR-10.

Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016: table 1 (18 layers; shortcuts
of option B, 1×1 convolutions where the shape changes) and section 4.2 (20 layers, 0.27 million parameters; option A,
every second pixel and zeros for the new channels).
"""

from __future__ import annotations

from typing import Any

from chainrule.layers import Affine, BatchNorm, Conv2D, GlobalAveragePool, MaxPool2D, PadChannels, ReLU, Residual
from chainrule.layers.layer import Layer
from chainrule.models.blocks import conv_bn_relu
from chainrule.models.model import Model
from chainrule.network import Network
from chainrule.typed import typed


def basic_block(channels: int, filters: int, stride: int, *, projection: bool) -> tuple[Layer, ...]:
    """Two 3×3 convolutions around a shortcut, then ReLU (figure 2); `projection` is option B, else option A."""
    body = (
        *conv_bn_relu(filters, 3, stride=stride, padding=1, bias=False, rounding="floor"),
        *(Conv2D(filters, 3, padding=1, bias=False), BatchNorm()),
    )
    if stride == 1 and channels == filters:
        shortcut: tuple[Layer, ...] = ()
    elif projection:
        shortcut = (Conv2D(filters, 1, stride=stride, bias=False, rounding="floor"), BatchNorm())
    else:  # a pooling window of one pixel takes every second pixel; zeros stand for the new channels
        before = (filters - channels) // 2
        zeros = PadChannels(before, filters - channels - before)
        shortcut = (MaxPool2D(1, stride=stride, rounding="floor"), zeros)
    return (Residual(body, shortcut), ReLU())


def _stages(filters: tuple[int, ...], blocks: int, *, projection: bool) -> list[Layer]:
    layers: list[Layer] = []
    channels = filters[0]
    for stage, width in enumerate(filters):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers += basic_block(channels, width, stride, projection=projection)
            channels = width
    return layers


def resnet18_layers(classes: int = 1000) -> tuple[Layer, ...]:
    """7×7/2 convolution, 3×3/2 max pool, four stages of two blocks, global average pooling."""
    return (
        *conv_bn_relu(64, 7, stride=2, padding=3, bias=False, rounding="floor"),
        MaxPool2D(3, stride=2, padding=1, rounding="floor"),
        *_stages((64, 128, 256, 512), 2, projection=True),
        *(GlobalAveragePool(), Affine(classes)),
    )


def resnet20_layers(classes: int = 10) -> tuple[Layer, ...]:
    """3×3 convolution, three stages of three blocks with 16, 32, 64 filters, global average pooling."""
    return (
        *conv_bn_relu(16, 3, padding=1, bias=False),
        *_stages((16, 32, 64), 3, projection=False),
        *(GlobalAveragePool(), Affine(classes)),
    )


@typed
def ResNet18(classes: int = 1000, **options: Any) -> Network:
    """ResNet-18 for (3, 224, 224) images; options: seed, dtype, reg and rng of `Network`."""
    return Network(resnet18_layers(classes), None, (3, 224, 224), **options)


@typed
def ResNet20(classes: int = 10, **options: Any) -> Network:
    """ResNet-20 for (3, 32, 32) images; options: seed, dtype, reg and rng of `Network`."""
    return Network(resnet20_layers(classes), None, (3, 32, 32), **options)


RESNET18 = Model(
    "resnet18",
    "ResNet-18, 224×224 colour",
    resnet18_layers(),
    (3, 224, 224),
    "parameters: torchvision's resnet18; multiply-adds: 1.81 G in its documentation; the paper says 1.8 × 10⁹",
    parameters=11_689_512,
    multiply_adds=1_814_073_344,
)
RESNET20 = Model(
    "resnet20",
    "ResNet-20, 32×32 colour, shortcuts of option A",
    resnet20_layers(),
    (3, 32, 32),
    "parameters: 0.27 M in the paper (table 6); 269,722 with batch normalisation counted",
    parameters=269_722,
)
