"""The three-layer convolutional network: conv – ReLU – 2 × 2 max pool – affine – ReLU – affine – softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.courses.common.convolution import conv_backward, conv_forward, max_pool_backward, max_pool_forward
from chainrule.courses.common.layers import affine_backward, affine_forward, relu_backward, relu_forward
from chainrule.courses.common.networks import Model, Tape, as_sizes, drawn, each_size
from chainrule.errors import ConfigError
from chainrule.typed import typed

POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}


class ThreeLayerConvNet(Model):
    """conv (F filters of S × S, stride 1, pad (S − 1)/2) – ReLU – 2 × 2 max pool – affine – ReLU – affine – softmax.

    Inputs (N, C, H, W), (C, H, W) = input_dim. Attributes: params (W1, b1, W2, b2, W3, b3), reg, dtype, input_dim.
    """

    @typed
    def __init__(
        self,
        input_dim: Sequence[int] = (3, 32, 32),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: Any = np.float32,
    ) -> None:
        self.input_dim = channels, height, width = image_shape("ThreeLayerConvNet", input_dim)
        filters, size, hidden, classes = each_size(
            "ThreeLayerConvNet",
            num_filters=num_filters,
            filter_size=filter_size,
            hidden_dim=hidden_dim,
            num_classes=num_classes,
        )
        if size % 2 == 0:
            raise ConfigError(f"ThreeLayerConvNet: filter_size must be odd, to keep the image's size, got {size}")
        self.reg, self.params = reg, {}
        W, b = self.layer_names(1)
        self.params[W] = drawn("ThreeLayerConvNet", (filters, channels, size, size), weight_scale)
        self.params[b] = np.zeros(filters)
        self.draw_affine(2, filters * (height // 2) * (width // 2), hidden, weight_scale)
        self.draw_affine(3, hidden, classes, weight_scale)
        self.cast_params(dtype)

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """The scores (N, num_classes) of images X (N, C, H, W)."""
        first, second, third = (self.layer_names(i) for i in (1, 2, 3))
        conv_param = {"stride": 1, "pad": (self.params[first[0]].shape[2] - 1) // 2}
        x = tape.run(conv_forward, conv_backward, X, first, conv_param)  # (N, F, H, W)
        x = tape.run(relu_forward, relu_backward, x)
        x = tape.run(max_pool_forward, max_pool_backward, x, (), POOL)  # (N, F, H // 2, W // 2)
        x = tape.run(affine_forward, affine_backward, x, second)  # (N, hidden)
        x = tape.run(relu_forward, relu_backward, x)
        return tape.run(affine_forward, affine_backward, x, third)


def image_shape(owner: str, input_dim: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W), or a typed error."""
    sizes = as_sizes(owner, "input_dim", input_dim)
    if len(sizes) != 3:
        raise ConfigError(f"{owner}: input_dim must be (C, H, W), got {input_dim!r}")
    return sizes[0], sizes[1], sizes[2]
