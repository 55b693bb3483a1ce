"""Transposed convolution: the adjoint of a convolution, used to enlarge images.

    forward    y = fold(Wᵀ x) + b
    backward   ∂L/∂x = W patches(∂L/∂y)      ∂L/∂W = x patches(∂L/∂y)ᵀ      ∂L/∂b_f = Σ_nhw ∂L/∂y_nfhw

The convolution with kernel W and the same options maps y-shaped images to x-shaped ones, X = W Y. Its backward pass
with respect to its input is this layer's forward pass, and so its forward pass is this layer's backward pass.
Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.correlation import correlate, input_gradient, kernel_gradient
from chainrule.errors import ConfigError, ShapeError, require_number
from chainrule.geometry import Padding, Pair, Windows, as_option, fit_windows, pair, require_pair, sides
from chainrule.initializers import Initializer, he_normal, require_initializer, zeros
from chainrule.layers.conv2d import check_options, require_whole_groups
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes
from chainrule.windows import batch_first, batch_last


@dataclass(frozen=True)
class ConvTranspose2D(Layer):
    """y (N, F, H', W') from x (N, C, H, W), W (C, F/groups, HH, WW), b (F); H' = (H − 1)S − 2P + d(HH − 1) + 1.

    filters: F. kernel, stride, dilation, groups, bias: as in Conv2D. padding: what the convolution back from y to x
    would use, so it is cut from y; "same" gives H' = H·stride. output_padding: rows and columns added to the bottom
    and right of y, less than stride or dilation: the rows that such a convolution would leave out.
    init: the distribution W starts from (of its axes, the first counts as outputs).
    Raises ShapeError where nothing is left of y or C is not a multiple of groups.

    >>> ConvTranspose2D(8, 4, stride=2, padding=1).output_shape((1, 16, 7, 7))
    (1, 8, 14, 14)
    """

    filters: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: Padding = 0
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    output_padding: int | Pair = 0
    init: Initializer = he_normal

    axes = "N C H W -> N F H' W'"
    sizes = {"F": "filters"}
    factors = ("W",)

    def __post_init__(self) -> None:
        require_initializer("ConvTranspose2D", "init", self.init)
        object.__setattr__(self, "output_padding", as_option(self.output_padding))
        check_options(self)
        require_pair(self.name, "output_padding", self.output_padding, low=0)
        added, stride, dilation = map(pair, (self.output_padding, self.stride, self.dilation))
        for axis in range(2):
            limit = 1 if self.padding == "same" else max(stride[axis], dilation[axis])
            if added[axis] >= limit:
                why = 'with padding "same"' if self.padding == "same" else "the larger of stride and dilation"
                raise ConfigError(f"{self.name}: output_padding must be less than {limit} ({why}), got {added[axis]}")

    @property
    def params(self) -> Mapping[str, Param]:
        """W (C, F/groups, HH, WW) and, with `bias`, b (F)."""
        weights = {"W": Param("C F/G HH WW", self.init, decay=True)}
        return weights | {"b": Param("F", zeros)} if self.bias else weights

    def windows(self, h: int, w: int) -> Windows:
        """The windows over y, one for each of the h × w pixels of x."""
        for argument, length in (("h", h), ("w", w)):
            require_number(self.name, argument, length, integer=True, low=1)
        kernel, stride, dilation, added = map(pair, (self.kernel, self.stride, self.dilation, self.output_padding))
        if self.padding == "same":
            return fit_windows(self.name, (int(h) * stride[0], int(w) * stride[1]), kernel, stride, "same", dilation)
        cut = sides(self.padding, kernel, dilation)
        size = [
            (length - 1) * s - cut[2 * axis] - cut[2 * axis + 1] + d * (f - 1) + 1 + more
            for axis, (length, f, s, d, more) in enumerate(
                zip((int(h), int(w)), kernel, stride, dilation, added, strict=True)
            )
        ]
        if min(size) < 1:
            raise ShapeError(
                f"{self.name}: padding leaves nothing of the output, {size[0]} × {size[1]} for x of H × W = {h} × {w}"
            )
        return Windows((size[0], size[1]), (int(h), int(w)), kernel, stride, dilation, cut)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """H' and W', and the kernel's axes."""
        require_whole_groups(self, "channels C of x", sizes["C"])
        at = self.windows(sizes["H"], sizes["W"])
        (h, w), (hh, ww) = at.image, at.kernel
        return {"H'": h, "W'": w, "HH": hh, "WW": ww, "F/G": self.filters // self.groups}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = fold(Wᵀ x) + b."""
        W, at = params["W"], self.windows(*x.shape[2:])
        x = batch_last(x)  # (C, H, W, N)
        y = input_gradient(x, W, at, self.groups)  # (F, H', W', N)
        if self.bias:
            y = y + params["b"][:, None, None, None]
        return batch_first(y), (x, W)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = W patches(∂L/∂y); the parameters' gradients below."""
        x, W = cache
        dout = batch_last(dout)  # (F, H', W', N)
        dx = correlate(dout, W, self.windows(*x.shape[1:3]), self.groups)  # (C, H, W, N)
        return {"x": batch_first(dx), **self.parameter_gradients(batch_first(dout), cache)}

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂W = x patches(∂L/∂y)ᵀ, ∂L/∂b = Σ_nhw ∂L/∂y."""
        x, _ = cache
        dout = batch_last(dout)
        dW = kernel_gradient(dout, x, self.windows(*x.shape[1:3]), self.groups)  # (C, F/G, HH, WW)
        return {"W": dW, "b": namespace(dout).sum(dout, axis=(1, 2, 3))} if self.bias else {"W": dW}

    def cost(self, x_shape: Shape) -> Cost:
        """F/groups·HH·WW products an input, each added to an output that starts at zero, and the bias."""
        s = self.bind(x_shape)
        products = s["N"] * s["C"] * s["H"] * s["W"] * s["F/G"] * s["HH"] * s["WW"]
        return Cost(products, 2 * products + self.bias * s["N"] * s["F"] * s["H'"] * s["W'"])

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Doubling, one image with odd sizes, dilation with groups, cut and added rows, gaps, same."""
        return [
            (cls(2, 4, stride=2, padding=1), (2, 3, 2, 3)),
            (cls(3, (2, 3), stride=(1, 2)), (1, 1, 3, 2)),
            (cls(4, 2, stride=2, dilation=2, groups=2, output_padding=1), (2, 2, 3, 2)),
            (cls(2, 3, padding="full", bias=False), (2, 2, 4, 5)),
            (cls(2, 2, stride=3, output_padding=(0, 2)), (1, 2, 2, 2)),
            (cls(2, 3, stride=2, padding="same"), (2, 2, 2, 3)),
        ]
