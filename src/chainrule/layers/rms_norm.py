"""Root mean square normalisation.

    forward    x̂ = r x      y = γ x̂      r = 1/√(mean(x²) + ε) over each row (last axis)
    backward   ∂L/∂x = r (g − x̂ mean(g x̂))      g = γ ∂L/∂y
               ∂L/∂γ = Σ ∂L/∂y x̂      over all axes but the last

x reaches L directly (r g) and through r: ∂r/∂x = −r³ x/D gives −r³ x mean(g x) = −r x̂ mean(g x̂). It is layer
normalisation without the mean and the shift.
Source: Zhang & Sennrich, "Root mean square layer normalization", NeurIPS 2019, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.initializers import ones
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param


@dataclass(frozen=True)
class RMSNorm(Layer):
    """Divide each row of x (N, ..., D) by its root mean square over the last axis, then scale by γ (D).

    eps: ε, added to the mean square.

    >>> import numpy as np
    >>> RMSNorm().forward(np.array([[3.0, 3.0, -3.0]]), {"gamma": np.ones(3)})[0].round(4).tolist()
    [[1.0, 1.0, -1.0]]
    """

    eps: float = 1e-6

    axes = "N ... D -> N ... D"
    params = {"gamma": Param("D", ones)}

    def __post_init__(self) -> None:
        require_number("RMSNorm", "eps", self.eps, low=0, open_low=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = γ x/√(mean(x²) + ε)."""
        xp = namespace(x)
        gamma = params["gamma"]
        rrms = 1 / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + self.eps)  # (N, ..., 1)
        return x * rrms * gamma, (x, gamma, rrms)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = r (g − x̂ mean(g x̂)) with g = γ ∂L/∂y."""
        x, gamma, rrms = cache
        xp = namespace(x)
        normal = x * rrms  # (N, ..., D)
        g = dout * gamma
        dx = (g - normal * xp.mean(g * normal, axis=-1, keepdims=True)) * rrms
        return {"x": dx, "gamma": xp.sum(dout * normal, axis=tuple(range(len(x.shape) - 1)))}

    def cost(self, x_shape: Shape) -> Cost:
        """Four an element (square, its mean, r, γ) and three a row (ε, root, division)."""
        elements = math.prod(x_shape)
        return Cost(0, 4 * elements + 3 * (elements // self.bind(x_shape)["D"]))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, a batch of sequences, one row, one feature, images along their width."""
        return [
            (cls(), (3, 5)),
            (cls(), (2, 3, 7)),
            (cls(eps=1e-3), (1, 4)),
            (cls(), (3, 1)),
            (cls(), (1, 2, 3, 5)),
        ]
