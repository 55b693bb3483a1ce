"""Branches side by side, joined along the channel axis.

    forward    y = [f₁(x), f₂(x), …]   (concatenated along axis 1)
    backward   ∂L/∂x = Σᵢ Jᵢᵀ (∂L/∂y)ᵢ

Each branch gets its own slice of `dout`; because x feeds every branch, the input gradients add.
Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 4 (the Inception module).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe
from chainrule.layers.affine import Affine
from chainrule.layers.layer import Cache, Gradients, Layer
from chainrule.layers.relu import ReLU
from chainrule.layers.sequential import Composite, Sequential, as_layers, child_key, split_params, updated_buffers


@dataclass(frozen=True)
class Branches(Composite):
    """The outputs of several lists of layers, all fed with x, concatenated along axis 1.

    >>> Branches(((Affine(2),), (Affine(3), ReLU()))).output_shape((5, 4))
    (5, 5)
    """

    branches: tuple[tuple[Layer, ...], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.branches, (list, tuple)):
            raise DTypeError(f"{self.name}: branches must be a list of lists of layers, got {describe(self.branches)}")
        if not self.branches:
            raise ConfigError(f"{self.name}: branches must hold at least one list of layers, got an empty list")
        checked = tuple(as_layers(self.name, f"branches[{i}]", b) for i, b in enumerate(self.branches))
        object.__setattr__(self, "branches", checked)

    @property
    def children(self) -> tuple[Layer, ...]:
        """One `Sequential` a branch."""
        return tuple(Sequential(branch) for branch in self.branches)

    def child_shapes(self, x_shape: Shape) -> tuple[Shape, ...]:
        """Every branch sees x."""
        return (tuple(x_shape),) * len(self.branches)

    def output_shape(self, x_shape: Shape) -> Shape:
        """The branches' common shape, with their channels added up."""
        shapes = [child.output_shape(tuple(x_shape)) for child in self.children]
        if len({(len(s), s[:1], s[2:]) for s in shapes}) > 1 or len(shapes[0]) < 2:
            raise ShapeError(
                f"{self.name}: branches must agree in every axis but axis 1, got {', '.join(map(str, shapes))} "
                f"for x of shape {tuple(x_shape)}"
            )
        return (shapes[0][0], sum(s[1] for s in shapes), *shapes[0][2:])

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = [f₁(x), f₂(x), …]."""
        outs, caches = [], []
        for i, (branch, own) in enumerate(split_params(self.children, params)):
            out, cache = branch.forward(x, own, train=train, key=child_key(branch, key, i))
            outs.append(out)
            caches.append(cache)
        widths = tuple(out.shape[1] for out in outs)
        return namespace(x).concat(outs, axis=1), (widths, tuple(caches))

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """Each branch gets its slice of `dout`; the input gradients add."""
        widths, caches = cache
        grads: Gradients = {"x": None}
        start = 0
        for (names, branch), own, width in zip(self._named(), caches, widths, strict=True):
            for n, g in branch.backward(dout[:, start : start + width, ...], own).items():
                if n == "x":
                    grads["x"] = g if grads["x"] is None else grads["x"] + g
                else:
                    grads[names[n]] = g
            start += width
        return grads

    def update_buffers(self, params: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
        """Every branch's buffers."""
        return updated_buffers(self.children, params, cache[1])

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Branches of different depth and width; a single one; one inside another."""
        two = cls(((Affine(2),), (Affine(3), ReLU())))
        return [(two, (3, 4)), (cls(((Affine(2),),)), (1, 2)), (cls(((two, Affine(2)), (ReLU(),))), (2, 3))]
