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


ROWS = (
    Row("MLP 784-200-10 (8), SGD momentum", (_affine(200), "ReLU", _affine(10)), (784,), 8, "sgd_momentum"),
    Row("MLP 784-600-10 (100), Adam", (_affine(600), "ReLU", _affine(10)), (784,), 100, "adam"),
)
