"""The networks of COMP 540: those of CS231n 2016 with parameters called theta{i} and theta{i}_0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.courses.common import cnn, fc_net
from chainrule.courses.common import dropout as meanings
from chainrule.typed import typed


class TwoLayerNet(fc_net.TwoLayerNet):
    """affine – ReLU – affine – softmax; params theta1, theta1_0, theta2, theta2_0."""

    weight_key, bias_key = "theta{}", "theta{}_0"


class ThreeLayerConvNet(cnn.ThreeLayerConvNet):
    """conv – ReLU – 2 × 2 max pool – affine – ReLU – affine – softmax; params theta1, theta1_0, ..., theta3_0."""

    weight_key, bias_key = "theta{}", "theta{}_0"


class FullyConnectedNet(fc_net.DropoutNet):
    """{affine – ReLU – [dropout]} × (L − 1) – affine – softmax; dropout: the probability of dropping, 0 for none.

    Attributes: params (theta1, theta1_0, ...), reg, num_layers, dtype, use_dropout, dropout_param.
    """

    weight_key, bias_key = "theta{}", "theta{}_0"
    dropout_forward = staticmethod(meanings.drop_forward)
    off = 0.0
    meaning = "the probability of dropping"

    @typed
    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout: float = 0,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.build(hidden_dims, input_dim, num_classes, dropout, None, reg, weight_scale, dtype, seed)
