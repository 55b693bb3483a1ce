"""Kernels stay inside the memory that the plan gave them: what lies between the buffers of the arena is never written.

A sanitizer sees only the arena's ends. Beside each buffer lies slack that kernels may read but not write; here it holds
a number of its own, which must still be there after some steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.bench.rows import ROWS, layers_of
from chainrule.engines import NativeEngine
from chainrule.engines.native import is_available
from chainrule.layers import LAYERS, Affine, Conv2D, Flatten, Tanh
from chainrule.layers.layer import Layer
from chainrule.network import Network
from chainrule.optim import Adam

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")

CANARY = np.float32(12345.678)


def slack(made: Any) -> Any:
    """Which floats of the arena belong to no buffer."""
    plan = made.plan
    free = np.ones(made.arena.size, bool)
    for buffer in {id(b): b for b in [*plan.buffers, *(t.buffer for t in plan.tensors)]}.values():
        if buffer.first is not None:
            free[buffer.offset : buffer.offset + buffer.floats] = False
    return free


def assert_nothing_is_written_beside(layers: Any, shape: Any, n: int, instruction_set: str) -> None:
    network = Network(layers, input_shape=shape, seed=1)
    engine = NativeEngine(network, Adam(), threads=2, instruction_set=instruction_set)
    made = engine._compiled(n, train=True)
    free = slack(made)
    assert free.any()
    made.arena[free] = CANARY
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *network.input_shape)).astype(np.float32)
    y = rng.integers(0, network.output_shape[-1], n)
    for rows in (n, n, 1 + n // 2):
        engine.step(x[:rows], y[:rows])
        assert (made.arena[free] == CANARY).all()
    engine.loss_and_gradients(x, y)
    assert (made.arena[free] == CANARY).all()


@pytest.mark.parametrize("row", ROWS[1:5], ids=lambda row: row.key)
def test_rows_of_the_benchmarks(row: Any, instruction_set: str) -> None:
    assert_nothing_is_written_beside(layers_of(row), row.input_shape, 5, instruction_set)


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_every_layer(cls: type[Layer], instruction_set: str) -> None:
    for layer, x_shape in cls.examples():
        if len(layer.output_shape(x_shape)) < 2 or 0 in x_shape:
            continue
        shape = x_shape[1:]
        first: Layer = Conv2D(shape[0], 3, padding=1) if len(shape) == 3 else Tanh()
        assert_nothing_is_written_beside([first, layer, Tanh(), Flatten(), Affine(3)], shape, 5, instruction_set)
