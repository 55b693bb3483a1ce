"""bfloat16: what is rounded and what is not, and the native engine against the reference.

Where a number lies near the middle between two bfloat16, the engines' roundings of the layer before may fall to
different sides, which moves that number by 2⁻⁸ of itself; so single products are compared closely, whole networks by
norms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.arrays import round_to_bfloat16
from chainrule.engines import NativeEngine, ReferenceEngine
from chainrule.engines.native import is_available
from chainrule.layers import (
    LAYERS,
    Affine,
    BatchNorm,
    Branches,
    Conv2D,
    ConvTranspose2D,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
)
from chainrule.layers.layer import Layer
from chainrule.layers.rounded_products import RoundedProducts, with_rounded_products
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import SGD, Adam

native = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")


def relative(expected: Any, got: Any) -> float:
    return float(np.linalg.norm(np.asarray(got) - expected) / max(np.linalg.norm(expected), 1e-12))


# -- rounding ----------------------------------------------------------------------------------------------------------


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_nearest(value: float) -> None:
    x = np.float32(value)
    got = round_to_bfloat16(np.array([x]))[0]
    near = np.array([x]).view(np.uint32) & np.uint32(0xFFFF0000)
    candidates = [near.view(np.float32)[0], (near + np.uint32(0x10000)).view(np.float32)[0]]
    assert got in candidates
    finite = [c for c in candidates if np.isfinite(c)]
    if np.isfinite(got):
        assert abs(float(got) - float(x)) == min(abs(float(c) - float(x)) for c in finite)


def test_ties_go_to_even_and_specials_stay() -> None:
    x = np.array([1 + 2**-8, 1 + 3 * 2**-8, np.inf, -np.inf, np.nan, -0.0, 3.4e38], np.float32)
    got = round_to_bfloat16(x)
    np.testing.assert_array_equal(got, np.array([1, 1 + 2**-6, np.inf, -np.inf, np.nan, 0, np.inf], np.float32))
    assert np.signbit(got[5])
    noncontiguous = np.arange(12, dtype=np.float64).reshape(3, 4)[:, ::2] + 1 / 3
    assert round_to_bfloat16(noncontiguous).dtype == np.float64


def test_against_another_implementation() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32) * 10.0 ** np.arange(-30, 20, 0.05, np.float32)
    np.testing.assert_array_equal(round_to_bfloat16(x), x.astype(ml_dtypes.bfloat16).astype(np.float32))


# -- what is rounded ---------------------------------------------------------------------------------------------------


def test_operands_are_rounded_and_bias_and_its_gradient_are_not() -> None:
    rng = np.random.default_rng(1)
    x, dout = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    params = {"W": rng.standard_normal((5, 3)), "b": rng.standard_normal(3)}
    layer = RoundedProducts(Affine(3))
    y, cache = layer.forward(x, params)
    r = round_to_bfloat16
    np.testing.assert_allclose(y, r(x) @ r(params["W"]) + params["b"], rtol=1e-14)
    grads = layer.backward(dout, cache)
    np.testing.assert_allclose(grads["x"], r(dout) @ r(params["W"]).T, rtol=1e-14)
    np.testing.assert_allclose(grads["W"], r(x).T @ r(dout), rtol=1e-14)
    np.testing.assert_allclose(grads["b"], dout.sum(0), rtol=1e-14)


def test_every_layer_with_factors_is_found_inside_others() -> None:
    inner = Residual((Conv2D(2, 3, padding=1), Branches(((Conv2D(1, 1),), (Conv2D(1, 1),)))))
    declared = Sequential((inner, Flatten(), Affine(3)))
    assert repr(with_rounded_products(declared)).count("RoundedProducts(") == 4
    assert with_rounded_products(ReLU()) == ReLU()


def test_declaration_round_trip_and_names() -> None:
    layers: list[Layer] = [Conv2D(3, 3, padding=1), BatchNorm(), ReLU(), Flatten(), Affine(2)]
    network = Network(layers, input_shape=(2, 4, 4), dtype="bfloat16", seed=3)
    plain = Network(layers, input_shape=(2, 4, 4), seed=3)
    assert (network.dtype, network.dtype_name) == (np.float32, "bfloat16")
    assert list(network.params) == list(plain.params)
    np.testing.assert_array_equal(network.params.flat, plain.params.flat)
    again = Network.from_config(network.config())
    assert again.mixed
    assert again.config() == network.config()
    assert network.layers == plain.layers
    x = np.random.default_rng(0).standard_normal((2, 2, 4, 4)).astype(np.float32)
    assert 1e-6 < relative(plain.scores(x), network.scores(x)) < 2e-2


# -- the native engine -------------------------------------------------------------------------------------------------

PRODUCTS = [
    pytest.param(layer, shape, id=f"{layer.name}-{i}")
    for cls in LAYERS
    for i, (layer, shape) in enumerate(cls.examples())
    if layer.factors
]


@native
@pytest.mark.parametrize(("layer", "x_shape"), PRODUCTS)
def test_every_product(layer: Layer, x_shape: tuple[int, ...], instruction_set: str) -> None:
    layers = [layer] if len(layer.output_shape(x_shape)) == 2 else [layer, Flatten()]
    networks = [Network(layers, SquaredError(), x_shape[1:], seed=3, dtype="bfloat16") for _ in range(2)]
    ours, got = (
        ReferenceEngine(networks[0], SGD(0.01)),
        NativeEngine(networks[1], SGD(0.01), instruction_set=instruction_set),
    )
    rng = np.random.default_rng(2)
    for n in (x_shape[0], 1, 7):
        x = rng.standard_normal((n, *x_shape[1:])).astype(np.float32)
        y = ours.predict(x) + rng.standard_normal((n, *ours.network.output_shape)).astype(np.float32)
        assert relative(ours.predict(x), got.predict(x)) < 1e-6
        # dout is a difference of scores: a last bit of these may turn a rounding of dout
        (_, expected), (_, gradients) = ours.loss_and_gradients(x, y), got.loss_and_gradients(x, y)
        for name in expected:
            assert relative(expected[name], gradients[name]) < 1e-3, name


NETWORKS: dict[str, tuple[list[Layer], Any]] = {
    "mlp": ([Affine(33), ReLU(), Affine(17), ReLU(), Affine(5)], 71),
    "convolutions": (
        [
            *(Conv2D(5, 3, padding=1), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.3)),
            *(Conv2D(19, 3, padding=1), ReLU(), Conv2D(50, (2, 3), stride=(2, 1), padding=1, rounding="floor"), ReLU()),
            *(Residual((Conv2D(50, 3, padding=1), BatchNorm(), ReLU())), Flatten(), Affine(7)),
        ],
        (3, 8, 10),
    ),
    "depthwise and transposed": (
        [
            *(Conv2D(9, 3, padding=1), ReLU(), Conv2D(9, 3, stride=2, padding=1, groups=9, rounding="floor"), ReLU()),
            *(ConvTranspose2D(6, 3, stride=2, groups=3), ReLU(), Flatten(), Affine(3)),
        ],
        (3, 7, 6),
    ),
    "groups": ([Conv2D(6, 3, padding=1, groups=3), ReLU(), Conv2D(9, 3, groups=3), Flatten(), Affine(3)], (3, 7, 6)),
}


@native
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, instruction_set: str) -> None:
    layers, shape = NETWORKS[name]
    networks = [Network(layers, input_shape=shape, seed=3, dtype="bfloat16") for _ in range(3)]
    ours = ReferenceEngine(networks[0], Adam(1e-3))
    got, many = (
        NativeEngine(net, Adam(1e-3), threads=t, instruction_set=instruction_set)
        for net, t in zip(networks[1:], (1, 3), strict=True)
    )
    rng = np.random.default_rng(4)
    for _ in range(3):
        x = rng.standard_normal((9, *networks[0].input_shape)).astype(np.float32)
        y = rng.integers(0, networks[0].output_shape[0], 9)
        (loss, expected), (got_loss, gradients) = ours.loss_and_gradients(x, y), got.loss_and_gradients(x, y)
        assert got_loss == pytest.approx(loss, rel=1e-3)
        assert relative(expected.flat, gradients.flat) < 2e-2
        losses = [e.step(x, y) for e in (ours, got, many)]
        assert losses[1] == losses[2]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    np.testing.assert_array_equal(networks[1].params.flat, networks[2].params.flat)
    assert relative(ours.predict(x), got.predict(x)) < 2e-2
    for row in range(9):  # the same scores in any batch
        np.testing.assert_array_equal(got.predict(x)[row], got.predict(x[row : row + 1])[0])
