"""AlexNet, with the two-GPU split as groups.

Source: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012,
section 3. The paper says 224×224; its strides fit 227×227, as all implementations use. "60 million parameters".
"""

from __future__ import annotations

from typing import Any

from chainrule.initializers import Initializer, he_normal
from chainrule.layers import Affine, Conv2D, Dropout, Flatten, LocalResponseNorm, MaxPool2D, ReLU
from chainrule.layers.layer import Layer
from chainrule.models.model import Model
from chainrule.network import Network
from chainrule.typed import typed


def alexnet_layers(classes: int = 1000, init: Initializer = he_normal) -> tuple[Layer, ...]:
    """Five convolutions (the second, fourth and fifth in two groups) and three affine layers."""
    norm = LocalResponseNorm(5, alpha=5e-4, k=2.0)  # alpha is divided by the size; the paper's is 1e-4 a term
    return (
        *(Conv2D(96, 11, stride=4, init=init), ReLU(), norm, MaxPool2D(3, stride=2)),
        *(Conv2D(256, 5, padding=2, groups=2, init=init), ReLU(), norm, MaxPool2D(3, stride=2)),
        *(Conv2D(384, 3, padding=1, init=init), ReLU()),
        *(Conv2D(384, 3, padding=1, groups=2, init=init), ReLU()),
        *(Conv2D(256, 3, padding=1, groups=2, init=init), ReLU(), MaxPool2D(3, stride=2), Flatten()),
        *(Affine(4096, init=init), ReLU(), Dropout(0.5)),
        *(Affine(4096, init=init), ReLU(), Dropout(0.5)),
        Affine(classes, init=init),
    )


@typed
def AlexNet(classes: int = 1000, **options: Any) -> Network:
    """AlexNet for (3, 227, 227) images; options: seed, dtype, reg and rng of `Network`."""
    return Network(alexnet_layers(classes), None, (3, 227, 227), **options)


MODEL = Model(
    "alexnet",
    "AlexNet, 227×227 colour, two groups",
    alexnet_layers(),
    (3, 227, 227),
    "parameters: the reference Caffe model (bvlc_alexnet); multiply-adds: 724 M, Netscope's count of it",
    parameters=60_965_224,
    multiply_adds=724_406_816,
)
