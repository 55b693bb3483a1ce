"""Squeeze: one column of scores as a vector.

    forward    yₙ = xₙ₁
    backward   ∂L/∂xₙ₁ = ∂L/∂yₙ

Losses of a binary classifier compare scores (N,) with labels (N,). Left as (N, 1) they would broadcast to (N, N)
without a word, which is why the losses refuse that shape and this layer exists.
Source: the shape convention of scikit-learn's decision_function for two classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Squeeze(Layer):
    """x (N, 1) as y (N,), the last layer of a binary classifier.

    >>> import numpy as np
    >>> Squeeze().forward(np.array([[1.0], [2.0]]))[0].tolist()
    [1.0, 2.0]
    """

    axes = "N 1 -> N"

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """yₙ = xₙ₁."""
        return namespace(x).reshape(x, self.output_shape(x.shape)), ()

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂xₙ₁ = ∂L/∂yₙ."""
        return {"x": namespace(dout).reshape(dout, (dout.shape[0], 1))}

    def cost(self, x_shape: Shape) -> Cost:
        """Nothing is computed."""
        return Cost()

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A few rows, one row, an odd number."""
        return [(cls(), (4, 1)), (cls(), (1, 1)), (cls(), (7, 1))]
