"""Instance normalisation.

    forward    x̂ = (x − μ)/√(σ² + ε)      y = γ x̂ + β      μ, σ² = mean and biased variance of one channel of one image
    backward   ∂L/∂x = γ r (∂L/∂y − mean(∂L/∂y) − x̂ mean(∂L/∂y x̂))      r = 1/√(σ² + ε)
               ∂L/∂γ_c = Σ_n,hw ∂L/∂y x̂      ∂L/∂β_c = Σ_n,hw ∂L/∂y

x reaches L directly (γ r ∂L/∂y), through μ (its share of the mean; the way of μ over σ² vanishes, as Σ (x − μ) = 0)
and through σ² (∂r/∂σ² = −r³/2 and ∂σ²/∂x = 2 (x − μ)/(H·W)). It is group normalisation with a channel a group; γ is
constant over the pixels of the mean and so comes out of it.
Source: Ulyanov, Vedaldi & Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, along_channels, namespace, sum_to_channels
from chainrule.errors import ShapeError, require_bool, require_number
from chainrule.initializers import ones, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes


@dataclass(frozen=True)
class InstanceNorm(Layer):
    """Normalise each channel of each image of x (N, C, ...); scale by γ (C), shift by β (C).

    eps: ε, added to the variance. affine: False leaves γ and β out.
    Raises ShapeError where a channel holds a single number (which would always become 0).

    >>> import numpy as np
    >>> InstanceNorm(affine=False).forward(np.array([[[1.0, 3.0]]]))[0].round(4).tolist()
    [[[-1.0, 1.0]]]
    """

    eps: float = 1e-5
    affine: bool = True

    axes = "N C ... -> N C ..."

    def __post_init__(self) -> None:
        require_number("InstanceNorm", "eps", self.eps, low=0, open_low=True)
        require_bool("InstanceNorm", "affine", self.affine)

    @property
    def params(self) -> Mapping[str, Param]:
        """With `affine`, gamma (C) and beta (C)."""
        return {"gamma": Param("C", ones), "beta": Param("C", zeros)} if self.affine else {}

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """The number of pixels, checked."""
        pixels = math.prod(sizes["..."])
        if pixels == 1:
            raise ShapeError("InstanceNorm: a channel of x must hold at least 2 numbers, got 1")
        return {"P": pixels}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = γ (x − μ)/√(σ² + ε) + β."""
        xp = namespace(x)
        pixels = tuple(range(2, len(x.shape)))
        mean = xp.mean(x, axis=pixels, keepdims=True)  # (N, C, 1, ...)
        centred = x - mean  # (N, C, ...)
        rstd = 1 / xp.sqrt(xp.mean(centred * centred, axis=pixels, keepdims=True) + self.eps)  # (N, C, 1, ...)
        if not self.affine:
            return centred * rstd, (x, None, mean, rstd)
        gamma, beta = along_channels(params["gamma"], x), along_channels(params["beta"], x)
        # x̂ is made again from x, which is alive anyway, by a subtraction and a multiplication.
        return centred * (rstd * gamma) + beta, (x, gamma, mean, rstd)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = γ r (∂L/∂y − mean(∂L/∂y) − x̂ mean(∂L/∂y x̂))."""
        x, gamma, mean, rstd = cache
        xp = namespace(x)
        pixels = tuple(range(2, len(x.shape)))
        normal = (x - mean) * rstd  # (N, C, ...)
        dout_normal = dout * normal
        dx = dout - xp.mean(dout, axis=pixels, keepdims=True)
        dx = dx - normal * xp.mean(dout_normal, axis=pixels, keepdims=True)
        if not self.affine:
            return {"x": dx * rstd}
        return {"x": dx * (rstd * gamma), "gamma": sum_to_channels(dout_normal), "beta": sum_to_channels(dout)}

    def cost(self, x_shape: Shape) -> Cost:
        """Six an element with γ and β, five without, and four (three) a channel of an image."""
        s = self.bind(x_shape)
        elements = math.prod(x_shape)
        return Cost(0, (5 + self.affine) * elements + (3 + self.affine) * s["N"] * s["C"])

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Images, one image with odd sizes, without γ and β, sequences."""
        return [
            (cls(), (2, 3, 3, 4)),
            (cls(eps=1e-3), (1, 2, 3, 5)),
            (cls(affine=False), (2, 2, 1, 3)),
            (cls(), (2, 1, 5)),
        ]
