"""Zero padding of images.

    forward    y_n,c,h+top,w+left = x_nchw, y = 0 elsewhere
    backward   ∂L/∂x_nchw = ∂L/∂y_n,c,h+top,w+left

Each entry of x appears once in y and the zeros do not depend on x, so the gradient is the inner part of ∂L/∂y.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 9.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape
from chainrule.geometry import Pair, Windows, as_option, fit_windows, four_sides, require_padding
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Sizes
from chainrule.windows import batch_first, batch_last, crop, pad


@dataclass(frozen=True)
class Pad(Layer):
    """Put zeros around each channel of x (N, C, H, W).

    padding: rows and columns added on every side, (vertical, horizontal), or (top, bottom, left, right).

    >>> Pad((1, 0, 2, 0)).output_shape((1, 3, 4, 4))
    (1, 3, 5, 6)
    """

    padding: int | Pair | tuple[int, int, int, int]

    axes = "N C H W -> N C H' W'"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", as_option(self.padding))
        require_padding("Pad", self.padding, named=False)

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """H' = top + H + bottom, W' = left + W + right."""
        top, bottom, left, right = four_sides(self.padding)
        return {"H'": top + sizes["H"] + bottom, "W'": left + sizes["W"] + right}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """Zeros with x inside."""
        at = self._frame(*x.shape[2:])
        return batch_first(pad(batch_last(x), at)), (x.shape[2:],)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """The inner part of ∂L/∂y."""
        return {"x": batch_first(crop(batch_last(dout), self._frame(*cache[0])))}

    def _frame(self, h: int, w: int) -> Windows:
        sides = four_sides(self.padding)
        return fit_windows("Pad", (h, w), (1, 1), (1, 1), sides)

    def cost(self, x_shape: Shape) -> Cost:
        """Nothing is computed."""
        return Cost()

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """All sides, one image with odd sizes, four different sides, none."""
        return [
            (cls(1), (2, 3, 3, 3)),
            (cls((2, 1)), (1, 2, 3, 5)),
            (cls((0, 1, 2, 3)), (2, 1, 2, 3)),
            (cls(0), (2, 2, 2, 1)),
        ]
