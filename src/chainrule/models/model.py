"""What a named model is: its layers, the shape it takes, and the counts published for it."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Shape
from chainrule.layers.layer import Layer
from chainrule.summary import Summary


@dataclass(frozen=True)
class Model:
    """A model of the literature. Nothing is allocated until a network is built from its layers.

    parameters, multiply_adds: the published counts (None where none was found); source: who published them.
    """

    name: str
    title: str
    layers: tuple[Layer, ...]
    input_shape: Shape
    source: str
    parameters: int | None = None
    multiply_adds: int | None = None

    def summary(self) -> Summary:
        """The counts that follow from the layers."""
        return Summary(self.layers, self.input_shape, itemsize=4)
