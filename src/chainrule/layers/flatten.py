"""Flatten: all axes but the batch's into one.

    forward    yₙ_d = x at the d-th index of (C, H, W, ...) counted in C order
    backward   ∂L/∂x = ∂L/∂y in the shape of x

The numbers are only named anew, so the gradient takes the same way back.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.5.2 (tensors as vectors).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Sizes


@dataclass(frozen=True)
class Flatten(Layer):
    """x (N, ...) as a matrix (N, D), D being the product of the other lengths.

    >>> import numpy as np
    >>> Flatten().forward(np.zeros((2, 3, 4, 5)))[0].shape
    (2, 60)
    """

    axes = "N ... -> N D"

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """D = C·H·W."""
        return {"D": math.prod(sizes["..."])}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = x as (N, D)."""
        return namespace(x).reshape(x, self.output_shape(x.shape)), (x.shape,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y as (N, ...)."""
        (shape,) = cache
        return {"x": namespace(dout).reshape(dout, shape)}

    def cost(self, x_shape: Shape) -> Cost:
        """Nothing is computed."""
        return Cost()

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Images, one sequence, a matrix (unchanged), one number a row."""
        return [(cls(), (2, 3, 3, 5)), (cls(), (1, 7, 3)), (cls(), (3, 4)), (cls(), (3,))]
