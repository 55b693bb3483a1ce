"""Zero channels before and after the given ones.

    forward    y_n,c+before,… = x_nc…, y = 0 in the new channels
    backward   ∂L/∂x_nc… = ∂L/∂y_n,c+before,…

With every second pixel taken, this is the parameter-free shortcut (option A) of residual networks for CIFAR-10.
Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Sizes


@dataclass(frozen=True)
class PadChannels(Layer):
    """Put `before` zero channels in front of those of x (N, C, ...) and `after` behind them.

    >>> PadChannels(8, 8).output_shape((1, 16, 32, 32))
    (1, 32, 32, 32)
    """

    before: int
    after: int

    axes = "N C ... -> N C' ..."

    def __post_init__(self) -> None:
        for side in ("before", "after"):
            require_number("PadChannels", side, getattr(self, side), integer=True, low=0)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """C' = before + C + after."""
        return {"C'": self.before + sizes["C"] + self.after}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """Zeros, x, zeros."""
        xp = namespace(x)
        zeros = [xp.zeros((x.shape[0], c, *x.shape[2:]), dtype=x.dtype) for c in (self.before, self.after)]
        return xp.concat([zeros[0], x, zeros[1]], axis=1), (x.shape[1],)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """The part of ∂L/∂y that belongs to x."""
        (channels,) = cache
        return {"x": dout[:, self.before : self.before + channels, ...]}

    def cost(self, x_shape: Shape) -> Cost:
        """Nothing is computed."""
        return Cost()

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Both sides, one side of one image, a matrix, none."""
        return [(cls(1, 2), (2, 3, 3, 2)), (cls(0, 1), (1, 1, 2, 3)), (cls(2, 0), (3, 4)), (cls(0, 0), (2, 1, 1, 1))]
