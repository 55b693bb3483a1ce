"""Exponential linear unit.

    forward    y = x where x > 0, else α (exp(x) − 1)
    backward   ∂L/∂x = ∂L/∂y · (1 where x > 0, else α exp(x))      with α exp(x) = y + α

Of max(x, 0) and exp(min(x, 0)) − 1 one is zero on each side, so y is their sum, and exp never meets a large number;
in the same way the derivative is min(y, 0) + α, plus 1 − α where y > 0.
At x = 0 the derivative jumps from α to 1; α is used. With α = 1 it is continuous.
Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential linear units",
ICLR 2016, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, expm1_of_negative, namespace, positive
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class ELU(Layer):
    """y = x where x > 0, else alpha · (exp(x) − 1), element by element; alpha is not negative.

    >>> import numpy as np
    >>> ELU(2.0).forward(np.array([-1e4, 3.0]))[0].tolist()
    [-2.0, 3.0]
    """

    alpha: float = 1.0

    axes = "... -> ..."

    def __post_init__(self) -> None:
        require_number("ELU", "alpha", self.alpha, low=0)

    @property
    def has_kinks(self) -> bool:  # type: ignore[override]
        """The derivative at 0 jumps from alpha to 1."""
        return self.alpha != 1

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = max(x, 0) + α (exp(min(x, 0)) − 1)."""
        xp = namespace(x)
        y = xp.maximum(x, 0.0) + self.alpha * expm1_of_negative(xp.minimum(x, 0.0))
        return y, (y,)  # y tells the side and gives exp(x) back, and is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (min(y, 0) + α + (1 − α) [y > 0])."""
        (y,) = cache
        slope = namespace(y).minimum(y, 0.0) + self.alpha
        if self.alpha != 1:
            slope = slope + (1 - self.alpha) * positive(y)
        return {"x": dout * slope}

    def cost(self, x_shape: Shape) -> Cost:
        """Two comparisons, exp − 1, one multiplication and one addition an element."""
        return Cost(0, 5 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number, a low and a high alpha."""
        return [
            (cls(), (3, 5)),
            (cls(), (2, 3, 3, 5)),
            (cls(), (1, 1)),
            (cls(0.3), (3, 4)),
            (cls(1.7), (1, 7)),
        ]
