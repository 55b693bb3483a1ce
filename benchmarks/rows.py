"""The models that are timed against peers: one line each, the same architecture for every framework.

A row is a list of layers as a recipe writes them; `worker.py` builds it in chainrule and in PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    name: str
    layers: tuple[Any, ...]
    input_shape: tuple[int, ...]
    batch: int
    rule: str
    classes: int = 10


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
    Row("MLP 784-200-10 (8), SGD momentum", (_affine(200), "ReLU", _affine(10)), (784,), 8, "sgd_momentum"),
    Row("MLP 784-600-10 (100), Adam", (_affine(600), "ReLU", _affine(10)), (784,), 100, "adam"),
    Row(
        "conv 32×5×5 – pool – FC 512 (50), Adam",
        (_conv(32, 5), "ReLU", _POOL, "Flatten", _affine(512), "ReLU", _affine(10)),
        (1, 28, 28),
        50,
        "adam",
    ),
    Row(
        "conv 32×7×7 – pool – FC 500, 32×32×3 (50), Adam",
        (_conv(32, 7, padding=3), "ReLU", _POOL, "Flatten", _affine(500), "ReLU", _affine(10)),
        (3, 32, 32),
        50,
        "adam",
    ),
    Row(
        "VGG11 scaled, 32×32×3 (100), Adam",
        (*_stages(_VGG), "Flatten", _affine(64), "BatchNorm", "ReLU", _affine(10)),
        (3, 32, 32),
        100,
        "adam",
    ),
    Row(
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
