"""Local response normalisation (across channels).

    forward    s_c = k + (α/n) Σ_j x_j²      y_c = x_c s_c^−β      j from c − ⌊n/2⌋ to c + ⌊(n − 1)/2⌋, inside 0..C − 1
    backward   ∂L/∂x_c = ∂L/∂y_c s_c^−β − (2αβ/n) x_c Σ_i ∂L/∂y_i x_i s_i^−β−1      over all i whose sum holds c

x_c reaches L as the numerator of y_c and through every s_i that holds it: ∂y_i/∂s_i = −β x_i s_i^−β−1 and
∂s_i/∂x_c = 2 (α/n) x_c. α is divided by n, as in PyTorch, Caffe and ONNX; the paper's equation has α alone, so its
α = 1e-4 with n = 5 is alpha = 5e-4 here.
Source: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", 2012, 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import require_number
from chainrule.layers.layer import Cache, Cost, Gradients, Layer


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """Divide each entry of x (N, C, ...) by (k + alpha/size · the sum of squares over `size` neighbour channels)^beta.

    size: n. alpha, beta, k (> 0): as in the equation; the defaults are PyTorch's.

    >>> import numpy as np
    >>> LocalResponseNorm(1, alpha=1.0, beta=0.5, k=9.0).forward(np.array([[[-4.0], [0.0]]]))[0].tolist()
    [[[-0.8], [0.0]]]
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    axes = "N C ... -> N C ..."

    def __post_init__(self) -> None:
        require_number("LocalResponseNorm", "size", self.size, integer=True, low=1)
        for option in ("alpha", "beta"):
            require_number("LocalResponseNorm", option, getattr(self, option), low=0)
        require_number("LocalResponseNorm", "k", self.k, low=0, open_low=True)  # zeros would be divided by zero

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """y = x s^−β."""
        before, after = self.size // 2, (self.size - 1) // 2
        s = self.k + self.alpha / self.size * _neighbour_sum(x * x, before, after)  # (N, C, ...)
        scale = s**-self.beta  # kept with s: powers are the dear part
        return x * scale, (x, s, scale)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """∂L/∂x = ∂L/∂y s^−β − (2αβ/n) x Σ ∂L/∂y x s^−β−1."""
        x, s, scale = cache
        before, after = (self.size - 1) // 2, self.size // 2  # i holds c exactly where c's reversed range holds i
        shares = _neighbour_sum(dout * x * scale / s, before, after)
        return {"x": dout * scale - (2 * self.alpha * self.beta / self.size) * x * shares}

    def cost(self, x_shape: Shape) -> Cost:
        """A square, the sum (size − 1 additions away from the edge), α, k, a power and a product an element."""
        elements = math.prod(x_shape)
        return Cost(0, elements * (self.size + 4))

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """AlexNet's, an even size, more neighbours than channels on one image, one channel alone."""
        return [
            (cls(5, alpha=5e-4, k=2.0), (2, 7, 2, 3)),
            (cls(4, alpha=1.0), (2, 5, 1, 3)),
            (cls(9, alpha=0.5, beta=0.5), (1, 3, 3, 3)),
            (cls(1, alpha=0.3, beta=1.5), (3, 2)),
        ]


def _neighbour_sum(x: Array, before: int, after: int) -> Array:
    """The sum over channels c − before to c + after of `x` (N, C, ...)."""
    xp = namespace(x)
    n, c, *rest = x.shape
    before, after = min(before, c - 1), min(after, c - 1)
    left, right = (xp.zeros((n, count, *rest), dtype=x.dtype) for count in (before, after))
    padded = xp.concat([left, x, right], axis=1)  # (N, before + C + after, ...)
    total = padded[:, :c, ...]
    for shift in range(1, before + after + 1):
        total = total + padded[:, shift : shift + c, ...]
    return total
