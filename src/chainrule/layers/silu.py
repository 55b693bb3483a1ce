"""Sigmoid linear unit (swish).

    forward    y = x σ(x)
    backward   ∂L/∂x = ∂L/∂y · (σ(x) + y (1 − σ(x)))

By the product rule, with σ′ = σ (1 − σ): the derivative is σ + x σ (1 − σ), and x σ is y.
Source: Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function approximation in
reinforcement learning", Neural Networks 107, 2018, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, sigmoid
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class SiLU(Layer):
    """y = x σ(x), element by element.

    >>> import numpy as np
    >>> SiLU().forward(np.array([0.0, 1e4]))[0].tolist()
    [0.0, 10000.0]
    """

    axes = "... -> ..."

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = x σ(x)."""
        s = sigmoid(x)
        y = x * s
        return y, (y, s)  # y is alive anyway; s is kept, being the dear part

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (σ + y (1 − σ))."""
        y, s = cache
        return {"x": dout * (s + y * (1 - s))}

    def cost(self, x_shape: Shape) -> Cost:
        """The four of the sigmoid and one multiplication an element."""
        return Cost(0, 5 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number."""
        return [(cls(), (3, 5)), (cls(), (2, 3, 3, 5)), (cls(), (1, 1))]
