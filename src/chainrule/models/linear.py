"""Linear classifiers, each with an optional hidden layer: logistic, support vector machine, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.initializers import Normal
from chainrule.layers import Affine, Flatten, ReLU, Squeeze
from chainrule.layers.layer import Layer
from chainrule.losses import BinaryHinge, Logistic, Loss, MultiClassHinge, SoftmaxCrossEntropy
from chainrule.network import Network
from chainrule.typed import typed

InputShape = int | Sequence[int]


def hidden_layers(hidden_dim: int | None, weight_scale: float, activation: Layer) -> tuple[Layer, ...]:
    """Flatten, and, with `hidden_dim`, one hidden layer."""
    hidden = () if hidden_dim is None else (Affine(hidden_dim, init=Normal(weight_scale)), activation)
    return (Flatten(), *hidden)


@typed
def LogisticClassifier(
    input_shape: InputShape = 100,
    hidden_dim: int | None = None,
    weight_scale: float = 1e-3,
    reg: float = 0.0,
    activation: Layer = ReLU(),  # noqa: B008  (frozen)
    **options: Any,
) -> Network:
    """Two classes, scores (N,), trained by the logistic loss on labels 0/1 or −1/+1.

    hidden_dim: units of a hidden layer, None for none. weight_scale: standard deviation of the initial weights.
    reg: λ of ½ λ ‖W‖². options: seed, dtype and rng of `Network`.

    >>> LogisticClassifier(20, hidden_dim=40).params.shapes["W1"]
    (20, 40)
    """
    return _binary(input_shape, hidden_dim, weight_scale, reg, activation, Logistic(), options)


@typed
def SVM(
    input_shape: InputShape = 100,
    hidden_dim: int | None = None,
    weight_scale: float = 1e-3,
    reg: float = 0.0,
    activation: Layer = ReLU(),  # noqa: B008
    classes: int | None = None,
    **options: Any,
) -> Network:
    """A support vector machine: the hinge loss on scores (N,), or, with `classes`, the multi-class hinge on (N, C).

    The other arguments are those of `LogisticClassifier`.
    """
    if classes is None:
        return _binary(input_shape, hidden_dim, weight_scale, reg, activation, BinaryHinge(), options)
    layers = (*hidden_layers(hidden_dim, weight_scale, activation), Affine(classes, init=Normal(weight_scale)))
    return Network(layers, MultiClassHinge(), input_shape, reg=reg, **options)


@typed
def SoftmaxClassifier(
    input_shape: InputShape = 784,
    hidden_dim: int | None = None,
    classes: int = 10,
    weight_scale: float = 1e-3,
    reg: float = 0.0,
    activation: Layer = ReLU(),  # noqa: B008
    **options: Any,
) -> Network:
    """`classes` classes, trained by softmax cross-entropy; the arguments are those of `LogisticClassifier`."""
    layers = (*hidden_layers(hidden_dim, weight_scale, activation), Affine(classes, init=Normal(weight_scale)))
    return Network(layers, SoftmaxCrossEntropy(), input_shape, reg=reg, **options)


def _binary(
    input_shape: InputShape,
    hidden_dim: int | None,
    weight_scale: float,
    reg: float,
    activation: Layer,
    loss: Loss,
    options: dict[str, Any],
) -> Network:
    score = (Affine(1, init=Normal(weight_scale)), Squeeze())
    return Network(
        (*hidden_layers(hidden_dim, weight_scale, activation), *score), loss, input_shape, reg=reg, **options
    )
