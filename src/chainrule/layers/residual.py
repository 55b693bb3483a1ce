"""Residual block.

    forward    y = f(x) + s(x)
    backward   ∂L/∂x = J_fᵀ ∂L/∂y + J_sᵀ ∂L/∂y

The same `dout` flows into both paths and their input gradients add, because x feeds both. Without a shortcut s is the
identity, and the gradient reaches x undiminished whatever f does.
Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016, equation 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape
from chainrule.errors import ShapeError, require_list
from chainrule.initializers import Normal
from chainrule.layers.affine import Affine
from chainrule.layers.layer import Cache, Cost, Gradients, Layer
from chainrule.layers.relu import ReLU
from chainrule.layers.sequential import Composite, Sequential, as_layers, child_key, split_params, updated_buffers


@dataclass(frozen=True)
class Residual(Composite):
    """y = body(x) + shortcut(x); an empty shortcut is the identity.

    >>> Residual((Affine(3), ReLU(), Affine(3))).output_shape((5, 3))
    (5, 3)
    """

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", as_layers(self.name, "body", self.body))
        require_list(self.name, "shortcut", self.shortcut, "layers")
        shortcut = as_layers(self.name, "shortcut", self.shortcut) if self.shortcut else ()
        object.__setattr__(self, "shortcut", shortcut)

    @property
    def children(self) -> tuple[Layer, ...]:
        """The two paths, each a `Sequential`."""
        body = Sequential(self.body)
        return (body, Sequential(self.shortcut)) if self.shortcut else (body,)

    def child_shapes(self, x_shape: Shape) -> tuple[Shape, ...]:
        """Both paths see x."""
        return (tuple(x_shape),) * len(self.children)

    def output_shape(self, x_shape: Shape) -> Shape:
        """The common output shape of the two paths."""
        shapes = [child.output_shape(tuple(x_shape)) for child in self.children]
        other = shapes[1] if self.shortcut else tuple(x_shape)
        if shapes[0] != other:
            raise ShapeError(
                f"{self.name}: body and shortcut must put out the same shape, got {shapes[0]} and {other} "
                f"for x of shape {tuple(x_shape)}"
            )
        return shapes[0]

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = f(x) + s(x)."""
        outs, caches = [], []
        for i, (path, own) in enumerate(split_params(self.children, params)):
            out, cache = path.forward(x, own, train=train, key=child_key(path, key, i))
            outs.append(out)
            caches.append(cache)
        return outs[0] + (outs[1] if self.shortcut else x), tuple(caches)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """Both paths get `dout`; their input gradients add."""
        grads: Gradients = {"x": None if self.shortcut else dout}
        for (names, path), own in zip(self._named(), cache, strict=True):
            for n, g in path.backward(dout, own).items():
                if n == "x":
                    grads["x"] = g if grads["x"] is None else grads["x"] + g
                else:
                    grads[names[n]] = g
        return grads

    def update_buffers(self, params: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
        """Both paths' buffers."""
        return updated_buffers(self.children, params, cache)

    def cost(self, x_shape: Shape) -> Cost:
        """Both paths, and one addition an output."""
        additions = 1
        for n in self.output_shape(x_shape):
            additions *= n
        return super().cost(x_shape) + Cost(0, additions)

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Identity and projected shortcuts, and a block inside a block."""
        affine = Affine(3, init=Normal(0.5))
        return [
            (cls((affine, ReLU(), affine)), (4, 3)),
            (cls((Affine(2), ReLU(), Affine(4)), shortcut=(Affine(4, bias=False),)), (1, 3)),
            (cls((cls((affine,)), ReLU())), (2, 3)),
        ]
