"""Average pooling.

    forward    y_nchw = (1/m_hw) Σ_ij x_n,c,hS+i−P,wS+j−P
    backward   ∂L/∂x = fold(∂L/∂y / m at every tap)

m is the number of entries in the window. y is linear in x with the same weight 1/m for each entry, so each entry's
gradient is ∂L/∂y / m, and a pixel collects from every window it lies in.
Source: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", 1998.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_bool
from chainrule.geometry import Padding, Pair, Rounding, Windows, entries, pair
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Sizes
from chainrule.layers.pooling import check_pooling, fit_pooling
from chainrule.windows import batch_first, batch_last, crop, fold, pad, taps


@dataclass(frozen=True)
class AveragePool2D(Layer):
    """y (N, C, H', W'): the mean of each window of x (N, C, H, W).

    size, stride, padding, rounding: as in MaxPool2D, the padding being zeros. count_include_pad: True divides by all
    entries including padding (as PyTorch does by default), False by the entries of the image only (as TensorFlow
    does). Rows that "ceil" adds below the padding never count.

    >>> import numpy as np
    >>> AveragePool2D(2).forward(np.array([[[[1.0, 4.0], [3.0, 2.0]]]]))[0].tolist()
    [[[[2.5]]]]
    """

    size: int | Pair
    stride: int | Pair | None = None
    padding: Padding = 0
    count_include_pad: bool = True
    rounding: Rounding = "exact"

    axes = "N C H W -> N C H' W'"

    def __post_init__(self) -> None:
        check_pooling(self)
        require_bool("AveragePool2D", "count_include_pad", self.count_include_pad)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """H' and W'."""
        at = fit_pooling(self, sizes["H"], sizes["W"])
        return {"H'": at.output[0], "W'": at.output[1]}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """The sum of the taps over the number of entries."""
        at = fit_pooling(self, *x.shape[2:])
        image = pad(batch_last(x), at)  # (C, H + 2P, W + 2P, N)
        total, *others = taps(image, at)  # (C, H', W', N) each
        for value in others:
            total = total + value
        return batch_first(total / self._entries(at, total)), (x.shape[2:],)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂y / m at every tap."""
        at = fit_pooling(self, *cache[0])
        dout = batch_last(dout)  # (C, H', W', N)
        share = dout / self._entries(at, dout)
        return {"x": batch_first(crop(fold([share] * at.taps, at), at))}

    def _entries(self, at: Windows, like: Array) -> Array | float:
        """m, a number where all windows have the same, else (H', W', 1)."""
        down, across = (entries(at, axis, padding=self.count_include_pad) for axis in range(2))
        if len({*down}) == 1 and len({*across}) == 1:
            return float(down[0] * across[0])
        xp = namespace(like)
        return xp.asarray([[[a * b] for b in across] for a in down], dtype=like.dtype)

    def cost(self, x_shape: Shape) -> Cost:
        """HH·WW − 1 additions and a division an output."""
        hh, ww = pair(self.size)
        return Cost(0, math.prod(self.output_shape(x_shape)) * hh * ww)

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Tiles, overlap, padding that counts and that does not on one image, a non-square window, both roundings."""
        return [
            (cls(2), (2, 3, 4, 6)),
            (cls(3, stride=2), (2, 2, 5, 7)),
            (cls(3, stride=2, padding=1), (1, 1, 5, 5)),
            (cls(3, stride=1, padding="same", count_include_pad=False), (1, 2, 3, 4)),
            (cls((1, 3), stride=(2, 1), rounding="floor"), (2, 2, 4, 4)),
            (cls(3, stride=2, padding=(0, 0, 1, 1), rounding="ceil"), (1, 2, 4, 5)),
        ]
