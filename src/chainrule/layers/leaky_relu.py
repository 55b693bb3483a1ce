"""Leaky rectified linear unit.

    forward    y = x where x > 0, else s x
    backward   ∂L/∂x = ∂L/∂y · (1 where x > 0, else s)

As 0 <= s <= 1, the line s x lies above x exactly where x < 0, so y = max(x, s x). At x = 0 the derivative does not
exist; s is used.
Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace, positive
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """y = x where x > 0, else slope · x, element by element; slope is in [0, 1].

    >>> import numpy as np
    >>> LeakyReLU(0.1).forward(np.array([-1.0, 2.0]))[0].tolist()
    [-0.1, 2.0]
    """

    slope: float = 0.01

    axes = "... -> ..."
    has_kinks = True

    def __post_init__(self) -> None:
        require_number("LeakyReLU", "slope", self.slope, low=0, high=1)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = max(x, s x)."""
        y = namespace(x).maximum(x, self.slope * x)
        return y, (y,)  # y > 0 exactly where x > 0, and y is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y · max([y > 0], s)."""
        (y,) = cache
        return {"x": dout * namespace(y).maximum(positive(y), self.slope)}

    def cost(self, x_shape: Shape) -> Cost:
        """One multiplication and one comparison an element."""
        return Cost(0, 2 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number, a flat slope and none."""
        return [
            (cls(), (3, 5)),
            (cls(0.2), (2, 3, 3, 5)),
            (cls(), (1, 1)),
            (cls(1), (3, 4)),
            (cls(0), (1, 7)),
        ]
