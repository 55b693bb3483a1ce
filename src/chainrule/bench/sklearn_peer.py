"""scikit-learn's side: `partial_fit` of MLPClassifier, for rows that are multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.bench.cases import Case
from chainrule.bench.program import Program, UnavailableError
from chainrule.bench.rows import BATCHES, Row, data


def row_program(row: Row, job: dict[str, Any]) -> Program:
    """One `partial_fit` a step."""
    from sklearn.neural_network import MLPClassifier

    if row.is_image:
        raise UnavailableError("no convolutions")
    X, y = data(row)
    pairs = list(zip(np.split(X, BATCHES), np.split(y, BATCHES), strict=True))
    hidden = [layer["units"] for layer in row.layers if isinstance(layer, dict)][:-1]
    solver = {"sgd_momentum": "sgd"}.get(row.rule, row.rule)
    model = MLPClassifier(hidden, solver=solver, batch_size=row.batch, alpha=0.0)
    model.partial_fit(*pairs[0], classes=np.arange(row.classes))
    taken = 0

    def train(count: int) -> None:
        nonlocal taken
        for _ in range(count):
            model.partial_fit(*pairs[taken % BATCHES])
            taken += 1

    return Program(train)


def layer_passes(case: Case, job: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """scikit-learn has no layers."""
    raise UnavailableError("no layers")
