"""Global average pooling.

    forward    y_nc = (1/(H·W)) Σ_hw x_nchw
    backward   ∂L/∂x_nchw = ∂L/∂y_nc / (H·W)

Source: Lin, Chen & Yan, "Network in network", 2014, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """y (N, C): the mean of each channel of x (N, C, H, W).

    >>> import numpy as np
    >>> GlobalAveragePool().forward(np.array([[[[1.0, 4.0], [3.0, 2.0]]]]))[0].tolist()
    [[2.5]]
    """

    axes = "N C H W -> N C"

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """The mean over H and W."""
        return namespace(x).mean(x, axis=(2, 3)), (x.shape,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂y / (H·W) at every pixel."""
        (shape,) = cache
        share = dout / float(shape[2] * shape[3])  # (N, C)
        return {"x": namespace(dout).broadcast_to(share[:, :, None, None], shape)}

    def cost(self, x_shape: Shape) -> Cost:
        """H·W − 1 additions and a division an output."""
        return Cost(0, math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A batch, one image with odd sizes, one pixel, one channel."""
        return [(cls(), (3, 2, 4, 4)), (cls(), (1, 3, 3, 5)), (cls(), (2, 2, 1, 1)), (cls(), (2, 1, 1, 4))]
