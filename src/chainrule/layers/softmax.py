"""Softmax over the last axis.

    forward    y_d = exp(x_d)/Σⱼ exp(xⱼ)
    backward   ∂L/∂x_d = y_d (∂L/∂y_d − Σⱼ yⱼ ∂L/∂yⱼ)

∂yⱼ/∂x_d = yⱼ ([j = d] − y_d); multiplied by ∂L/∂yⱼ and summed over j it gives the line above. The maximum of each row
is subtracted first: softmax does not change, and exp cannot overflow.
For a classifier use the loss SoftmaxCrossEntropy on the scores instead, which holds a softmax already.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.2.2.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Softmax(Layer):
    """y = exp(x)/Σ exp(x) along the last axis: rows of positive numbers that sum to 1.

    >>> import numpy as np
    >>> Softmax().forward(np.array([[1e4, 1e4, -1e4]]))[0].tolist()
    [[0.5, 0.5, 0.0]]
    """

    axes = "... D -> ... D"

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = exp(x − max x)/Σ exp(x − max x)."""
        xp = namespace(x)
        exp = xp.exp(x - xp.max(x, axis=-1, keepdims=True))  # (..., D)
        y = exp / xp.sum(exp, axis=-1, keepdims=True)
        return y, (y,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = y (∂L/∂y − Σ y ∂L/∂y)."""
        (y,) = cache
        return {"x": y * (dout - namespace(y).sum(y * dout, axis=-1, keepdims=True))}

    def cost(self, x_shape: Shape) -> Cost:
        """Subtraction, exp and division an element; D − 1 comparisons and D − 1 additions a row."""
        d = self.bind(x_shape)["D"]
        return Cost(0, math.prod(x_shape) // d * (5 * d - 2))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, one row, one column, a batch of images along their width."""
        return [(cls(), (3, 5)), (cls(), (1, 7)), (cls(), (3, 1)), (cls(), (2, 3, 3, 5))]
