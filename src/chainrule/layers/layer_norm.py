"""Layer normalisation.

    forward    x̂ = (x − μ)/√(σ² + ε)      y = γ x̂ + β      μ and σ² = mean and biased variance of each row (last axis)
    backward   ∂L/∂x = r (g − mean(g) − x̂ mean(g x̂))       g = γ ∂L/∂y, r = 1/√(σ² + ε)
               ∂L/∂γ = Σ ∂L/∂y x̂      ∂L/∂β = Σ ∂L/∂y      over all axes but the last

x reaches L directly (r g), through μ (−r mean g; its way over σ² vanishes, as Σ (x − μ) = 0) and through σ²:
∂r/∂σ² = −r³/2 and ∂σ²/∂x = 2 (x − μ)/D give −r x̂ mean(g x̂). No row depends on another, in training or at test time.
Source: Ba, Kiros & Hinton, "Layer normalization", 2016, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.initializers import ones, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalise each row of x (N, ..., D) over the last axis, then scale by γ (D) and shift by β (D).

    eps: ε, added to the variance.

    >>> import numpy as np
    >>> params = {"gamma": np.ones(2), "beta": np.zeros(2)}
    >>> LayerNorm().forward(np.array([[1.0, 3.0]]), params)[0].round(4).tolist()
    [[-1.0, 1.0]]
    """

    eps: float = 1e-5

    axes = "N ... D -> N ... D"
    params = {"gamma": Param("D", ones), "beta": Param("D", zeros)}

    def __post_init__(self) -> None:
        require_number("LayerNorm", "eps", self.eps, low=0, open_low=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = γ (x − μ)/√(σ² + ε) + β."""
        xp = namespace(x)
        gamma = params["gamma"]
        mean = xp.mean(x, axis=-1, keepdims=True)  # (N, ..., 1)
        centred = x - mean  # (N, ..., D)
        rstd = 1 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + self.eps)  # (N, ..., 1)
        # x̂ is made again from x, which is alive anyway, by a subtraction and a multiplication.
        return centred * rstd * gamma + params["beta"], (x, gamma, mean, rstd)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = r (g − mean(g) − x̂ mean(g x̂)) with g = γ ∂L/∂y."""
        x, gamma, mean, rstd = cache
        xp = namespace(x)
        normal = (x - mean) * rstd  # (N, ..., D)
        g = dout * gamma
        g_mean = xp.mean(g, axis=-1, keepdims=True)  # (N, ..., 1)
        dx = (g - g_mean - normal * xp.mean(g * normal, axis=-1, keepdims=True)) * rstd
        rows = tuple(range(len(x.shape) - 1))
        return {"x": dx, "gamma": xp.sum(dout * normal, axis=rows), "beta": xp.sum(dout, axis=rows)}

    def cost(self, x_shape: Shape) -> Cost:
        """Seven an element (mean, centring, square, its mean, r, γ, β) and three a row (ε, root, division)."""
        elements = math.prod(x_shape)
        return Cost(0, 7 * elements + 3 * (elements // self.bind(x_shape)["D"]))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, a batch of sequences, one row, one feature (whose variance is 0), images along their width."""
        return [
            (cls(), (3, 5)),
            (cls(), (2, 3, 7)),
            (cls(eps=1e-3), (1, 4)),
            (cls(), (3, 1)),
            (cls(), (1, 2, 3, 5)),
        ]
