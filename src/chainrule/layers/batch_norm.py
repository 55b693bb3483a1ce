"""Batch normalisation.

    forward    x̂ = (x − μ)/√(σ² + ε)      y = γ x̂ + β
               μ and σ² = mean and biased variance of each channel over the batch (test: the running ones)
    backward   ∂L/∂β = Σ ∂L/∂y            ∂L/∂γ = Σ ∂L/∂y x̂
               ∂L/∂x = γ r (∂L/∂y − (∂L/∂β + x̂ ∂L/∂γ)/m)      r = 1/√(σ² + ε), m numbers a channel
               (test: ∂L/∂x = γ r ∂L/∂y, as μ and σ² are constants)

With g = γ ∂L/∂y, x reaches L directly (r g), through μ (−r mean g; its way over σ² vanishes, as Σ (x − μ) = 0) and
through σ²: ∂r/∂σ² = −r³/2 and ∂σ²/∂x = 2 (x − μ)/m give −r x̂ mean(g x̂). The sums of g are γ ∂L/∂β and γ ∂L/∂γ.
Source: Ioffe & Szegedy, "Batch normalization", ICML 2015, algorithm 1 and section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, along_channels, namespace, sum_to_channels
from chainrule.errors import require_number
from chainrule.initializers import ones, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalise each channel of x (N, C, ...) over all other axes, then scale by γ (C) and shift by β (C).

    momentum: the share of the old running statistic that one step keeps. eps: ε, added to the variance.

    >>> import numpy as np
    >>> params = {"gamma": np.ones(1), "beta": np.zeros(1), "running_mean": np.zeros(1), "running_var": np.ones(1)}
    >>> BatchNorm().forward(np.array([[1.0], [3.0]]), params, train=True)[0].round(4).tolist()
    [[-1.0], [1.0]]
    """

    momentum: float = 0.9
    eps: float = 1e-5

    axes = "N C ... -> N C ..."
    params = {"gamma": Param("C", ones), "beta": Param("C", zeros)}
    buffers = {"running_mean": Param("C", zeros), "running_var": Param("C", ones)}

    def __post_init__(self) -> None:
        require_number("BatchNorm", "momentum", self.momentum, low=0, high=1)
        require_number("BatchNorm", "eps", self.eps, low=0, open_low=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = γ (x − μ)/√(σ² + ε) + β."""
        gamma = params["gamma"]
        mean, var = params["running_mean"], params["running_var"]  # (C,)
        if train:
            m = _count(x)
            mean = sum_to_channels(x) / m
            centred = x - along_channels(mean, x)  # (N, C, ...)
            var = sum_to_channels(centred * centred) / m
        else:
            centred = x - along_channels(mean, x)
        rstd = 1 / namespace(x).sqrt(var + self.eps)  # (C,)
        y = centred * along_channels(gamma * rstd, x) + along_channels(params["beta"], x)
        # x̂ is made again from x, which is alive anyway, by one subtraction.
        return y, (x, gamma, mean, var, rstd, train)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = γ r (∂L/∂y − (∂L/∂β + x̂ ∂L/∂γ)/m), the part in brackets only with batch statistics."""
        x, gamma, mean, _, rstd, train = cache
        centred = x - along_channels(mean, x)  # (N, C, ...); x̂ = r · centred
        dgamma = sum_to_channels(dout * centred) * rstd  # (C,)
        dbeta = sum_to_channels(dout)  # (C,)
        dx = dout
        if train:
            m = _count(x)
            dx = dx - along_channels(dbeta / m, x) - centred * along_channels(rstd * dgamma / m, x)
        return {"x": dx * along_channels(gamma * rstd, x), "gamma": dgamma, "beta": dbeta}

    def update_buffers(self, params: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
        """running ← momentum · running + (1 − momentum) · batch, for the mean and the (biased) variance."""
        _, _, mean, var, _, _ = cache
        new, old = 1 - self.momentum, self.momentum
        return {
            "running_mean": old * params["running_mean"] + new * mean,
            "running_var": old * params["running_var"] + new * var,
        }

    def cost(self, x_shape: Shape) -> Cost:
        """In training, six an element (mean, centring, square, its mean, scale, shift) and four a channel."""
        elements = math.prod(x_shape)
        return Cost(0, 6 * elements + 4 * self.bind(x_shape)["C"])

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Features, image channels, one image, one row (whose variance is 0), a long memory."""
        return [
            (cls(), (4, 3)),
            (cls(), (3, 2, 3, 5)),
            (cls(), (1, 3, 3, 1)),
            (cls(), (1, 2)),
            (cls(momentum=0.99, eps=1e-3), (7, 1)),
        ]


def _count(x: Array) -> int:
    return math.prod(x.shape) // x.shape[1]
