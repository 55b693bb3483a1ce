"""Rectified linear unit.

    forward    y = max(x, 0)
    backward   ∂L/∂x = ∂L/∂y where x > 0, else 0

At x = 0 the derivative does not exist; 0 is used, as everywhere in the field.
Source: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace, positive
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class ReLU(Layer):
    """y = max(x, 0), element by element.

    >>> import numpy as np
    >>> ReLU().forward(np.array([-1.0, 2.0]))[0].tolist()
    [0.0, 2.0]
    """

    axes = "... -> ..."
    has_kinks = True

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = max(x, 0)."""
        y = namespace(x).maximum(x, 0)
        return y, (y,)  # y > 0 exactly where x > 0, and y is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y · [y > 0]."""
        (y,) = cache
        return {"x": dout * positive(y)}

    def cost(self, x_shape: Shape) -> Cost:
        """One comparison an element."""
        return Cost(0, math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number."""
        return [(cls(), (3, 4)), (cls(), (2, 2, 3, 3)), (cls(), (1, 1))]
