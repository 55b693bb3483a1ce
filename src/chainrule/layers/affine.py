"""Affine (fully connected) layer.

    forward    y = x W + b
    backward   ∂L/∂x = ∂L/∂y Wᵀ      ∂L/∂W = xᵀ ∂L/∂y      ∂L/∂b = Σₙ ∂L/∂yₙ

Each yₙₘ is a sum over D, so ∂yₙₘ/∂xₙ_d = W_dm and ∂yₙₘ/∂W_dm = xₙ_d; summing over the free index gives the products.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.5.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_bool, require_number
from chainrule.initializers import Initializer, he_normal, require_initializer, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param


@dataclass(frozen=True)
class Affine(Layer):
    """y = x W + b with x (N, D), W (D, M), b (M).

    units: M, the number of outputs. bias: False leaves b out. init: the distribution W starts from.

    >>> import numpy as np
    >>> out, cache = Affine(2).forward(np.ones((1, 3)), {"W": np.ones((3, 2)), "b": np.zeros(2)})
    >>> out.tolist()
    [[3.0, 3.0]]
    """

    units: int
    bias: bool = True
    init: Initializer = he_normal

    axes = "N D -> N M"
    factors = ("W",)
    sizes = {"M": "units"}

    def __post_init__(self) -> None:
        require_initializer("Affine", "init", self.init)
        require_number("Affine", "units", self.units, integer=True, low=1)
        require_bool("Affine", "bias", self.bias)

    @property
    def params(self) -> Mapping[str, Param]:
        """W (D, M) and, with `bias`, b (M)."""
        weights = {"W": Param("D M", self.init, decay=True)}
        return weights | {"b": Param("M", zeros)} if self.bias else weights

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = x W + b."""
        W = params["W"]  # (D, M)
        y = x @ W  # (N, M)
        return (y + params["b"] if self.bias else y), (x, W)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y Wᵀ; the parameters' gradients below."""
        _, W = cache
        return {"x": dout @ W.T, **self.parameter_gradients(dout, cache)}

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂W = xᵀ ∂L/∂y, ∂L/∂b = Σₙ ∂L/∂yₙ."""
        x, _ = cache
        dW = x.T @ dout  # (D, M)
        return {"W": dW, "b": namespace(dout).sum(dout, axis=0)} if self.bias else {"W": dW}

    def cost(self, x_shape: Shape) -> Cost:
        """D multiplications and D − 1 additions an output, and one addition for the bias."""
        s = self.bind(x_shape)
        outputs = s["N"] * s["M"]
        return Cost(outputs * s["D"], outputs * (2 * s["D"] - 1 + self.bias))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A common case, one output, one row, and no bias."""
        return [(cls(4), (3, 5)), (cls(1), (2, 3)), (cls(3), (1, 1)), (cls(3, bias=False), (4, 2))]
