"""Gaussian error linear unit.

    forward    y = x Φ(x)
    backward   ∂L/∂x = ∂L/∂y · (Φ(x) + x Φ′(x))

"none" takes the normal distribution function itself, Φ(x) = ½ erfc(−x/√2), whose derivative is the normal density
exp(−x²/2)/√(2π). "tanh" takes Φ(x) ≈ ½ (1 + tanh u) with u = √(2/π) (x + 0.044715 x³). As ½ (1 + tanh u) = σ(2u), its
derivative is 2u′ σ(2u) (1 − σ(2u)) with 2u′ = 2 √(2/π) (1 + 3 · 0.044715 x²). Both forms keep small Φ accurate.
Source: Hendrycks & Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chainrule.arrays import Array, Shape, erfc, namespace, sigmoid
from chainrule.errors import require_choice
from chainrule.layers.layer import Cache, Cost, Gradients, Layer

_SLOPE = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715


@dataclass(frozen=True)
class GELU(Layer):
    """y = x Φ(x), element by element; approximate: "none" for the exact Φ, "tanh" for its approximation by tanh.

    >>> import numpy as np
    >>> x = np.array([-1e4, 1.0])
    >>> GELU().forward(x)[0].round(6).tolist(), GELU("tanh").forward(x)[0].round(6).tolist()
    ([-0.0, 0.841345], [-0.0, 0.841192])
    """

    approximate: Literal["none", "tanh"] = "none"

    axes = "... -> ..."

    def __post_init__(self) -> None:
        require_choice("GELU", "approximate", self.approximate, ("none", "tanh"))

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = x Φ(x)."""
        if self.approximate == "none":
            cdf = 0.5 * erfc(-math.sqrt(0.5) * x)
        else:
            cdf = sigmoid(_SLOPE * (x + _CUBIC * x * x * x))
        return x * cdf, (x, cdf)  # Φ is kept, being the dearest part

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y (Φ + x Φ′)."""
        x, cdf = cache
        square = x * x
        if self.approximate == "none":
            density = math.sqrt(0.5 / math.pi) * namespace(x).exp(-0.5 * square)
        else:
            density = (_SLOPE + (3 * _CUBIC * _SLOPE) * square) * cdf * (1 - cdf)
        return {"x": dout * (cdf + x * density)}

    def cost(self, x_shape: Shape) -> Cost:
        """Exact: erfc and three multiplications; tanh: four more, two additions and the four of the sigmoid."""
        return Cost(0, (4 if self.approximate == "none" else 11) * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch and one number, exact and approximate."""
        return [
            (cls(), (3, 5)),
            (cls(), (2, 3, 3, 5)),
            (cls(), (1, 1)),
            (cls("tanh"), (3, 5)),
            (cls("tanh"), (1, 3, 1, 7)),
        ]
