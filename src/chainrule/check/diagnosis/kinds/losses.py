"""Losses, of scores and of the weights that give them."""

from __future__ import annotations

from chainrule.check.diagnosis.kinds.cases import Case, Labels, OneHot
from chainrule.check.diagnosis.kinds.kind import Kind

_SCORES: tuple[tuple[Case, ...], ...] = (
    ({"x": (5, 4), "y": Labels((5,), 4), "reg": 0.3}, {"x": (3, 6), "y": Labels((3,), 6), "reg": 0.7}),
    ({"x": (5, 4), "y": OneHot((5, 4)), "reg": 0.3}, {"x": (3, 6), "y": OneHot((3, 6)), "reg": 0.7}),
)
_CLASSIFIERS: tuple[tuple[Case, ...], ...] = (
    (
        {"w": (6, 4), "x": (5, 6), "y": Labels((5,), 4), "reg": 0.3},
        {"w": (4, 3), "x": (7, 4), "y": Labels((7,), 3), "reg": 0.7},
    ),
    (
        {"w": (6, 4), "x": (5, 6), "y": OneHot((5, 4)), "reg": 0.3},
        {"w": (4, 3), "x": (7, 4), "y": OneHot((7, 3)), "reg": 0.7},
    ),
    (
        {"w": (6,), "x": (5, 6), "y": Labels((5,), 2), "reg": 0.3},
        {"w": (4,), "x": (7, 4), "y": Labels((7,), 2), "reg": 0.7},
    ),
)
_BINARY: tuple[tuple[Case, ...], ...] = tuple(
    (
        {"x": (5, *tail), "y": Labels((5, *tail), 2, values), "reg": 0.3},
        {"x": (7, *tail), "y": Labels((7, *tail), 2, values), "reg": 0.7},
    )
    for tail in ((), (1,))
    for values in (None, (-1, 1))
)
_PAIRS: tuple[tuple[Case, ...], ...] = (
    ({"x": (5, 3), "y": (5, 3)}, {"x": (4, 7), "y": (4, 7)}),
    ({"x": (5,), "y": (5,)},),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "softmax classifier",
        r"(softmax|cross_?entropy|logistic).*|^loss.*|cost",
        ("w", "x", "y"),
        _CLASSIFIERS,
        {"w": "dW = x.T @ (probabilities - one_hot(y)) / N + the regulariser's gradient"},
        options=("reg",),
        loss=True,
    ),
    Kind(
        "svm classifier",
        r"svm|hinge",
        ("w", "x", "y"),
        _CLASSIFIERS,
        {"w": "dW = x.T @ (margins > 0, minus their count at the right class) / N + the regulariser's gradient"},
        options=("reg",),
        loss=True,
    ),
    Kind(
        "softmax loss",
        r"softmax.*loss|cross_?entropy|softmax_?with|nll|log_?loss|softmax_ce",
        ("x", "y"),
        _SCORES,
        {"x": "dx = (softmax(x) - one_hot(y)) / N"},
        loss=True,
    ),
    Kind(
        "svm loss",
        r"svm|hinge",
        ("x", "y"),
        (_SCORES[0], *_BINARY),
        {"x": "dx = (x - x_y + 1 > 0);  dx[n, y_n] = -number of the others in row n;  dx /= N"},
        loss=True,
    ),
    Kind(
        "logistic loss",
        r"logistic.*loss|bce|binary.*entropy|sigmoid.*(loss|entropy)",
        ("x", "y"),
        _BINARY,
        {"x": "dx = (sigmoid(x) - y) / N"},
        loss=True,
    ),
    Kind(
        "squared error",
        r"mse|squared|l2_?loss|mean_?square|quadratic|^sse|euclid",
        ("x", "y"),
        _PAIRS,
        {"x": "dx = 2 * (x - y) / the number that the loss is divided by"},
        loss=True,
    ),
    Kind(
        "absolute error", r"mae|l1_?loss|huber|smooth_?l1", ("x", "y"), _PAIRS, {"x": "dx = sign(x - y) / N"}, loss=True
    ),
)
