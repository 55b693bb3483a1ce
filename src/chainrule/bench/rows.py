"""The models that are timed against peers: one row each, the same architecture for every framework.

A row is a list of layers as a recipe writes them; each peer's file builds it from that list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import unknown
from chainrule.layers import Layer

#: Batches in the set that a run trains on, over and over.
BATCHES = 8


@dataclass(frozen=True)
class Row:
    """A model, its batch and its update rule, under a short name and the one that tables show."""

    key: str
    title: str
    layers: tuple[Any, ...]
    input_shape: tuple[int, ...]
    batch: int
    rule: str
    classes: int = 10

    @property
    def is_image(self) -> bool:
        """Whether inputs are (C, H, W)."""
        return len(self.input_shape) == 3


def _affine(units: int) -> dict[str, Any]:
    return {"layer": "Affine", "units": units}


def _conv(filters: int, kernel: int, padding: int = 0) -> dict[str, Any]:
    return {"layer": "Conv2D", "filters": filters, "kernel": kernel, "padding": padding}


def _stages(stages: tuple[tuple[int, ...], ...], dropout: float = 0.0) -> tuple[Any, ...]:
    """3×3 convolutions with batch normalisation and ReLU, a 2×2 max pool and dropout after each stage."""
    layers: list[Any] = []
    for stage in stages:
        for filters in stage:
            layers += [_conv(filters, 3, padding=1), "BatchNorm", "ReLU"]
        layers += [_POOL, *([{"layer": "Dropout", "rate": dropout}] if dropout else [])]
    return tuple(layers)


_POOL = {"layer": "MaxPool2D", "size": 2}
_VGG = ((8,), (16, 16), (32, 32), (64, 64), (64, 64))
_WIDE = ((48,), (96, 96), (192, 192))


ROWS = (
    Row(
        "mlp-200",
        "MLP 784-200-10 (8), SGD momentum",
        (_affine(200), "ReLU", _affine(10)),
        (784,),
        8,
        "sgd_momentum",
    ),
    Row("mlp-600", "MLP 784-600-10 (100), Adam", (_affine(600), "ReLU", _affine(10)), (784,), 100, "adam"),
    Row(
        "conv-5x5",
        "conv 32×5×5 – pool – FC 512 (50), Adam",
        (_conv(32, 5), "ReLU", _POOL, "Flatten", _affine(512), "ReLU", _affine(10)),
        (1, 28, 28),
        50,
        "adam",
    ),
    Row(
        "conv-7x7",
        "conv 32×7×7 – pool – FC 500, 32×32×3 (50), Adam",
        (_conv(32, 7, padding=3), "ReLU", _POOL, "Flatten", _affine(500), "ReLU", _affine(10)),
        (3, 32, 32),
        50,
        "adam",
    ),
    Row(
        "vgg11",
        "VGG11 scaled, 32×32×3 (100), Adam",
        (*_stages(_VGG), "Flatten", _affine(64), "BatchNorm", "ReLU", _affine(10)),
        (3, 32, 32),
        100,
        "adam",
    ),
    Row(
        "vgg-wide",
        "VGG wide 48/96/192, 32×32×3 (100), Adam",
        (
            *(*_stages(_WIDE, dropout=0.25), "Flatten"),
            *(_affine(512), "BatchNorm", "ReLU", _affine(256), "BatchNorm", "ReLU", _affine(10)),
        ),
        (3, 32, 32),
        100,
        "adam",
    ),
)


def select_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these names, in their own order; all of them where there are none.

    >>> [row.key for row in select_rows(["vgg11", "mlp-200"])]
    ['mlp-200', 'vgg11']
    """
    known = {row.key: row for row in ROWS}
    for name in names:
        if name not in known:
            raise unknown("row", name, known)
    return tuple(row for row in ROWS if not names or row.key in names)


def layers_of(row: Row) -> tuple[Layer, ...]:
    """The row's layers."""
    from chainrule.config import layers_from_config

    return layers_from_config(row.layers)


def data(row: Row) -> tuple[Array, Array]:
    """A set of `BATCHES` batches: X float32 and labels, the same numbers for every framework."""
    rng = np.random.default_rng(0)
    n = BATCHES * row.batch
    return rng.standard_normal((n, *row.input_shape), np.float32), rng.integers(0, row.classes, n)


def products(layer: Layer, x_shape: tuple[int, ...]) -> int:
    """Floating-point operations of the layer's matrix products or convolutions in one forward pass over `x_shape`."""
    weights = layer.param_shapes(x_shape).get("W")
    if weights is None:
        return 0
    # Each weight meets each place where it is used: of the output, or of the input where that is spread out.
    places = layer.output_shape(x_shape) if layer.name != "ConvTranspose2D" else x_shape
    return 2 * math.prod(weights) * places[0] * math.prod(places[2:])


def step_flops(row: Row) -> int:
    """Operations of a whole step's products: forward, weights' gradient, and inputs' gradient but for the first layer.

    >>> step_flops(ROWS[0])  # 2 · 8 · (2 · 784 · 200 + 3 · 200 · 10)
    5113600
    """
    shape: tuple[int, ...] = (row.batch, *row.input_shape)
    total, is_first = 0, True
    for layer in layers_of(row):
        total += products(layer, shape) * (2 if is_first else 3)
        is_first = False
        shape = layer.output_shape(shape)
    return total
