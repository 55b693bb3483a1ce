"""Convolution of images (cross-correlation, as everywhere in the field).

    forward    y_nfhw = b_f + Σ_cij W_fcij · x_n,c,hS+id−P,wS+jd−P
    backward   ∂L/∂x = fold(Wᵀ ∂L/∂y)      ∂L/∂W = ∂L/∂y patches(x)ᵀ      ∂L/∂b_f = Σ_nhw ∂L/∂y_nfhw

Written with the windows as columns, Xₖₚ = patches(x) with k = (c, i, j) and p = (h, w, n), the forward pass is the
matrix product Y = W X with W as (F, K). Hence ∂L/∂W = ∂L/∂Y Xᵀ and ∂L/∂X = Wᵀ ∂L/∂Y, and since patches only copies
entries of x, fold adds each entry of ∂L/∂X back to the pixel it was copied from.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 9.5; Chellapilla, Puri & Simard 2006 (patches).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.arrays import Array, Shape, namespace
from chainrule.correlation import correlate, input_gradient, kernel_gradient
from chainrule.errors import ConfigError, ShapeError, require_bool, require_number
from chainrule.geometry import (
    Padding,
    Pair,
    Rounding,
    Windows,
    as_option,
    fit_windows,
    pair,
    require_padding,
    require_pair,
    require_rounding,
)
from chainrule.initializers import Initializer, he_normal, require_initializer, zeros
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes
from chainrule.windows import batch_first, batch_last


@dataclass(frozen=True)
class Conv2D(Layer):
    """y = W ⋆ x + b with x (N, C, H, W), W (F, C/groups, HH, WW), b (F), y (N, F, H', W').

    filters: F. kernel: (HH, WW), or one number for both, as in stride and dilation. padding: zeros around the image,
    one number, (vertical, horizontal), (top, bottom, left, right), "valid" (none), "same" (H' = ⌈H/stride⌉; an odd
    row goes to the bottom, an odd column to the right) or "full" (every window that meets the image).
    dilation: the distance between taps. groups: channels are split into groups that do not see each other.
    bias: False leaves b out. rounding: what happens where 1 + (H − F + 2P)/stride is not whole: "exact" raises,
    "floor" ignores the last rows, "ceil" adds zeros below. init: the distribution W starts from.
    Raises ShapeError where the windows do not fit or C is not a multiple of groups.

    >>> Conv2D(96, 11, stride=4).output_shape((1, 3, 227, 227))
    (1, 96, 55, 55)
    """

    filters: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: Padding = 0
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    rounding: Rounding = "exact"
    init: Initializer = he_normal

    axes = "N C H W -> N F H' W'"
    sizes = {"F": "filters"}
    factors = ("W",)

    def __post_init__(self) -> None:
        require_initializer("Conv2D", "init", self.init)
        check_options(self)
        require_rounding(self.name, self.rounding)

    @property
    def params(self) -> Mapping[str, Param]:
        """W (F, C/groups, HH, WW) and, with `bias`, b (F)."""
        weights = {"W": Param("F C/G HH WW", self.init, decay=True)}
        return weights | {"b": Param("F", zeros)} if self.bias else weights

    def windows(self, h: int, w: int) -> Windows:
        """The windows over an image of h × w."""
        for argument, length in (("h", h), ("w", w)):
            require_number(self.name, argument, length, integer=True, low=1)
        kernel, stride, dilation = map(pair, (self.kernel, self.stride, self.dilation))
        return fit_windows(self.name, (int(h), int(w)), kernel, stride, self.padding, dilation, self.rounding)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """H' and W', and the kernel's axes."""
        require_whole_groups(self, "channels C of x", sizes["C"])
        at = self.windows(sizes["H"], sizes["W"])
        (h, w), (hh, ww) = at.output, at.kernel
        return {"H'": h, "W'": w, "HH": hh, "WW": ww, "C/G": sizes["C"] // self.groups}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """Y = W X + b."""
        W, at = params["W"], self.windows(*x.shape[2:])
        x = batch_last(x)  # (C, H, W, N)
        y = correlate(x, W, at, self.groups, params["b"] if self.bias else None)  # (F, H', W', N)
        return batch_first(y), (x, W)  # the patches are HH·WW times x: made again rather than kept

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂X = Wᵀ ∂L/∂Y, folded; the parameters' gradients below."""
        x, W = cache
        dout = batch_last(dout)  # (F, H', W', N)
        dx = input_gradient(dout, W, self.windows(*x.shape[1:3]), self.groups)  # (C, H, W, N)
        return {"x": batch_first(dx), **self.parameter_gradients(batch_first(dout), cache)}

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂W = ∂L/∂Y Xᵀ, ∂L/∂b = Σ_nhw ∂L/∂y."""
        x, _ = cache
        dout = batch_last(dout)
        dW = kernel_gradient(x, dout, self.windows(*x.shape[1:3]), self.groups)
        return {"W": dW, "b": namespace(dout).sum(dout, axis=(1, 2, 3))} if self.bias else {"W": dW}

    def cost(self, x_shape: Shape) -> Cost:
        """K = C/groups·HH·WW multiplications and K − 1 additions an output, and one addition for the bias."""
        s = self.bind(x_shape)
        outputs = s["N"] * s["F"] * s["H'"] * s["W'"]
        products = s["C/G"] * s["HH"] * s["WW"]
        return Cost(outputs * products, outputs * (2 * products - 1 + self.bias))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A common case, one image with odd sizes, strides, dilation, depthwise groups, even kernel, full, rounding."""
        return [
            (cls(4, 3, padding=1), (2, 3, 4, 4)),
            (cls(2, (2, 3), stride=(2, 1), padding=(1, 0)), (1, 1, 4, 5)),
            (cls(4, 3, stride=2, dilation=2, padding=2, groups=2), (2, 2, 5, 7)),
            (cls(3, 2, padding="same", groups=3, bias=False), (2, 3, 3, 5)),
            (cls(2, 2, stride=3, padding="full"), (1, 2, 3, 6)),
            (cls(2, 3, stride=2, padding=(0, 1, 2, 0), rounding="ceil"), (2, 2, 5, 4)),
            (cls(3, 1, stride=2, rounding="floor"), (2, 2, 4, 4)),
        ]


# -- checks shared with the transposed convolution ---------------------------------------------------------------------


def check_options(layer: Any) -> None:
    """Raise unless the options that both kinds of convolution share are sound; lists become tuples."""
    for option in ("kernel", "stride", "padding", "dilation"):
        object.__setattr__(layer, option, as_option(getattr(layer, option)))
    for option in ("filters", "groups"):
        require_number(layer.name, option, getattr(layer, option), integer=True, low=1)
    for option in ("kernel", "stride", "dilation"):
        require_pair(layer.name, option, getattr(layer, option), low=1)
    require_padding(layer.name, layer.padding)
    require_bool(layer.name, "bias", layer.bias)
    if layer.filters % layer.groups:
        raise ConfigError(
            f"{layer.name}: filters must be a multiple of groups, got filters = {layer.filters} "
            f"and groups = {layer.groups}"
        )


def require_whole_groups(layer: Any, what: str, count: int) -> None:
    """Raise unless `count` channels split evenly."""
    if count % layer.groups:
        raise ShapeError(f"{layer.name}: the {what} must be a multiple of groups = {layer.groups}, got {count}")
