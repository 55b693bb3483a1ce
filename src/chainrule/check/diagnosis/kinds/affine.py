"""Affine layers, with an activation behind them and at every time; embeddings, which are affine in one-hot rows."""

from __future__ import annotations

import numpy as np

from chainrule.check.diagnosis.kinds.cases import Case
from chainrule.check.diagnosis.kinds.kind import Kind

AFFINE = {
    "x": "dx = (dout @ w.T).reshape(x.shape)",
    "w": "dw = x.reshape(N, -1).T @ dout",
    "b": "db = dout.sum(axis=0)",
}
AFFINE_LAYOUTS: tuple[tuple[Case, ...], ...] = (
    (
        {"x": (5, 3), "w": (3, 4), "b": (4,)},
        {"x": (3, 7), "w": (7, 5), "b": (5,)},
        {"x": (4, 2, 3), "w": (6, 5), "b": (5,)},
    ),
    ({"x": (5, 3), "w": (3, 4), "b": (1, 4)}, {"x": (3, 7), "w": (7, 5), "b": (1, 5)}),
    ({"x": (5, 3), "w": (4, 3), "b": (4,)}, {"x": (3, 7), "w": (5, 7), "b": (5,)}),
    ({"x": (3, 5), "w": (4, 3), "b": (4, 1)}, {"x": (7, 3), "w": (5, 7), "b": (5, 1)}),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "affine-relu",
        r"(affine|fc|linear|dense).*(relu|sigmoid|tanh|act)",
        ("x", "w", "b"),
        AFFINE_LAYOUTS,
        {"x": "da = dout * (a > 0);  dx = da @ w.T", "w": "dw = x.T @ da", "b": "db = da.sum(axis=0)"},
    ),
    Kind(
        "temporal affine",
        r"temporal_(affine|fc)",
        ("x", "w", "b"),
        (({"x": (3, 4, 5), "w": (5, 6), "b": (6,)}, {"x": (2, 3, 4), "w": (4, 5), "b": (5,)}),),
        {
            "x": "dx = (dout.reshape(N * T, M) @ w.T).reshape(x.shape)",
            "w": "dw = x.reshape(N * T, D).T @ dout.reshape(N * T, M)",
            "b": "db = dout.sum(axis=(0, 1))",
        },
    ),
    Kind("affine", r"affine|linear|dense|fully|^fc|_fc|matmul|^dot", ("x", "w", "b"), AFFINE_LAYOUTS, AFFINE),
    Kind(
        "embedding",
        r"embed",
        ("x", "w"),
        (
            (
                {"x": np.array([[0, 3, 1], [3, 2, 3]]), "w": (5, 4)},
                {"x": np.array([[1, 1], [0, 2], [1, 4]]), "w": (5, 3)},
            ),
        ),
        {"w": "np.add.at(dw, x, dout): an id that occurs twice gets both"},
    ),
)
