"""Activations, most of them element by element; and flattening, which changes no value."""

from __future__ import annotations

from typing import Any

from chainrule.check.diagnosis.kinds.cases import IMAGES
from chainrule.check.diagnosis.kinds.kind import Kind

ROWS = ({"x": (5, 3)}, {"x": (3, 7)})
POINTWISE = ((*ROWS, {"x": (2, 3, 2, 2)}),)
CHAIN = "dx = dout * {}"


def _pointwise(name: str, pattern: str, derivative: str, **options: Any) -> Kind:
    return Kind(name, pattern, ("x",), POINTWISE, {"x": CHAIN.format(derivative)}, elementwise=True, **options)


KINDS: tuple[Kind, ...] = (
    Kind("softmax", r"softmax", ("x",), (ROWS,), {"x": "dx = y * (dout - (dout * y).sum(axis=1, keepdims=True))"}),
    Kind(
        "prelu",
        r"prelu",
        ("x", "alpha"),
        tuple(
            ({"x": (5, 3), "alpha": alpha(3)}, {"x": (4, 7), "alpha": alpha(7)})
            for alpha in (lambda c: (c,), lambda c: (1,))
        ),
        {"x": "dx = dout * where(x > 0, 1, alpha)", "alpha": "dalpha = (dout * where(x > 0, 0, x)).sum(axis=0)"},
    ),
    _pointwise("leaky relu", r"leaky|lrelu", "where(x > 0, 1, alpha)", options=("alpha",)),
    _pointwise("elu", r"(^|[^rgp])elu", "where(x > 0, 1, alpha * exp(x))", options=("alpha",)),
    _pointwise("relu", r"relu", "(x > 0)"),
    _pointwise("sigmoid", r"sigmoid|logistic|expit", "y * (1 - y), y = sigmoid(x)"),
    _pointwise("tanh", r"tanh", "(1 - y**2), y = tanh(x)"),
    _pointwise("softplus", r"softplus", "sigmoid(x)"),
    _pointwise("silu", r"silu|swish", "(s + x * s * (1 - s)), s = sigmoid(x)"),
    _pointwise("gelu", r"gelu", "(Phi(x) + x * phi(x))"),
    Kind("flatten", r"flatten|reshape", ("x",), (IMAGES,), {"x": "dx = dout.reshape(x.shape)"}),
)
