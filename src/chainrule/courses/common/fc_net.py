"""Fully connected networks with optional normalisation and dropout, as the CS231n family declares them.

{affine – [batch or layer norm] – ReLU – [dropout]} × (L − 1) – affine – softmax

What `dropout` means, how it is called and when it is off differ from edition to edition: a subclass says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.courses.common import dropout as meanings
from chainrule.courses.common.networks import AffineStack, Tape, as_sizes
from chainrule.courses.common.normalization import (
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)
from chainrule.errors import ConfigError, require_number, shown
from chainrule.typed import typed

#: normalization -> (forward, backward, what each layer's parameter dictionary starts as).
NORMALIZATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]] = {
    "batchnorm": (batchnorm_forward, batchnorm_backward, {"mode": "train"}),
    "layernorm": (layernorm_forward, layernorm_backward, {}),
}


class TwoLayerNet(AffineStack):
    """affine – ReLU – affine – softmax, inputs (N, d1, ..., dk).

    Attributes: params (W1, b1, W2, b2), reg (may be changed at any time).
    """

    @typed
    def __init__(
        self,
        input_dim: int = 3 * 32 * 32,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
    ) -> None:
        self.reg = reg
        self.draw([input_dim, hidden_dim, num_classes], weight_scale)


class DropoutNet(AffineStack):
    """Base of the fully connected networks with dropout; a subclass fixes the meaning of `p` and its own signature."""

    #: The dropout of the edition, the `p` that switches it off, and what `p` is, for messages.
    dropout_forward: ClassVar[Callable[..., Any]]
    off: ClassVar[float]
    meaning: ClassVar[str]

    normalization: str | None
    use_dropout: bool
    dropout_param: dict[str, Any]
    bn_params: list[dict[str, Any]]

    def build(
        self,
        hidden_dims: Sequence[int],
        input_dim: int,
        num_classes: int,
        p: float,
        normalization: str | None,
        reg: float,
        weight_scale: float,
        dtype: Any,
        seed: int | None,
        keyword: str = "dropout",
    ) -> None:
        """What every edition's `__init__` does once its arguments are understood."""
        hidden = as_sizes("FullyConnectedNet", "hidden_dims", hidden_dims)
        self._check_dropout(p, keyword)
        if normalization is not None and normalization not in NORMALIZATIONS:
            got = shown(normalization)
            raise ConfigError(f"FullyConnectedNet: normalization must be 'batchnorm', 'layernorm' or None, got {got}")
        self.normalization, self.reg = normalization, reg
        self.draw([input_dim, *hidden, num_classes], weight_scale)
        self.bn_params = []
        if normalization is not None:
            self.bn_params = [dict(NORMALIZATIONS[normalization][2]) for _ in hidden]
            self._add_normalization(hidden)
        self.use_dropout = p != self.off
        self.dropout_param = {"mode": "train", "p": p} if self.use_dropout else {}
        if self.use_dropout and seed is not None:
            self.dropout_param["seed"] = seed
        self.cast_params(dtype)

    def _check_dropout(self, p: float, keyword: str) -> None:
        owner = "FullyConnectedNet"
        require_number(owner, keyword, p, low=0, high=1)
        if p == 1 - self.off:
            raise ConfigError(
                f"{owner}: {keyword} = {p:g} would leave nothing: in this edition it is {self.meaning}, "
                f"and {self.off:g} switches dropout off"
            )

    def _add_normalization(self, hidden: Sequence[int]) -> None:
        for i, size in enumerate(hidden, start=1):
            self.params[f"gamma{i}"], self.params[f"beta{i}"] = np.ones(size), np.zeros(size)

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """The scores of X; the modes of normalisation and dropout are set first."""
        mode = "train" if train else "test"
        if self.use_dropout:
            self.dropout_param["mode"] = mode
        if self.normalization == "batchnorm":
            for bn_param in self.bn_params:
                bn_param["mode"] = mode
        return super().scores(X, tape, train=train)

    def between(self, x: np.ndarray, i: int, tape: Tape, *, train: bool) -> np.ndarray:
        """[norm] – ReLU – [dropout]."""
        if self.normalization is not None:
            forward, backward, _ = NORMALIZATIONS[self.normalization]
            x = tape.run(forward, backward, x, (f"gamma{i}", f"beta{i}"), self.bn_params[i - 1])
        x = super().between(x, i, tape, train=train)
        if self.use_dropout:
            x = tape.run(type(self).dropout_forward, meanings.dropout_backward, x, (), self.dropout_param)
        return x
