"""What an engine will need to train a network, known before: by its plan, or by small steps that are traced."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np

from chainrule.engines.native import is_available
from chainrule.engines.reference import ReferenceEngine
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.optim import SGD

NATIVE_ROWS, REFERENCE_ROWS = 128, 1000  # of an evaluation that are looked at together
_SMALL = (2, 6)  # rows of the steps that are traced


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
    """The peak of a pass over `rows` rows, from those of two small ones: it grows by the same for each row."""
    few, more = (_peak(network, n, train=train) for n in _SMALL)
    each = max(more - few, 0) / (_SMALL[1] - _SMALL[0])
    return int(few + each * (rows - _SMALL[0]))


def _peak(network: Network, rows: int, *, train: bool) -> int:
    twin = Network.from_config(network.config())
    engine, x = ReferenceEngine(twin, SGD(0.0)), np.zeros((rows, *network.input_shape), network.dtype)
    y = _targets(twin, rows)

    def run() -> None:
        if train:
            engine.loss_and_gradients(x, y)
        else:
            engine.predict(x)

    run()  # what is made once
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
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
