"""`FullyConnectedNet` of CS 189, homework 6: the input size comes first, and `hidden_dim` is a list."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.courses.common.networks import AffineStack, as_sizes
from chainrule.typed import typed


class FullyConnectedNet(AffineStack):
    """{affine – ReLU} × (L − 1) – affine – softmax, without regularisation.

    hidden_dim: the widths of the hidden layers. Attributes: params (W1, b1, ...), hidden_dim, num_layers.
    """

    @typed
    def __init__(
        self,
        input_dim: int,
        hidden_dim: Sequence[int] = [10, 5],
        num_classes: int = 10,
        weight_scale: float = 0.1,
    ) -> None:
        self.build(input_dim, hidden_dim, num_classes, weight_scale)

    def build(self, input_dim: int, hidden_dim: Sequence[int], num_classes: int, weight_scale: float) -> None:
        """Draw all parameters."""
        self.hidden_dim = as_sizes("FullyConnectedNet", "hidden_dim", hidden_dim)
        self.draw([input_dim, *self.hidden_dim, num_classes], weight_scale)


class FullyConnectedNet8(FullyConnectedNet):
    """The same for the MDS189 data set of the course: inputs of 75 numbers, 8 classes."""

    @typed
    def __init__(
        self,
        input_dim: int,
        hidden_dim: Sequence[int] = [10, 5],
        num_classes: int = 8,
        weight_scale: float = 0.1,
    ) -> None:
        self.build(input_dim, hidden_dim, num_classes, weight_scale)
