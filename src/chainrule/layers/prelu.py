"""Parametric rectified linear unit.

    forward    y = max(x, 0) + α꜀ min(x, 0)
    backward   ∂L/∂x = ∂L/∂y · (1 where x > 0, else α꜀)      ∂L/∂α꜀ = Σ ∂L/∂y · min(x, 0) over all but the channels

The slope of the negative side is learnt, one number a channel; ∂y/∂α꜀ = x on that side and 0 on the other.
Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015, section 2.1
(where α starts at 0.25 and is not decayed).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, along_channels, namespace, positive, sum_to_channels
from chainrule.initializers import Constant
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param


@dataclass(frozen=True)
class PReLU(Layer):
    """y = x where x > 0, else α · x with x (N, C, ...) and α (C), one slope a channel.
    >>> import numpy as np
    >>> PReLU().forward(np.array([[-1.0, -1.0]]), {"alpha": np.array([0.25, 0.5])})[0].tolist()
    [[-0.25, -0.5]]
    """

    axes = "N C ... -> N C ..."
    params = {"alpha": Param("C", Constant(0.25))}
    has_kinks = True

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = max(x, 0) + α min(x, 0)."""
        xp = namespace(x)
        alpha = params["alpha"]  # (C,)
        # α may turn negative, so the sign of y does not tell the side and x itself is kept.
        return xp.maximum(x, 0.0) + along_channels(alpha, x) * xp.minimum(x, 0.0), (x, alpha)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y ([x > 0] + α [x <= 0]); ∂L/∂α below."""
        x, alpha = cache
        side = positive(x)
        dx = dout * (side + along_channels(alpha, x) * (1 - side))
        return {"x": dx, **self.parameter_gradients(dout, cache)}

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂α = Σ ∂L/∂y · min(x, 0)."""
        x, _ = cache
        return {"alpha": sum_to_channels(dout * namespace(x).minimum(x, 0.0))}

    def cost(self, x_shape: Shape) -> Cost:
        """Two comparisons, one multiplication and one addition an element."""
        return Cost(0, 4 * math.prod(x_shape))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one row, one channel of a sequence."""
        return [(cls(), (3, 5)), (cls(), (2, 3, 3, 5)), (cls(), (1, 1)), (cls(), (2, 1, 7))]
