"""Convolution masks that differentiate signals and images.

    (I ∗ G)[t] = Σ_s I[t − s] G[s]

Convolution turns its mask round: with G[−1] = ½ and G[1] = −½ it is (I[t + 1] − I[t − 1])/2, the central difference.
In two dimensions Prewitt's mask is such a difference across, summed over three rows; Sobel's weighs the middle row
twice. Networks compute correlations, which do not turn the mask; turning it beforehand makes the two equal.
Source: Gonzalez & Woods, "Digital image processing", 2018, section 10.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import DTypeError, ShapeError, describe
from chainrule.layers import Conv2D

#: The central difference, as entries for the offsets −1, 0, 1.
DERIVATIVE = np.array([0.5, 0.0, -0.5])
PREWITT = np.array([[1.0, 0.0, -1.0]] * 3)
SOBEL = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0])
MASKS: Mapping[str, Array] = {"derivative": DERIVATIVE[None], "prewitt": PREWITT, "sobel": SOBEL}


def convolve(image: Any, mask: Any) -> Array:
    """I ∗ G at every place where the mask fits: (T,) and (K,), or (H, W) and (HH, WW).

    The mask has an odd number of entries along each axis, its middle one for offset 0.

    >>> convolve(np.array([0.0, 1.0, 4.0, 9.0]), DERIVATIVE).tolist()
    [2.0, 4.0]
    """
    I, G = (np.asarray(v) for v in (image, mask))  # noqa: E741  (the field's name)
    for name, value in (("image", I), ("mask", G)):
        if value.dtype.kind not in "fiub" or value.ndim not in (1, 2):
            raise DTypeError(
                f"convolve: {name} must be an array of numbers with one or two axes, got {describe(value)}"
            )
    if (
        I.ndim != G.ndim
        or any(k % 2 == 0 for k in G.shape)
        or any(n < k for n, k in zip(I.shape, G.shape, strict=True))
    ):
        raise ShapeError(
            f"convolve: mask must have odd lengths and fit into the image of shape {I.shape}, got shape {G.shape}"
        )
    x, W = (v.astype(np.float64).reshape(-1, v.shape[-1]) for v in (I, G))  # (H, W)
    turned = W[::-1, ::-1]
    layer = Conv2D(1, turned.shape, bias=False)
    out, _ = layer.forward(x[None, None], {"W": turned[None, None].copy()})
    return out[0, 0] if I.ndim == 2 else out[0, 0, 0]


def gradient_images(image: Array, mask: Array) -> tuple[Array, Array, Array]:
    """The derivatives of a grey image (H, W) across and upwards, and their magnitude.

    mask: for the derivative across; turned by a quarter it is the one upwards.
    """
    across, up = convolve(image, mask), convolve(image, np.rot90(mask))
    return across, up, np.hypot(across, up)
