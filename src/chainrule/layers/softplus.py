"""Softplus, the smooth rectifier.

    forward    y = log(1 + exp(β x))/β = max(x, 0) + log(1 + exp(−β |x|))/β
    backward   ∂L/∂x = ∂L/∂y · σ(β x)      with σ(β x) = 1 − exp(−β y)

Taking exp(β x) out of the logarithm where x > 0 leaves only exponentials of negative numbers. From the definition
exp(−β y) = 1/(1 + exp(β x)) = 1 − σ(β x), so y is all that the backward pass needs.
Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, "Incorporating second-order functional knowledge for better option
pricing", NIPS 2000.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
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
        """y = (max(z, 0) + log(1 + exp(−|z|)))/β with z = β x."""
        xp = namespace(x)
        z = self.beta * x
        y = (xp.maximum(z, 0.0) + xp.log1p(xp.exp(xp.minimum(z, -z)))) / self.beta
        return y, (y,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (1 − exp(−β y))."""
        (y,) = cache
        return {"x": dout * -namespace(y).expm1(-self.beta * y)}

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
