"""Logistic sigmoid.

    forward    y = σ(x) = 1/(1 + exp(−x))
    backward   ∂L/∂x = ∂L/∂y · y (1 − y)

dσ/dx = exp(−x)/(1 + exp(−x))², whose two factors are y and 1 − y.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, sigmoid
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Sigmoid(Layer):
    """y = 1/(1 + exp(−x)), element by element, without overflow.

    >>> import numpy as np
    >>> Sigmoid().forward(np.array([0.0, 1e4]))[0].tolist()
    [0.5, 1.0]
    """

    axes = "... -> ..."

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = σ(x)."""
        y = sigmoid(x)
        return y, (y,)  # the derivative needs only y, which is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y · y (1 − y)."""
        (y,) = cache
        return {"x": dout * (y * (1 - y))}

    def cost(self, x_shape: Shape) -> Cost:
        """A sign, exp, one addition and one division an element."""
        return Cost(0, 4 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number."""
        return [(cls(), (3, 5)), (cls(), (2, 3, 3, 5)), (cls(), (1, 1))]
