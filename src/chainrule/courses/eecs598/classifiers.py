"""The fully connected models of EECS 598: two binary classifiers with one score a row, and a softmax classifier.

With hidden_dim=None a model is linear and has W1 and b1 only. fwd_fun and bwd_fun, which one of the two published
versions of the assignment adds, choose the activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.courses.common.layers import binary_svm_loss, logistic_loss, relu_backward, relu_forward, softmax_loss
from chainrule.courses.common.networks import AffineStack, Forward, Tape, as_sizes
from chainrule.errors import ConfigError
from chainrule.typed import typed

Backward = Callable[..., np.ndarray]
InputDim = int | Sequence[int]  # D, or the shape of an image


class Classifier(AffineStack):
    """Base: affine, or affine – activation – affine."""

    def build(
        self,
        input_dim: InputDim,
        hidden_dim: int | None,
        outputs: int,
        weight_scale: float,
        reg: float,
        *functions: Any,
    ) -> None:
        """Draw W1 (and W2), and remember the activation's two functions."""
        owner = type(self).__name__
        axes = as_sizes(owner, "input_dim", [input_dim] if isinstance(input_dim, int) else input_dim)
        if not axes:
            raise ConfigError(f"{owner}: input_dim must be an integer or the shape of an image, got {input_dim!r}")
        inputs = math.prod(axes)
        self.reg = reg
        self.forward_activation, self.backward_activation = functions
        self.draw([inputs, *([] if hidden_dim is None else [hidden_dim]), outputs], weight_scale)


class BinaryClassifier(Classifier):
    """Base of the models whose scores are (N,), one logit a row."""

    @typed
    def __init__(
        self,
        input_dim: InputDim = 100,
        hidden_dim: int | None = None,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        fwd_fun: Forward = relu_forward,
        bwd_fun: Backward = relu_backward,
    ) -> None:
        self.build(input_dim, hidden_dim, 1, weight_scale, reg, fwd_fun, bwd_fun)

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """The logits (N,) of X (N, D)."""
        return tape.run(_squeeze, _unsqueeze, super().scores(X, tape, train=train))


class LogisticClassifier(BinaryClassifier):
    """Logistic regression, with a hidden layer if hidden_dim is given. Labels 0/1 or −1/+1; W1 is (D, 1).

    threshold: loss(X) returns the logits (N,) less this number, so that the solver's "scores > 0" decides there. The
    published program takes 0.5 off in test mode, and its accuracies need that.
    Attributes: params (W1, b1, and W2, b2 with a hidden layer), reg, threshold.
    """

    data_loss = staticmethod(logistic_loss)

    @typed
    def __init__(
        self,
        input_dim: InputDim = 100,
        hidden_dim: int | None = None,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        fwd_fun: Forward = relu_forward,
        bwd_fun: Backward = relu_backward,
        threshold: float = 0.0,
    ) -> None:
        super().__init__(input_dim, hidden_dim, weight_scale, reg, fwd_fun, bwd_fun)
        self.threshold = threshold

    def loss(self, X: Any, y: Any = None) -> Any:
        """Logits of X less `threshold` if y is None; otherwise the loss with ½ reg ‖W‖², and its gradients by name."""
        result = super().loss(X, y)
        return result - self.threshold if y is None else result


class SVM(BinaryClassifier):
    """A linear support vector machine, with a hidden layer if hidden_dim is given. Otherwise as LogisticClassifier."""

    data_loss = staticmethod(binary_svm_loss)


class SoftmaxClassifier(Classifier):
    """affine – ReLU – affine – softmax, or softmax regression with hidden_dim=None.

    input_dim: D, or the shape of an image. Attributes: params (W1, b1, and W2, b2 with a hidden layer), reg.
    """

    data_loss = staticmethod(softmax_loss)

    @typed
    def __init__(
        self,
        input_dim: InputDim = 28 * 28,
        hidden_dim: int | None = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        fwd_fun: Forward = relu_forward,
        bwd_fun: Backward = relu_backward,
    ) -> None:
        self.build(input_dim, hidden_dim, num_classes, weight_scale, reg, fwd_fun, bwd_fun)


def _squeeze(x: np.ndarray) -> tuple[np.ndarray, None]:
    return x[:, 0], None


def _unsqueeze(dout: np.ndarray, cache: None) -> np.ndarray:
    return dout[:, None]
