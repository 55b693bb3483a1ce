"""Losses that have a kernel: what it is called, what it takes, and which targets it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.losses import BinaryHinge, Logistic, Loss, MultiClassHinge, SoftmaxCrossEntropy, SquaredError


class LossKernel(NamedTuple):
    """A kernel for a loss.

    options: the arguments that follow scores and gradient. checks_labels: it looks at whole numbers itself, as it comes
    to them. real_targets: it takes numbers, never labels.
    """

    name: str
    options: Callable[[Any], list[float]]
    checks_labels: bool = False
    real_targets: bool = False
    note: str = ""


#: Loss -> its kernel.
LOSS_KERNELS: dict[type[Loss], LossKernel] = {
    SoftmaxCrossEntropy: LossKernel(
        "softmax_cross_entropy",
        lambda loss: [float(loss.label_smoothing), *(float(w) for w in loss.class_weights or ())],
        checks_labels=True,
        note="softmax + cross-entropy + gradient",
    ),
    MultiClassHinge: LossKernel("multi_class_hinge", lambda loss: [float(loss.margin)], checks_labels=True),
    BinaryHinge: LossKernel("binary_hinge", lambda loss: [float(loss.margin)]),
    Logistic: LossKernel("logistic", lambda loss: []),
    SquaredError: LossKernel("squared_error", lambda loss: [], real_targets=True),
}
