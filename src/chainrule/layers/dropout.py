"""Dropout (inverted).

    forward    y = m x/(1 − p)      with m = 0 with probability p, else 1, drawn anew for every element
    backward   ∂L/∂x = m ∂L/∂y/(1 − p)

y is linear in x for a given mask. Dividing by 1 − p in training makes E y = x, so at test time y = x.
Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout", JMLR 15, 2014, section 4; the scaling at
training time: section 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, keep_mask, namespace
from chainrule.errors import ConfigError, require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, zero each element with probability `rate` and divide the others by 1 − rate; else y = x.

    rate: the probability of being dropped, in [0, 1). The mask is a pure function of `key` and the shape.

    >>> import numpy as np
    >>> Dropout(0.5).forward(np.ones((1, 6)), train=True, key=3)[0].tolist()
    [[2.0, 0.0, 2.0, 2.0, 0.0, 2.0]]
    """

    rate: float

    axes = "... -> ..."
    uses_key = True

    def __post_init__(self) -> None:
        require_number("Dropout", "rate", self.rate, low=0, high=1, open_high=True)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = m x/(1 − p) in training, y = x otherwise."""
        if not train or self.rate == 0:
            return x, (None,)
        if key is None:
            raise ConfigError(
                "Dropout: training draws a mask and so needs an integer key, got None; pass for example "
                "key=derive_key(seed, Stream.FORWARD, step), or train=False for y = x"
            )
        mask = keep_mask(key, x.shape, self.rate, x)
        return self._drop(x, mask), (mask,)  # one byte an element

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = m ∂L/∂y/(1 − p) in training, ∂L/∂y otherwise."""
        (mask,) = cache
        return {"x": dout if mask is None else self._drop(dout, mask)}

    def _drop(self, x: Array, mask: Array) -> Array:
        return x * (namespace(x).astype(mask, x.dtype) * (1 / (1 - self.rate)))

    def cost(self, x_shape: Shape) -> Cost:
        """In training: one comparison and two multiplications an element (drawing the mask is not counted)."""
        return Cost(0, 3 * math.prod(x_shape) if self.rate > 0 else 0)

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A matrix, an image batch, one number, nothing dropped."""
        return [(cls(0.5), (3, 5)), (cls(0.2), (2, 3, 3, 5)), (cls(0.5), (1, 1)), (cls(0), (3, 4)), (cls(0.9), (1, 7))]
