"""What an engine will need to train a network, known before: by its plan, or by small steps that are traced."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np

from chainrule.engines.native import is_available
from chainrule.engines.reference import ReferenceEngine
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.optim import SGD

NATIVE_ROWS, REFERENCE_ROWS = 128, 1000  # of an evaluation that are looked at together
_FEW = 16  # rows of the first pass that is traced
_MOST_TRACED = 1 << 28  # bytes that a pass may take to be traced; of larger ones the rest is reckoned


def runs_native(network: Network, engine: str) -> bool:
    """Whether `engine` is the native one for this network, "auto" being the preferred one that can."""
    return engine == "native" or (engine == "auto" and network.dtype.name == "float32" and is_available())


def training_bytes(network: Network, batch: int, *, native: bool) -> int:
    """Bytes between a batch and its gradients: activations and what is made on the way."""
    return _arena(network, batch, train=True) if native else _traced(network, batch, train=True)


def evaluation_bytes(network: Network, rows: int, *, native: bool) -> int:
    """Bytes of the forward pass in test mode, some rows at a time."""
    if native:
        return _arena(network, min(rows, NATIVE_ROWS), train=False)
    return _traced(network, min(rows, REFERENCE_ROWS), train=False)


def _arena(network: Network, rows: int, *, train: bool) -> int:
    from chainrule.engines.native.lowering import make_plan

    plan, _, _ = make_plan(network, rows, train=train)
    return 4 * plan.finish()


def _traced(network: Network, rows: int, *, train: bool) -> int:
    """The peak of a pass over `rows` rows; it grows by the same for each once layers work in blocks of a size."""
    few = min(rows, _FEW)
    least = _peak(network, few, train=train)
    many = min(rows, max(2 * few, int(_MOST_TRACED / max(least / few, 1))))
    if rows == few:
        return least
    most = _peak(network, many, train=train)
    if many == rows:
        return most
    half = _peak(network, many // 2, train=train)
    return int(most + max(most - half, 0) / (many - many // 2) * (rows - many))


def _peak(network: Network, rows: int, *, train: bool) -> int:
    twin = Network.from_config(network.config())
    engine = ReferenceEngine(twin, SGD(0.0))

    def run(n: int) -> None:
        x = np.zeros((n, *network.input_shape), network.dtype)
        if train:
            engine.loss_and_gradients(x, _targets(twin, n))
        else:
            engine.predict(x)

    run(1)  # what is made once
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run(rows)
        batch = rows * math.prod(network.input_shape) * network.dtype.itemsize
        return tracemalloc.get_traced_memory()[1] - before - batch
    finally:
        if not already:
            tracemalloc.stop()


def _targets(network: Network, rows: int) -> Any:
    """Some targets that the loss takes: labels, numbers a row, or one number."""
    scores = np.zeros((rows, *network.output_shape), network.dtype)
    for y in (np.zeros(rows, np.int64), np.zeros_like(scores), np.ones(rows)):
        try:
            network.loss_function(scores, y)
        except ChainruleError:
            continue
        return y
    return np.zeros(rows)
