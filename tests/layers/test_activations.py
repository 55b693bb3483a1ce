"""Activations: values against independent formulas, numeric extremes, and the edges of their fields."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.errors import ConfigError, ShapeError
from chainrule.layers import (
    ELU,
    GELU,
    SELU,
    Flatten,
    LeakyReLU,
    PReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Squeeze,
    Tanh,
)

LAMBDA_ALPHA = 1.7580993408473768599402175208123


def gelu_tanh(v):
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


FORMULAS = [
    (LeakyReLU(), lambda v: v if v > 0 else 0.01 * v),
    (LeakyReLU(0), lambda v: max(v, 0.0)),
    (LeakyReLU(1), lambda v: v),
    (ELU(), lambda v: v if v > 0 else math.expm1(v)),
    (ELU(0.3), lambda v: v if v > 0 else 0.3 * math.expm1(v)),
    (ELU(0), lambda v: max(v, 0.0)),
    (SELU(), lambda v: 1.0507009873554805 * v if v > 0 else LAMBDA_ALPHA * math.expm1(v)),
    (GELU(), lambda v: 0.5 * v * math.erfc(-v / math.sqrt(2))),
    (GELU("tanh"), gelu_tanh),
    (SiLU(), lambda v: v / (1 + math.exp(-v))),
    (Softplus(), lambda v: max(v, 0) + math.log1p(math.exp(-abs(v)))),
    (Softplus(3.0), lambda v: max(v, 0) + math.log1p(math.exp(-3 * abs(v))) / 3),
    (Sigmoid(), lambda v: 1 / (1 + math.exp(-v))),
    (Tanh(), math.tanh),
]


@pytest.mark.parametrize(("layer", "formula"), FORMULAS, ids=lambda v: repr(v) if hasattr(v, "axes") else "")
def test_values(layer, formula):
    x = np.linspace(-30, 30, 1201)
    expected = [formula(float(v)) for v in x]
    assert np.allclose(layer.forward(x)[0], expected, rtol=1e-14, atol=1e-15)
    single = layer.forward(x.astype(np.float32))[0]
    assert single.dtype == np.float32
    assert np.allclose(single, expected, rtol=2e-6, atol=5e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("layer", [layer for layer, _ in FORMULAS] + [Softmax()], ids=repr)
def test_extremes_stay_finite_in_both_passes(layer, dtype):
    x = np.array(
        [[-1e4, -800, -745.2, -709.9, -104, -88.8, -1e-30, 0, 1e-30, 88.8, 104, 709.9, 745.2, 800, 1e4]], dtype
    )
    y, cache = layer.forward(x)
    dx = layer.backward(np.random.default_rng(0).normal(size=x.shape).astype(dtype), cache)["x"]
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    assert y.dtype == dx.dtype == dtype


def test_tails_keep_relative_accuracy():
    x = np.array([-8.0, -6.0, -4.0], np.float32)
    assert np.allclose(GELU().forward(x)[0], [0.5 * v * math.erfc(-v / 2**0.5) for v in x.tolist()], rtol=2e-5, atol=0)
    assert np.allclose(GELU("tanh").forward(x[2:])[0], [gelu_tanh(-4.0)], rtol=2e-5, atol=0)
    x = np.array([-60.0, -20.0], np.float32)
    assert np.allclose(Softplus().forward(x)[0], np.exp(x.astype(float)), rtol=1e-5, atol=0)
    assert np.allclose(Sigmoid().forward(x)[0], np.exp(x.astype(float)), rtol=1e-5, atol=0)
    x = np.array([-1e-6], np.float32)
    assert np.allclose(ELU().forward(x)[0], -1e-6, rtol=1e-5, atol=0)


def test_selu_keeps_mean_zero_and_variance_one():
    z, w = np.polynomial.hermite_e.hermegauss(180)
    y = SELU().forward(z)[0]
    assert abs((w * y).sum() / w.sum()) < 2e-3  # the kink at 0 limits the quadrature
    assert abs((w * y * y).sum() / w.sum() - 1) < 2e-3


def test_softmax_rows_sum_to_one_and_do_not_change_with_a_shift():
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    y = Softmax().forward(x)[0]
    assert np.allclose(y.sum(axis=-1), 1, rtol=1e-15)
    assert np.allclose(y, np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), rtol=1e-14)
    assert np.allclose(Softmax().forward(x + 1e4)[0], y, rtol=1e-10)


def test_prelu_has_one_slope_a_channel_and_takes_negative_ones():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    alpha = np.array([0.25, -0.5, 2.0])
    y, cache = PReLU().forward(x, {"alpha": alpha})
    assert np.allclose(y, np.where(x > 0, x, alpha[:, None, None] * x), rtol=1e-15)
    dout = np.random.default_rng(1).normal(size=x.shape)
    grads = PReLU().backward(dout, cache)
    assert np.allclose(grads["x"], np.where(x > 0, dout, alpha[:, None, None] * dout), rtol=1e-15)
    assert np.allclose(grads["alpha"], (dout * x * (x <= 0)).sum(axis=(0, 2, 3)), rtol=1e-12)
    start = PReLU().init_params((2, 3), lambda i: np.random.default_rng(i))
    assert start["alpha"].tolist() == [0.25] * 3
    assert not PReLU().params["alpha"].decay


def test_kinks_are_declared_where_the_derivative_jumps():
    assert [ELU(1.0).has_kinks, ELU(0.5).has_kinks] == [False, True]
    assert all(layer.has_kinks for layer in (LeakyReLU(), PReLU(), SELU()))
    assert not any(layer.has_kinks for layer in (GELU(), SiLU(), Softplus(), Sigmoid(), Tanh()))


def test_flatten_keeps_c_order_and_squeeze_drops_the_column():
    x = np.arange(24.0).reshape(2, 3, 4)[:, ::-1]
    y, cache = Flatten().forward(x)
    assert (y == x.reshape(2, 12)).all()
    assert (Flatten().backward(y, cache)["x"] == x).all()
    assert Flatten().output_shape((5, 3, 2, 2)) == (5, 12)
    with pytest.raises(ShapeError, match=r"Squeeze: x has axes \(N, 1\), got shape \(4, 2\)"):
        Squeeze().forward(np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeakyReLU(1.5), "slope must be a number >= 0 and <= 1"),
        (lambda: LeakyReLU(-0.1), "slope must be"),
        (lambda: ELU(-1), "alpha must be a number >= 0"),
        (lambda: Softplus(0), "beta must be a number > 0"),
        (lambda: GELU("erf"), "approximate must be 'none' or 'tanh', got 'erf'"),
    ],
)
def test_fields_are_checked(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
