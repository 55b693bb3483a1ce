"""Hyperbolic tangent.

    forward    y = tanh(x)
    backward   ∂L/∂x = ∂L/∂y · (1 − y²)

tanh = sinh/cosh, so its derivative is (cosh² − sinh²)/cosh² = 1 − tanh².
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.3.2; LeCun et al., "Efficient backprop", 1998.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Tanh(Layer):
    """y = tanh(x), element by element.

    >>> import numpy as np
    >>> Tanh().forward(np.array([0.0, -1e4]))[0].tolist()
    [0.0, -1.0]
    """

    axes = "... -> ..."

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = tanh(x)."""
        y = namespace(x).tanh(x)
        return y, (y,)  # the derivative needs only y, which is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (1 − y²)."""
        (y,) = cache
        return {"x": dout * (1 - y * y)}

    def cost(self, x_shape: Shape) -> Cost:
        """One elementary function an element."""
        return Cost(0, math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number."""
        return [(cls(), (3, 5)), (cls(), (2, 3, 3, 5)), (cls(), (1, 1))]
