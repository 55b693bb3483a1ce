"""3 × 3 convolutions by Winograd's minimal filtering, against the reference and against the direct kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.engines import NativeEngine, ReferenceEngine
from chainrule.engines.native import is_available, winograd
from chainrule.errors import DTypeError
from chainrule.layers import Affine, BatchNorm, Conv2D, Flatten, LeakyReLU, ReLU, Residual
from chainrule.layers.layer import Layer
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import SGD, Adam

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")


@pytest.fixture
def _any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few channels too, so that odd numbers of them are seen."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)


def error(expected: Any, got: Any) -> float:
    expected, got = np.asarray(expected), np.asarray(got)
    return float(np.abs(expected - got).max() / max(float(np.abs(expected).max()), 1e-3))


def used(engine: NativeEngine, rows: int) -> int:
    return sum("winograd" in op.kernel for op in engine.plan(rows).operations)


SHAPES = [
    (3, 5, (6, 8), 1),
    (5, 19, (7, 9), 1),
    (16, 16, (5, 4), 0),
    (33, 40, (3, 3), 2),
    (2, 3, (4, 5), (0, 1, 2, 0)),
    (4, 4, (6, 6), 3),
    (1, 50, (9, 3), "same"),
]


@pytest.mark.usefixtures("_any_width")
@pytest.mark.parametrize(("channels", "filters", "size", "padding"), SHAPES)
@pytest.mark.parametrize("relu", [True, False])
def test_against_the_reference(
    channels: int, filters: int, size: tuple[int, int], padding: Any, relu: bool, instruction_set: str
) -> None:
    follower: Layer = ReLU() if relu else LeakyReLU(0.1)
    layers = [
        *(Conv2D(channels, 3, padding=1), *([ReLU()] if relu else []), Conv2D(filters, 3, padding=padding), follower),
        *(Conv2D(4, 3, padding=1, bias=False), Flatten(), Affine(3)),
    ]
    networks = [Network(layers, input_shape=(2, *size), seed=1) for _ in range(3)]
    ours = ReferenceEngine(networks[0], SGD(0.05))
    one, many = (
        NativeEngine(net, SGD(0.05), instruction_set=instruction_set, threads=t)
        for net, t in zip(networks[1:], (1, 3), strict=True)
    )
    assert used(one, 4) >= 10
    rng = np.random.default_rng(0)
    for n in (4, 1):
        x, y = rng.standard_normal((n, 2, *size)).astype(np.float32), rng.integers(0, 3, n)
        (loss, expected), (got_loss, got) = ours.loss_and_gradients(x, y), one.loss_and_gradients(x, y)
        assert got_loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
        for name in expected:
            assert error(expected[name], got[name]) < 1e-5, name
        _, other = many.loss_and_gradients(x, y)
        for name in other:
            np.testing.assert_array_equal(other[name], got[name])  # whatever the number of threads
    x = rng.standard_normal((5, 2, *size)).astype(np.float32)
    scores = one.predict(x)
    assert error(ours.predict(x), scores) < 1e-5
    for row in range(5):
        np.testing.assert_array_equal(scores[row], one.predict(x[row : row + 1])[0])


@pytest.mark.usefixtures("_any_width")
@given(st.data())
def test_drawn_shapes(data: st.DataObject) -> None:
    h, w = data.draw(st.integers(3, 9)), data.draw(st.integers(3, 9))
    channels, filters, n = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 35)), data.draw(st.integers(1, 5))
    padding = tuple(data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=4)))
    layers = [LeakyReLU(1), Conv2D(filters, 3, padding=padding), Flatten()]
    networks = [Network(layers, SquaredError(), (channels, h, w), seed=2) for _ in range(2)]
    ours, got = ReferenceEngine(networks[0], SGD(0.1)), NativeEngine(networks[1], SGD(0.1), threads=2)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.standard_normal((n, channels, h, w)).astype(np.float32)
    y = rng.standard_normal((n, *ours.network.output_shape)).astype(np.float32)
    (_, expected), (_, gradients) = ours.loss_and_gradients(x, y), got.loss_and_gradients(x, y)
    # One scale for all of them: the gradient of a single bias is a sum that may cancel.
    assert error(expected.flat, gradients.flat) < 1e-5


@pytest.mark.usefixtures("_any_width")
def test_gradients_that_are_added() -> None:
    """An input with two consumers: the second adds to the gradient that the first has written."""
    block = (Conv2D(6, 3, padding=1), BatchNorm(), ReLU(), Conv2D(6, 3, padding=1))
    layers = [Conv2D(6, 3, padding=1), ReLU(), Residual(block), ReLU(), Flatten(), Affine(3)]
    networks = [Network(layers, input_shape=(2, 5, 7), seed=1) for _ in range(2)]
    ours, got = ReferenceEngine(networks[0], Adam(1e-2)), NativeEngine(networks[1], Adam(1e-2))
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.standard_normal((6, 2, 5, 7)).astype(np.float32), rng.integers(0, 3, 6)
        (_, expected), (_, gradients) = ours.loss_and_gradients(x, y), got.loss_and_gradients(x, y)
        for name in expected:
            assert np.abs(expected[name] - gradients[name]).max() < 3e-5 * max(1, np.abs(expected[name]).max()), name
        assert got.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-4)


def test_where_it_is_used() -> None:
    def engine(layer: Layer, dtype: str = "float32", **options: Any) -> NativeEngine:
        return NativeEngine(
            Network([layer, Flatten(), Affine(2)], input_shape=(32, 6, 6), dtype=dtype), SGD(), **options
        )

    assert used(engine(Conv2D(32, 3)), 2)
    assert "Winograd" in engine(Conv2D(32, 3)).plan(2).explain()
    assert not used(engine(Conv2D(32, 3), winograd=False), 2)
    assert not used(engine(Conv2D(32, 3), dtype="bfloat16"), 2)
    others = Conv2D(31, 3), Conv2D(32, 5), Conv2D(32, 3, stride=2, rounding="floor"), Conv2D(32, 3, dilation=2)
    for layer in (*others, Conv2D(32, 3, groups=2), Conv2D(32, (3, 1))):
        assert not used(engine(layer), 2)
    with pytest.raises(DTypeError, match="winograd must be"):
        engine(Conv2D(32, 3), winograd=1)


def test_its_error_is_near_that_of_the_direct_sums() -> None:
    """Measured against extended precision: at most four times the direct kernels' (docs/engines.md)."""
    layers = [LeakyReLU(1), Conv2D(64, 3, padding=1), Flatten()]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 96, 8, 8)).astype(np.float32)
    exact = Network(layers, SquaredError(), (96, 8, 8), seed=1, dtype="float64")
    errors = []
    for way in (False, True):
        network = Network(layers, SquaredError(), (96, 8, 8), seed=1)
        engine = NativeEngine(network, SGD(), winograd=way)
        exact.params.flat[:] = network.params.flat
        expected = exact.scores(x)
        errors.append(float(np.sqrt(np.mean((engine.predict(x) - expected) ** 2) / np.mean(expected**2))))
    assert errors[1] < 4 * errors[0] < 4e-6
