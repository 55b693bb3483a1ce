"""Max pooling.

    forward    y_nchw = max_ij x_n,c,hS+i−P,wS+j−P
    backward   ∂L/∂x = fold(∂L/∂y at the tap that won, 0 at the others)

y is the entry that won and depends on no other, so ∂L/∂y goes to its place whole; where windows overlap, a pixel
collects from every window that it won. Of equal entries the first in row-major order wins (the derivative does not
exist there). Padding counts as −∞ and never wins.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 9.3; LeCun et al. 1998 (subsampling).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.geometry import Padding, Pair, Rounding, pair
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Sizes
from chainrule.layers.pooling import check_pooling, fit_pooling
from chainrule.windows import batch_first, batch_last, crop, first_tap, fold, pad, taps


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """y (N, C, H', W'): the largest entry of each window of x (N, C, H, W).

    size: (HH, WW), or one number for both. stride: where windows start, `size` if None. padding: rows and columns
    around the image that never win, as in Conv2D and less than size. rounding: "exact" raises where
    1 + (H − HH + 2P)/stride is not whole, "floor" ignores the last rows, "ceil" takes a smaller last window.

    >>> import numpy as np
    >>> MaxPool2D(2).forward(np.array([[[[1.0, 4.0], [3.0, 2.0]]]]))[0].tolist()
    [[[[4.0]]]]
    """

    size: int | Pair
    stride: int | Pair | None = None
    padding: Padding = 0
    rounding: Rounding = "exact"

    axes = "N C H W -> N C H' W'"
    has_kinks = True

    def __post_init__(self) -> None:
        check_pooling(self)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """H' and W'."""
        at = fit_pooling(self, sizes["H"], sizes["W"])
        return {"H'": at.output[0], "W'": at.output[1]}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """The largest of the taps, and the number of the tap that won."""
        xp, at = namespace(x), fit_pooling(self, *x.shape[2:])
        dtype = xp.uint8 if at.taps <= 256 else xp.int32
        image = pad(batch_last(x), at, -math.inf)  # (C, H + 2P, W + 2P, N)
        winner = first_tap(at, xp.zeros((), dtype=dtype))  # 0, or (H', W', 1) next to padding
        y, *others = taps(image, at)  # (C, H', W', N) each
        for tap, value in enumerate(others, start=1):
            wins = xp.astype(value > y, dtype)
            # taps come in rising order, so the larger number is the later winner
            winner = xp.maximum(winner, wins * xp.asarray(tap, dtype=dtype))
            y = xp.maximum(y, value)
        winner = xp.broadcast_to(winner, y.shape)
        return batch_first(y), (winner, x.shape[2:])

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂y where tap t won, else 0, added to the pixel of tap t."""
        winner, image = cache
        xp, at = namespace(dout), fit_pooling(self, *image)
        dout = batch_last(dout)  # (C, H', W', N)
        # a product with 0 or 1: NumPy's where takes five times as long
        shares = (dout * xp.astype(winner == tap, dout.dtype) for tap in range(at.taps))
        return {"x": batch_first(crop(fold(shares, at), at))}

    def cost(self, x_shape: Shape) -> Cost:
        """HH·WW − 1 comparisons an output."""
        hh, ww = pair(self.size)
        return Cost(0, math.prod(self.output_shape(x_shape)) * (hh * ww - 1))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Tiles, overlap, padding on one image, a non-square window, both roundings."""
        return [
            (cls(2), (2, 3, 4, 6)),
            (cls(3, stride=2), (2, 2, 5, 7)),
            (cls(3, stride=2, padding=1), (1, 1, 5, 5)),
            (cls((1, 3), stride=(2, 1), padding=(0, 1)), (2, 2, 3, 4)),
            (cls(2, rounding="floor"), (2, 1, 5, 3)),
            (cls(3, stride=2, padding=(0, 0, 1, 1), rounding="ceil"), (1, 2, 4, 5)),
        ]
