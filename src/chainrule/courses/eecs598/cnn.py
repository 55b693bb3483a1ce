"""The convolutional network of EECS 598: valid convolution without bias, no padding, and optional norm and dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.courses.common.cnn import POOL, image_shape
from chainrule.courses.common.convolution import (
    max_pool_backward,
    max_pool_forward,
    valid_conv_backward,
    valid_conv_forward,
)
from chainrule.courses.common.dropout import dropout_backward, vanilla_forward
from chainrule.courses.common.layers import affine_backward, affine_forward, relu_backward, relu_forward
from chainrule.courses.common.networks import Forward, Model, Tape, drawn, each_size
from chainrule.courses.common.normalization import (
    batchnorm_backward,
    batchnorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from chainrule.errors import ShapeError, require_number
from chainrule.typed import typed


class ConvNet(Model):
    """conv – [norm] – ReLU – 2 × 2 max pool – [dropout] – fc – [norm] – ReLU – [dropout] – fc – softmax.

    Inputs (N, C, H, W), (C, H, W) = input_dim; the convolution has neither padding nor bias. dropout: the rate at which
    units are dropped, 0 for none (although `dropout_forward` of the same assignment takes the probability of keeping).
    normalization: True for batch normalisation. fwd_fun, bwd_fun: the activation.
    Attributes: params (W1, W2, b2, W3, b3, and gamma1, beta1, gamma2, beta2 with norm), reg, dtype, use_dropout,
    dropout_param, bn_params, input_dim.
    """

    @typed
    def __init__(
        self,
        input_dim: Sequence[int] = (1, 28, 28),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: Any = np.float32,
        dropout: float = 0,
        normalization: bool = False,
        fwd_fun: Forward = relu_forward,
        bwd_fun: Callable[..., np.ndarray] = relu_backward,
    ) -> None:
        self.input_dim = channels, height, width = image_shape("ConvNet", input_dim)
        filters, size, hidden, classes = each_size(
            "ConvNet", num_filters=num_filters, filter_size=filter_size, hidden_dim=hidden_dim, num_classes=num_classes
        )
        require_number("ConvNet", "dropout", dropout, low=0, high=1, open_high=True)
        if min(height, width) < size + 1:
            raise ShapeError(f"ConvNet: images must be at least {size + 1} x {size + 1}, got {height} x {width}")
        self.reg, self.fwd_fun, self.bwd_fun = reg, fwd_fun, bwd_fun
        pooled = [(length - size + 1) // 2 for length in (height, width)]
        self.params = {"W1": drawn("ConvNet", (filters, channels, size, size), weight_scale)}
        self.draw_affine(2, filters * pooled[0] * pooled[1], hidden, weight_scale)
        self.draw_affine(3, hidden, classes, weight_scale)
        self.normalization, self.use_dropout = bool(normalization), dropout != 0
        self.bn_params: list[dict[str, Any]] = [{"mode": "train"}, {"mode": "train"}] if normalization else []
        for i, width_of_layer in enumerate((filters, hidden), start=1):
            if normalization:
                self.params[f"gamma{i}"], self.params[f"beta{i}"] = np.ones(width_of_layer), np.zeros(width_of_layer)
        self.dropout_param: dict[str, Any] = {"mode": "train", "p": 1 - dropout} if self.use_dropout else {}
        self.cast_params(dtype)

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """The scores (N, num_classes) of images X (N, C, H, W)."""
        for param in (*self.bn_params, self.dropout_param):
            param["mode"] = "train" if train else "test"
        x = tape.run(valid_conv_forward, valid_conv_backward, X, ("W1",))  # (N, F, H − S + 1, W − S + 1)
        x = self._norm(spatial_batchnorm_forward, spatial_batchnorm_backward, x, 1, tape)
        x = tape.run(self.fwd_fun, self.bwd_fun, x)
        x = tape.run(max_pool_forward, max_pool_backward, x, (), POOL)
        x = self._dropout(x, tape)
        x = tape.run(affine_forward, affine_backward, x, ("W2", "b2"))  # (N, hidden)
        x = self._norm(batchnorm_forward, batchnorm_backward, x, 2, tape)
        x = self._dropout(tape.run(self.fwd_fun, self.bwd_fun, x), tape)
        return tape.run(affine_forward, affine_backward, x, ("W3", "b3"))

    def _norm(self, forward: Any, backward: Any, x: np.ndarray, i: int, tape: Tape) -> np.ndarray:
        if not self.normalization:
            return x
        return tape.run(forward, backward, x, (f"gamma{i}", f"beta{i}"), self.bn_params[i - 1])

    def _dropout(self, x: np.ndarray, tape: Tape) -> np.ndarray:
        return tape.run(vanilla_forward, dropout_backward, x, (), self.dropout_param) if self.use_dropout else x
