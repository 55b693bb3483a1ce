"""`FullyConnectedNet` of CS231n, whose dropout argument changed its name once and its meaning once.

    2016, 2017     dropout=0, the probability of dropping     use_batchnorm=False
    2018 to 2020   dropout=1, the probability of keeping      normalization=None
    2021 and later dropout_keep_ratio=1, the same             normalization=None

The same call, FullyConnectedNet(dropout=0.25), therefore drops a quarter of the units in 2017 and three quarters in
2018; and nothing but the edition tells which was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.courses.common import dropout as meanings
from chainrule.courses.common.fc_net import DropoutNet
from chainrule.typed import typed


class FullyConnectedNet2016(DropoutNet):
    """{affine – [batch norm] – ReLU – [dropout]} × (L − 1) – affine – softmax; dropout: the probability of dropping.

    Attributes: params (W1, b1, ..., and gamma1, beta1, ... with batch norm), reg, num_layers, dtype, use_batchnorm,
    use_dropout, dropout_param, bn_params.
    """

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
        use_batchnorm: bool = False,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.use_batchnorm = use_batchnorm
        normalization = "batchnorm" if use_batchnorm else None
        self.build(hidden_dims, input_dim, num_classes, dropout, normalization, reg, weight_scale, dtype, seed)


class FullyConnectedNet2018(DropoutNet):
    """{affine – [norm] – ReLU – [dropout]} × (L − 1) – affine – softmax; dropout: the probability of keeping.

    normalization: "batchnorm", "layernorm" or None. Attributes: params (W1, b1, ..., and gamma1, beta1, ... with a
    norm), normalization, reg, num_layers, dtype, use_dropout, dropout_param, bn_params.
    """

    dropout_forward = staticmethod(meanings.keep_forward)
    off = 1.0
    meaning = "the probability of keeping"

    @typed
    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.build(hidden_dims, input_dim, num_classes, dropout, normalization, reg, weight_scale, dtype, seed)


class FullyConnectedNet2021(DropoutNet):
    """As in 2018, the probability of keeping being called dropout_keep_ratio."""

    dropout_forward = staticmethod(meanings.keep_forward)
    off = 1.0
    meaning = "the probability of keeping"

    @typed
    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout_keep_ratio: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        p, keyword = dropout_keep_ratio, "dropout_keep_ratio"
        self.build(hidden_dims, input_dim, num_classes, p, normalization, reg, weight_scale, dtype, seed, keyword)
