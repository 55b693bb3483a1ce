"""Group normalisation.

    forward    x̂ = (x − μ)/√(σ² + ε)      y = γ x̂ + β      μ, σ² = mean and biased variance of a group of channels
    backward   ∂L/∂x = r (g − mean(g) − x̂ mean(g x̂))       g = γ ∂L/∂y, r = 1/√(σ² + ε)
               ∂L/∂γ_c = Σ_n,hw ∂L/∂y x̂      ∂L/∂β_c = Σ_n,hw ∂L/∂y

As in layer normalisation, with the means taken over the C/G channels and all pixels of a group of one image: x
reaches L directly (r g), through μ (−r mean g) and through σ² (−r x̂ mean(g x̂), from ∂r/∂σ² = −r³/2). γ and β belong
to channels, so they are applied inside the group. No image depends on another, in training or at test time.
Source: Wu & He, "Group normalization", ECCV 2018, section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace, sum_to_channels
from chainrule.errors import ShapeError, require_number
from chainrule.initializers import ones, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Normalise x (N, C, ...) over each of `groups` groups of channels of each image; scale by γ (C), shift by β (C).

    groups: G, which divides C. eps: ε, added to the variance.
    Raises ShapeError where G does not divide C or a group holds a single number (which would always become 0).

    >>> import numpy as np
    >>> params = {"gamma": np.ones(2), "beta": np.zeros(2)}
    >>> GroupNorm(1).forward(np.array([[[1.0], [3.0]]]), params)[0].round(4).tolist()
    [[[-1.0], [1.0]]]
    """

    groups: int
    eps: float = 1e-5

    axes = "N C ... -> N C ..."
    params = {"gamma": Param("C", ones), "beta": Param("C", zeros)}

    def __post_init__(self) -> None:
        require_number("GroupNorm", "groups", self.groups, integer=True, low=1)
        require_number("GroupNorm", "eps", self.eps, low=0, open_low=True)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """The number of groups, checked."""
        channels = sizes["C"]
        if channels % self.groups:
            raise ShapeError(f"GroupNorm: channels C of x must be a multiple of groups = {self.groups}, got {channels}")
        if channels // self.groups * math.prod(sizes["..."]) == 1:
            raise ShapeError(
                f"GroupNorm: a group of x must hold at least 2 numbers, got 1 in each of {self.groups} groups"
            )
        return {"G": self.groups}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = γ (x − μ)/√(σ² + ε) + β."""
        xp = namespace(x)
        gamma = self._grouped(params["gamma"], x)  # (G, C/G, 1, ...)
        groups = self._split(x)  # (N, G, C/G, ...)
        within = tuple(range(2, len(groups.shape)))
        mean = xp.mean(groups, axis=within, keepdims=True)  # (N, G, 1, ...)
        centred = groups - mean
        rstd = 1 / xp.sqrt(xp.mean(centred * centred, axis=within, keepdims=True) + self.eps)  # (N, G, 1, ...)
        y = centred * (rstd * gamma) + self._grouped(params["beta"], x)
        # x̂ is made again from x, which is alive anyway, by a subtraction and a multiplication.
        return xp.reshape(y, x.shape), (x, gamma, mean, rstd)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = r (g − mean(g) − x̂ mean(g x̂)) with g = γ ∂L/∂y."""
        x, gamma, mean, rstd = cache
        xp = namespace(x)
        normal = (self._split(x) - mean) * rstd  # (N, G, C/G, ...)
        dout_normal = self._split(dout) * normal
        within = tuple(range(2, len(normal.shape)))
        g = self._split(dout) * gamma
        g_mean = xp.mean(g, axis=within, keepdims=True)  # (N, G, 1, ...)
        dx = (g - g_mean - normal * xp.mean(dout_normal * gamma, axis=within, keepdims=True)) * rstd
        return {
            "x": xp.reshape(dx, x.shape),
            "gamma": sum_to_channels(xp.reshape(dout_normal, x.shape)),
            "beta": sum_to_channels(dout),
        }

    def _split(self, x: Array) -> Array:
        """(N, C, ...) as (N, G, C/G, ...)."""
        n, c, *rest = x.shape
        return namespace(x).reshape(x, (n, self.groups, c // self.groups, *rest))

    def _grouped(self, v: Array, x: Array) -> Array:
        """(C,) as (G, C/G, 1, ...), to broadcast against `_split(x)`."""
        return namespace(v).reshape(v, (self.groups, -1, *[1] * (len(x.shape) - 2)))

    def cost(self, x_shape: Shape) -> Cost:
        """Six an element (mean, centring, square, its mean, scale, shift), three a group, one a channel of an image."""
        s = self.bind(x_shape)
        elements = math.prod(x_shape)
        return Cost(0, 6 * elements + s["N"] * (3 * self.groups + s["C"]))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Two groups, all channels together, one image with a channel a group, features without pixels."""
        return [
            (cls(2), (2, 4, 3, 3)),
            (cls(1), (3, 3, 1, 5)),
            (cls(3, eps=1e-3), (1, 3, 2, 3)),
            (cls(2), (3, 6)),
            (cls(2), (1, 4, 5)),
        ]
