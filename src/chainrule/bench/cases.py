"""Every layer alone at a size that networks have: the cases of `chainrule bench --layers`.

A layer's case comes from its first example, whose options it keeps, on a matrix or images of a usual size; layers whose
own fields set their size are listed. A new layer thus has its case as soon as it is in the list of layers.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.arrays import Shape
from chainrule.bench.rows import products
from chainrule.config import to_config
from chainrule.errors import ChainruleError
from chainrule.layers import (
    LAYERS,
    Affine,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    ConvTranspose2D,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool2D,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Softmax,
    Squeeze,
)


class Case(NamedTuple):
    """A layer and the shape of its input."""

    layer: Layer
    shape: Shape

    @property
    def title(self) -> str:
        """The layer's name, its options where they are plain values, and the input's sizes."""
        options = to_config(self.layer)
        plain = (
            ""
            if isinstance(options, str)
            else ", ".join(
                f"{name}={value}"
                for name, value in options.items()
                if name != "layer" and not isinstance(value, (list, dict))
            )
        )
        return f"{self.layer.name}{f'({plain})' if plain else ''} {'×'.join(map(str, self.shape))}"

    @property
    def flops(self) -> int:
        """Of its products in a forward pass; none for layers without, and for composites."""
        return products(self.layer, self.shape)


#: Where a layer's examples do not say which size it has in networks; the first that fits is taken.
USUAL: tuple[Shape, ...] = ((64, 64, 32, 32), (256, 1024), (256, 1))


def _conv(filters: int) -> tuple[Layer, ...]:
    return Conv2D(filters, 3, padding=1), BatchNorm(), ReLU()


CHOSEN: tuple[Case, ...] = (
    Case(Affine(1024), (256, 1024)),
    Case(Affine(2048), (2048, 2048)),
    Case(AveragePool2D(2), (64, 64, 32, 32)),
    Case(BatchNorm(), (64, 64, 32, 32)),
    Case(Branches(((Conv2D(32, 1), ReLU()), (Conv2D(32, 3, padding=1), ReLU()))), (64, 64, 16, 16)),
    Case(Conv2D(96, 3, padding=1), (64, 48, 16, 16)),
    Case(Conv2D(96, 3, padding=1), (64, 96, 16, 16)),
    Case(Conv2D(192, 3, padding=1), (64, 192, 8, 8)),
    Case(Conv2D(128, 1), (64, 128, 16, 16)),
    Case(Conv2D(64, 3, stride=2, padding=1, rounding="floor"), (64, 64, 32, 32)),
    Case(Conv2D(64, 3, padding=1, groups=64), (64, 64, 32, 32)),
    Case(ConvTranspose2D(32, 4, stride=2, padding=1), (64, 64, 16, 16)),
    Case(GroupNorm(8), (64, 64, 32, 32)),
    Case(LayerNorm(), (256, 1024)),
    Case(MaxPool2D(2), (64, 64, 32, 32)),
    Case(MaxPool2D(3, stride=2, padding=1), (64, 64, 31, 31)),
    Case(Residual((*_conv(64), Conv2D(64, 3, padding=1), BatchNorm())), (64, 64, 16, 16)),
    Case(RMSNorm(), (256, 1024)),
    Case(Sequential((Affine(512), ReLU(), Affine(256))), (256, 1024)),
    Case(Softmax(), (256, 1024)),
    Case(Squeeze(), (256, 1)),
)


def usual_case(cls: type[Layer]) -> Case:
    """The first example's layer on the first usual shape that it takes, its own shape where it takes none."""
    layer, example = cls.examples()[0]
    for shape in USUAL:
        try:
            layer.output_shape(shape)
        except ChainruleError:
            continue
        return Case(layer, shape)
    return Case(layer, tuple(example))


def layer_cases(layers: tuple[type[Layer], ...] = LAYERS) -> list[Case]:
    """At least one case for every layer, in the order of the list of layers."""
    cases: list[Case] = []
    for cls in layers:
        chosen = [case for case in CHOSEN if type(case.layer) is cls]
        cases += chosen if chosen else [usual_case(cls)]
    return cases
