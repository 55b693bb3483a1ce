"""Spatial dropout: whole channels are dropped.

    forward    y_nchw = m_nc x_nchw/(1 − p)      with m = 0 with probability p, else 1, drawn anew for every channel
    backward   ∂L/∂x_nchw = m_nc ∂L/∂y_nchw/(1 − p)

Neighbouring pixels of a feature map are so alike that dropping single ones removes little; a channel goes as a whole.
Dividing by 1 − p in training makes E y = x, so at test time y = x.
Source: Tompson, Goroshin, Jain, LeCun & Bregler, "Efficient object localization using convolutional networks", 2015.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, keep_mask, namespace
from chainrule.errors import ConfigError, require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class SpatialDropout(Layer):
    """In training, zero each channel of x (N, C, ...) with probability `rate`, divide the others by 1 − rate.

    rate: the probability of being dropped, in [0, 1). The mask (N, C) is a pure function of `key` and the shape.

    >>> import numpy as np
    >>> SpatialDropout(0.5).forward(np.ones((1, 3, 2)), train=True, key=3)[0].tolist()
    [[[2.0, 2.0], [0.0, 0.0], [2.0, 2.0]]]
    """

    rate: float

    axes = "N C ... -> N C ..."
    uses_key = True

    def __post_init__(self) -> None:
        require_number("SpatialDropout", "rate", self.rate, low=0, high=1, open_high=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = m x/(1 − p) in training, y = x otherwise."""
        if not train or self.rate == 0:
            return x, (None,)
        if key is None:
            raise ConfigError(
                "SpatialDropout: training draws a mask and so needs an integer key, got None; pass for example "
                "key=derive_key(seed, Stream.FORWARD, step), or train=False for y = x"
            )
        mask = keep_mask(key, x.shape[:2], self.rate, x)  # (N, C)
        return self._drop(x, mask), (mask,)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = m ∂L/∂y/(1 − p) in training, ∂L/∂y otherwise."""
        (mask,) = cache
        return {"x": dout if mask is None else self._drop(dout, mask)}

    def _drop(self, x: Array, mask: Array) -> Array:
        xp = namespace(x)
        scale = xp.astype(mask, x.dtype) * (1 / (1 - self.rate))
        return x * xp.reshape(scale, (*mask.shape, *[1] * (len(x.shape) - 2)))

    def cost(self, x_shape: Shape) -> Cost:
        """In training: one multiplication an element, and two operations a channel (drawing is not counted)."""
        n, c = x_shape[:2]
        return Cost(0, math.prod(x_shape) + 2 * n * c if self.rate > 0 else 0)

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Images, one image, features without pixels, nothing dropped."""
        return [
            (cls(0.5), (3, 4, 2, 3)),
            (cls(0.2), (1, 5, 3, 3)),
            (cls(0.5), (3, 5)),
            (cls(0), (2, 2, 3, 1)),
        ]
