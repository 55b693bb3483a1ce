"""Softplus, the smooth rectifier.

    forward    y = log(1 + exp(β x))/β = max(x, 0) + log(1 + exp(−β |x|))/β
    backward   ∂L/∂x = ∂L/∂y · σ(β x)

The derivative is exp(β x)/(1 + exp(β x)) = σ(β x). Taking exp(β x) out of the logarithm where x > 0 leaves only
exponentials of negative numbers.
Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, "Incorporating second-order functional knowledge for better option
pricing", NIPS 2000.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, sigmoid, softplus
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Softplus(Layer):
    """y = log(1 + exp(beta · x))/beta, element by element; beta is positive, and large ones come close to ReLU.

    >>> import numpy as np
    >>> Softplus().forward(np.array([-1e4, 0.0, 1e4]))[0].round(6).tolist()
    [0.0, 0.693147, 10000.0]
    """

    beta: float = 1.0

    axes = "... -> ..."

    def __post_init__(self) -> None:
        require_number("Softplus", "beta", self.beta, low=0, open_low=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = softplus(β x)/β."""
        return softplus(self.beta * x) / self.beta, (x,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y σ(β x)."""
        (x,) = cache
        return {"x": dout * sigmoid(self.beta * x)}

    def cost(self, x_shape: Shape) -> Cost:
        """Two scalings, two comparisons, a sign, exp, log and one addition an element."""
        return Cost(0, 8 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number, a sharper and a softer bend."""
        return [
            (cls(), (3, 5)),
            (cls(), (2, 3, 3, 5)),
            (cls(), (1, 1)),
            (cls(3.0), (3, 4)),
            (cls(0.5), (1, 7)),
        ]
