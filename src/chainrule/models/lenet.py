"""LeNet-5 on 32×32 grey images, with every feature map of the third layer connected to all of the second.

Source: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", 1998, section II.B.
The paper connects the third layer by a table, uses trained subsampling and radial-basis outputs; this is the form in
use since, with average pooling and tanh: 156 + 2,416 + 48,120 + 10,164 + 850 parameters.
"""

from __future__ import annotations

from typing import Any

from chainrule.initializers import xavier_normal
from chainrule.layers import Affine, AveragePool2D, Conv2D, Flatten, Tanh
from chainrule.layers.layer import Layer
from chainrule.models.model import Model
from chainrule.network import Network
from chainrule.typed import typed


def lenet5_layers(classes: int = 10) -> tuple[Layer, ...]:
    """conv 6×5×5 – pool – conv 16×5×5 – pool – conv 120×5×5 – 84 – classes."""
    x = xavier_normal
    return (
        *(Conv2D(6, 5, init=x), Tanh(), AveragePool2D(2)),
        *(Conv2D(16, 5, init=x), Tanh(), AveragePool2D(2)),
        *(Conv2D(120, 5, init=x), Tanh(), Flatten()),
        *(Affine(84, init=x), Tanh(), Affine(classes, init=x)),
    )


@typed
def LeNet5(classes: int = 10, **options: Any) -> Network:
    """LeNet-5 for (1, 32, 32) images; options: seed, dtype, reg and rng of `Network`."""
    return Network(lenet5_layers(classes), None, (1, 32, 32), **options)


MODEL = Model(
    "lenet5",
    "LeNet-5, 32×32 grey",
    lenet5_layers(),
    (1, 32, 32),
    "parameters: 156 + 2,416 + 48,120 + 10,164 + 850, the paper's layers with C3 fully connected",
    parameters=61_706,
)
