"""chainrule's own side: a row as a user trains it, a layer by the operations of its plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.bench.cases import Case
from chainrule.bench.program import Program, UnavailableError
from chainrule.bench.rows import BATCHES, Row, data, layers_of
from chainrule.engines import NativeEngine, make_engine
from chainrule.engines.native import is_available
from chainrule.errors import ConfigError
from chainrule.layers import Flatten, Layer, LeakyReLU
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import SGD
from chainrule.solver.solver import make_rule


def row_program(row: Row, job: dict[str, Any]) -> Program:
    """`train` is the native engine's `steps` over rows of a resident set, `step` one call a batch."""
    reduced = job["mode"] == "chainrule bf16"
    try:
        network = Network(
            layers_of(row), input_shape=row.input_shape, dtype="bfloat16" if reduced else np.dtype("float32")
        )
        engine = make_engine(network, make_rule(row.rule, None), "native" if reduced else job["engine"])
    except (ConfigError, TypeError) as error:
        if reduced:
            raise UnavailableError(f"no bfloat16 here: {error}") from None
        raise
    X, y = data(row)
    batches = np.split(np.random.default_rng(1).permutation(len(X)), BATCHES)
    pairs = [(X[rows], y[rows]) for rows in batches]
    taken = 0

    def step() -> None:
        nonlocal taken
        engine.step(*pairs[taken % BATCHES])
        taken += 1

    if isinstance(engine, NativeEngine):
        return Program(lambda count: engine.steps(X, y, [batches[i % BATCHES] for i in range(count)]), step)

    def train(count: int) -> None:
        for _ in range(count):
            step()

    return Program(train, step)


def layer_passes(case: Case, job: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Seconds of forward and backward (every gradient) of the layer alone, again and again."""
    if job["engine"] == "reference" or not is_available():
        return _reference_passes(case)
    return _native_passes(case)


def _reference_passes(case: Case) -> Iterator[tuple[float, float]]:
    layer, shape = case
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)
    params = {n: v.astype(np.float32) for n, v in layer.init_params(shape, lambda i: rng).items()}
    dout = rng.standard_normal(layer.output_shape(shape), np.float32)
    while True:
        times = [time.perf_counter()]
        _, cache = layer.forward(x, params, train=True, key=1)
        times.append(time.perf_counter())
        layer.backward(dout, cache)
        times.append(time.perf_counter())
        yield times[1] - times[0], times[2] - times[1]


def _native_passes(case: Case) -> Iterator[tuple[float, float]]:
    """The layer as the second of a network, so that its input has a gradient; its operations are told by their label.

    Before it stands a layer that passes everything on, behind it one that makes rows, and a loss.
    """
    layer, shape = case
    layers: list[Layer] = [LeakyReLU(1), layer]
    if len(layer.output_shape(shape)) != 2:
        layers.append(Flatten())
    engine = NativeEngine(Network(layers, SquaredError(), shape[1:]), SGD())
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)
    y = rng.standard_normal((shape[0], *engine.network.output_shape), np.float32)
    while True:
        times = [0.0, 0.0]
        for op, seconds in engine.time_operations(lambda: engine.loss_and_gradients(x, y), shape[0]):
            if op.layer.split(" ")[0].split(".")[0] == "1" and op.phase in _GRADIENT_PHASES:
                times[op.phase != "forward"] += seconds
        yield times[0], times[1]


_GRADIENT_PHASES = ("forward", "backward", "gradients")


def operations(row: Row, job: dict[str, Any]) -> dict[str, Any]:
    """What a step of the native engine consists of: median times, operations and bytes; and memory's bandwidth.

    `bandwidth_gbs` is measured on as many bytes as a step works on: its arena, the parameters and the rule's slots.
    """
    from chainrule.bench.machine import bandwidth

    if job["engine"] == "reference" or not is_available():
        raise UnavailableError("the native engine is not used")
    network = Network(layers_of(row), input_shape=row.input_shape)
    engine = NativeEngine(network, make_rule(row.rule, None))
    X, y = data(row)
    x, y = X[: row.batch], y[: row.batch]
    engine.step(x, y)
    passes: list[list[tuple[Any, float]]] = []
    started = time.perf_counter()
    while time.perf_counter() - started < job["seconds"] or len(passes) < 5:
        passes.append(engine.time_operations(lambda: engine.step(x, y), row.batch))
    listed = [
        {
            "phase": op.phase,
            "kernel": op.kernel,
            "layer": op.layer,
            "ms": float(np.median([taken[i][1] for taken in passes])) * 1e3,
            "flops": op.flops * row.batch,
            "bytes": op.floats * row.batch * 4,
        }
        for i, (op, _) in enumerate(passes[0])
        if op.phase != "gradients"  # joined with the update in a step
    ]
    state = 4 * network.params.flat.size * (1 + len(engine.slots))
    arena = engine.plan(row.batch).arena
    size = arena.nbytes + state
    return {
        "operations": listed,
        "state_bytes": 2 * state,  # read and written once a step
        "working_set_bytes": size,
        "bandwidth_gbs": bandwidth(size, job["threads"]),
        "instruction_set": engine.instruction_set,
    }
