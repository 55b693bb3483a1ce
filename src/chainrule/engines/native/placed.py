"""A layer in its place in a network: the names of its tensors, and the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainrule.layers import Sequential
from chainrule.layers.layer import Layer
from chainrule.layers.sequential import parameter_names


class Placed(NamedTuple):
    """A layer in its place: its tensors' names in the network, and the indices that lead to it."""

    layer: Layer
    names: Mapping[str, str]
    path: tuple[int, ...]

    @property
    def label(self) -> str:
        """How listings name it."""
        return f"{'.'.join(map(str, self.path))} {self.layer.name}"


def placed(layers: Sequence[Layer], names: Mapping[str, str] | None, path: tuple[int, ...]) -> list[Placed]:
    """The layers in order, those inside a `Sequential` in its place."""
    result: list[Placed] = []
    for i, (layer, own) in enumerate(zip(layers, parameter_names(tuple(layers)), strict=True)):
        here = {n: whole if names is None else names[whole] for n, whole in own.items()}
        at = (*path, i)
        if isinstance(layer, Sequential) and type(layer) is Sequential:  # a subclass may compute something else
            result += placed(layer.layers, here, at)
        else:
            result.append(Placed(layer, here, at))
    return result
