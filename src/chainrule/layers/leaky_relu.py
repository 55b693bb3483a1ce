"""Leaky rectified linear unit.

    forward    y = x where x > 0, else s x
    backward   ∂L/∂x = ∂L/∂y · (1 where x > 0, else s)

With a slope s of at most 1 the line s x lies above x exactly where x < 0, so y = max(x, s x); with s > 1 it is the
minimum. At x = 0 the derivative does not exist; s is used.
Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """y = x where x > 0, else slope · x, element by element; slope is not negative.

    >>> import numpy as np
    >>> LeakyReLU(0.1).forward(np.array([-1.0, 2.0]))[0].tolist()
    [-0.1, 2.0]
    """

    slope: float = 0.01

    axes = "... -> ..."
    has_kinks = True

    def __post_init__(self) -> None:
        require_number("LeakyReLU", "slope", self.slope, low=0)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = max(x, s x), or min(x, s x) for s > 1."""
        xp = namespace(x)
        y = (xp.maximum if self.slope <= 1 else xp.minimum)(x, self.slope * x)
        return y, (y,)  # y > 0 exactly where x > 0, and y is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y where y > 0, else s ∂L/∂y."""
        (y,) = cache
        return {"x": namespace(dout).where(y > 0, dout, self.slope * dout)}

    def cost(self, x_shape: Shape) -> Cost:
        """One multiplication and one comparison an element."""
        return Cost(0, 2 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number, a steep and a flat slope."""
        return [
            (cls(), (3, 5)),
            (cls(0.2), (2, 3, 3, 5)),
            (cls(), (1, 1)),
            (cls(1.5), (3, 4)),
            (cls(0), (1, 7)),
        ]
