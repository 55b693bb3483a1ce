"""Dropout: what a gradient check cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import ConfigError, DTypeError
from chainrule.layers import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_rate_is_the_fraction_dropped_and_the_rest_is_scaled(rate):
    x = np.random.default_rng(0).normal(size=(200, 500))
    y, cache = Dropout(rate).forward(x, train=True, key=3)
    dropped = y == 0
    assert abs(dropped.mean() - rate) < 5 * (rate * (1 - rate) / x.size) ** 0.5
    assert np.allclose(y[~dropped], x[~dropped] / (1 - rate), rtol=1e-14)
    dout = np.random.default_rng(1).normal(size=x.shape)
    dx = Dropout(rate).backward(dout, cache)["x"]
    assert ((dx == 0) == dropped).all()  # the same elements in both passes
    assert np.allclose(dx[~dropped], dout[~dropped] / (1 - rate), rtol=1e-14)


def test_test_mode_and_rate_zero_change_nothing():
    x = np.random.default_rng(0).normal(size=(3, 4))
    dout = np.random.default_rng(1).normal(size=(3, 4))
    for layer, train in ((Dropout(0.5), False), (Dropout(0), True), (Dropout(0.0), False)):
        y, cache = layer.forward(x, train=train)
        assert (y == x).all()
        assert (layer.backward(dout, cache)["x"] == dout).all()


def test_mask_depends_on_the_key_alone():
    x = np.random.default_rng(0).normal(size=(50, 50))
    y, _ = Dropout(0.5).forward(x, train=True, key=7)
    assert (Dropout(0.5).forward(x, train=True, key=7)[0] == y).all()
    mask = Dropout(0.5).forward(x.astype(np.float32), train=True, key=7)[0] != 0
    assert (mask == (y != 0)).all()
    other = Dropout(0.5).forward(x, train=True, key=8)[0] != 0
    assert 0.4 < (other != mask).mean() < 0.6


def test_training_without_a_key_says_what_to_do():
    assert Dropout.uses_key
    with pytest.raises(ConfigError, match=r"needs an integer key, got None.*derive_key"):
        Dropout(0.5).forward(np.zeros((2, 2)), train=True)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_rate_outside_its_interval(rate):
    with pytest.raises(ConfigError, match="rate must be a number >= 0 and < 1"):
        Dropout(rate)


def test_rate_of_another_kind():
    with pytest.raises(DTypeError, match="rate must be a number"):
        Dropout("0.5")
