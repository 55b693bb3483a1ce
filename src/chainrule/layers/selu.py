"""Scaled exponential linear unit.

    forward    y = λ x where x > 0, else λ α (exp(x) − 1)
    backward   ∂L/∂x = ∂L/∂y · (λ where x > 0, else λ α exp(x))      with λ α exp(x) = y + λ α

λ and α are those for which mean 0 and variance 1 are a fixed point: with z standard normal, E y(z) = 0 and
E y(z)² = 1. At x = 0 the derivative jumps from λ α to λ; λ α is used.
Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", NIPS 2017, equation 2;
the constants in closed form are in its appendix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, expm1_of_negative, namespace, positive
from chainrule.layers.layer import Cache, Cost, Gradients, Layer

LAMBDA = 1.0507009873554804934193349852946
ALPHA = 1.6732632423543772848170429916717


@dataclass(frozen=True)
class SELU(Layer):
    """y = λ x where x > 0, else λ α (exp(x) − 1), element by element, λ ≈ 1.0507, α ≈ 1.6733.

    Its weights are meant to start with variance 1/fan_in: `He(gain=1.0)`.

    >>> import numpy as np
    >>> SELU().forward(np.array([-1e4, 1.0]))[0].round(6).tolist()
    [-1.758099, 1.050701]
    """

    axes = "... -> ..."
    has_kinks = True

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = λ max(x, 0) + λ α (exp(min(x, 0)) − 1), of which one term is 0 on each side."""
        xp = namespace(x)
        y = LAMBDA * xp.maximum(x, 0.0) + (LAMBDA * ALPHA) * expm1_of_negative(xp.minimum(x, 0.0))
        return y, (y,)  # y tells the side and gives exp(x) back, and is alive anyway

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (min(y, 0) + λ α + (λ − λ α) [y > 0])."""
        (y,) = cache
        slope = namespace(y).minimum(y, 0.0) + LAMBDA * ALPHA
        return {"x": dout * (slope + LAMBDA * (1 - ALPHA) * positive(y))}

    def cost(self, x_shape: Shape) -> Cost:
        """Two comparisons, exp − 1, two multiplications and one addition an element."""
        return Cost(0, 6 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number."""
        return [(cls(), (3, 5)), (cls(), (2, 3, 3, 5)), (cls(), (1, 1))]
