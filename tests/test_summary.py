"""The cost table of a network: counts worked out by hand, and that they add up."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import ConfigError, DTypeError
from chainrule.layers import LAYERS, Affine, BatchNorm, ReLU, Residual
from chainrule.losses import SquaredError
from chainrule.network import Network

NETWORK = Network([Affine(5), ReLU(), Affine(3, bias=False)], input_shape=4)


def test_counts_by_hand() -> None:
    first, relu, last = NETWORK.summary().rows
    assert first == ("Affine", (5,), 4 * 5 + 5, 20, 20 + 15 + 5)
    assert relu == ("ReLU", (5,), 0, 0, 5)
    assert last == ("Affine", (3,), 15, 15, 15 + 12)
    total = NETWORK.summary()
    assert (total.parameters, total.multiply_adds, total.flops) == (40, 35, 72)
    assert total.parameters == NETWORK.params.flat.size


def test_memory_by_hand() -> None:
    numbers = 4 + 5 + 5 + 3  # input and outputs
    assert NETWORK.summary().memory(10) == 4 * (2 * 40 + 2 * 10 * numbers)
    assert NETWORK.summary().memory(10, slots=2) == 4 * (4 * 40 + 2 * 10 * numbers)
    wide = Network(NETWORK.layers, input_shape=4, dtype="float64")
    assert wide.summary().memory(1) == 2 * NETWORK.summary().memory(1)


def test_composites_count_what_is_inside() -> None:
    network = Network([Affine(4), Residual((Affine(4), BatchNorm()))], input_shape=4)
    summary = network.summary()
    assert summary.rows[1].parameters == 16 + 4 + 8
    assert summary.parameters == network.params.flat.size


EXAMPLES = [(layer, shape) for cls in LAYERS for layer, shape in cls.examples()]


@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=[repr(e)[:90] for e in EXAMPLES])
def test_every_layer_has_a_row_for_one_example(layer: object, shape: tuple[int, ...]) -> None:
    summary = Network([layer], SquaredError(), shape[1:]).summary()  # type: ignore[list-item]
    (row,) = summary.rows
    assert row.layer == type(layer).__name__
    assert row.output_shape == layer.output_shape((1, *shape[1:]))[1:]  # type: ignore[attr-defined]
    assert all(isinstance(n, int) and n >= 0 for n in (row.parameters, row.multiply_adds, row.flops))
    assert row.flops >= row.multiply_adds
    assert all(isinstance(n, int) for n in row.output_shape)


def test_the_table() -> None:
    lines = str(NETWORK.summary()).splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters", "multiply-adds", "FLOPs"]
    assert lines[2].split() == ["input", "(4,)"]
    assert lines[3].split() == ["Affine", "(5,)", "25", "20", "40"]
    assert lines[4].split() == ["ReLU", "(5,)", "0", "0", "5"]
    assert lines[-2].split() == ["total", "40", "35", "72"]
    assert set(lines[1]) == set(lines[-3]) == {"-"}
    assert lines[-1] == "memory of a training step, batch of 100: 0.0 MB"
    big = Network([Affine(1000)], input_shape=1000).summary()
    assert "1,001,000" in str(big)
    assert not any(line != line.rstrip() for line in lines)


def test_bad_sizes() -> None:
    summary = NETWORK.summary()
    with pytest.raises(ConfigError, match=r"Summary: batch_size must be an integer >= 1, got 0"):
        summary.memory(0)
    with pytest.raises(DTypeError, match=r"Summary.memory: slots must be an integer, got float 1.5"):
        summary.memory(np.int64(1), slots=1.5)  # type: ignore[arg-type]
