"""Layers one after another, as rules think of them: nested `Sequential`s unrolled, branches on their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainrule.layers import (
    ELU,
    GELU,
    SELU,
    Affine,
    BatchNorm,
    Branches,
    Conv2D,
    ConvTranspose2D,
    Dropout,
    Layer,
    LeakyReLU,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
)

#: Layers whose output is W x + b.
WEIGHTED = (Affine, Conv2D, ConvTranspose2D)
ACTIVATIONS = (ReLU, LeakyReLU, PReLU, ELU, SELU, GELU, SiLU, Softplus, Sigmoid, Tanh, Softmax)
#: Activations whose output is never (or hardly) negative.
RECTIFIERS = (ReLU, ELU, SELU, GELU, SiLU, Softplus, LeakyReLU, PReLU)
DROPOUTS = (Dropout, SpatialDropout)


class Placed(NamedTuple):
    """A layer and where it stands: `layer 3 (Conv2D)`, `layer 2 (Residual), body 0 (Conv2D)`."""

    where: str
    layer: Layer


Chain = list[Placed]


def chains(layers: Sequence[Layer]) -> list[Chain]:
    """The main chain first, then one for each path inside a residual block or branches.

    In its parent's chain such a block is one layer.
    """
    rest: list[Chain] = []
    main = list(_walk(layers, "layer ", rest))
    return [main, *rest]


def _walk(layers: Sequence[Layer], prefix: str, rest: list[Chain]) -> Iterator[Placed]:
    for i, layer in enumerate(layers):
        where = f"{prefix}{i} ({layer.name})"
        if isinstance(layer, Sequential):
            yield from _walk(layer.layers, f"{where}, ", rest)
            continue
        yield Placed(where, layer)
        for name, path in _paths(layer):
            inner: list[Chain] = []
            rest.append(list(_walk(path, f"{where}, {name} ", inner)))
            rest += inner


def _paths(layer: Layer) -> list[tuple[str, Sequence[Layer]]]:
    if isinstance(layer, Residual):
        return [("body", layer.body), ("shortcut", layer.shortcut)] if layer.shortcut else [("body", layer.body)]
    if isinstance(layer, Branches):
        return [(f"branch {i},", branch) for i, branch in enumerate(layer.branches)]
    return []


def tail(layers: Sequence[Layer]) -> Chain:
    """What comes after the last layer with parameters of the main chain: what is done to the scores."""
    main = chains(layers)[0]
    last = max((i for i, placed in enumerate(main) if placed.layer.params), default=-1)
    return main[last + 1 :]


def has(layers: Sequence[Layer], kind: type[Layer] | tuple[type[Layer], ...]) -> bool:
    """Whether a layer of `kind` is anywhere inside."""
    return any(isinstance(placed.layer, kind) for chain in chains(layers) for placed in chain)


def is_linear(layer: Layer) -> bool:
    """Whether two layers with weights stay one linear map with `layer` between them (at test time, for noise)."""
    return not isinstance(layer, (*WEIGHTED, *ACTIVATIONS)) and type(layer).__name__ in _LINEAR


_LINEAR = {"Flatten", "Squeeze", "Pad", "PadChannels", "AveragePool2D", "GlobalAveragePool", "Dropout"} | {
    "SpatialDropout",
    BatchNorm.__name__,
}
