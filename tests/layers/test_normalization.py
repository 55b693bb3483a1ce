"""Batch, layer and root-mean-square normalisation: statistics, buffers and degenerate batches."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.errors import ConfigError
from chainrule.layers import BatchNorm, LayerNorm, RMSNorm


def fresh(layer, shape, seed=0):
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(size=s) for name, s in layer.param_shapes(shape).items()}
    return params | {name: rng.uniform(0.5, 2.0, s) for name, s in layer.buffer_shapes(shape).items()}


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_batch_norm_in_training_uses_the_biased_statistics_of_the_batch(shape):
    layer = BatchNorm(eps=1e-3)
    x, params = np.random.default_rng(1).normal(3, 2, shape), fresh(layer, shape)
    y, _ = layer.forward(x, params, train=True)
    for c in range(3):
        v = x[:, c]
        expected = (v - v.mean()) / np.sqrt(v.var(ddof=0) + 1e-3) * params["gamma"][c] + params["beta"][c]
        assert np.allclose(y[:, c], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_batch_norm_running_statistics(shape):
    layer = BatchNorm(momentum=0.8)
    x, params = np.random.default_rng(1).normal(3, 2, shape), fresh(layer, shape)
    before = {name: v.copy() for name, v in params.items()}
    _, cache = layer.forward(x, params, train=True)
    new = layer.update_buffers(params, cache)
    axes = (0, 2, 3)[: len(shape) - 1]
    assert set(new) == {"running_mean", "running_var"}
    assert np.allclose(new["running_mean"], 0.8 * before["running_mean"] + 0.2 * x.mean(axis=axes), rtol=1e-13)
    assert np.allclose(new["running_var"], 0.8 * before["running_var"] + 0.2 * x.var(axis=axes), rtol=1e-13)
    assert all((params[name] == before[name]).all() for name in params)


def test_batch_norm_at_test_time_uses_the_running_statistics_row_by_row():
    layer, shape = BatchNorm(), (5, 3)
    x, params = np.random.default_rng(1).normal(size=shape), fresh(layer, shape)
    y, _ = layer.forward(x, params)
    expected = (x - params["running_mean"]) / np.sqrt(params["running_var"] + 1e-5) * params["gamma"] + params["beta"]
    assert np.allclose(y, expected, rtol=1e-12)
    assert np.allclose(layer.forward(x[:1], params)[0], y[:1], rtol=1e-14)


def test_batch_norm_running_statistics_approach_those_of_the_data():
    layer, rng = BatchNorm(momentum=0.9), np.random.default_rng(0)
    params = {"gamma": np.ones(2), "beta": np.zeros(2), "running_mean": np.zeros(2), "running_var": np.ones(2)}
    for _ in range(200):
        _, cache = layer.forward(rng.normal([3, -1], [2, 0.5], (256, 2)), params, train=True)
        params |= layer.update_buffers(params, cache)
    assert np.allclose(params["running_mean"], [3, -1], atol=0.2)
    assert np.allclose(params["running_var"], [4, 0.25], rtol=0.15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 1, 1), (4, 2)])
def test_constant_channels_give_beta_and_no_gradient(shape, dtype):
    layer = BatchNorm()
    params = {name: v.astype(dtype) for name, v in fresh(layer, shape).items()}
    x = np.full(shape, 1e4, dtype)
    y, cache = layer.forward(x, params, train=True)
    assert (y == np.broadcast_to(params["beta"].reshape((2,) + (1,) * (len(shape) - 2)), shape)).all()
    dout = np.random.default_rng(0).normal(size=shape).astype(dtype)
    grads = layer.backward(dout, cache)
    scale = 1 / np.sqrt(1e-5)
    assert np.abs(grads["x"]).max() < 10 * np.finfo(dtype).eps * scale if shape[0] == 1 else True
    assert (grads["gamma"] == 0).all()
    assert np.isfinite(layer.update_buffers(params, cache)["running_var"]).all()


@pytest.mark.parametrize("shape", [(3, 7), (2, 3, 5)])
def test_layer_norm_and_rms_norm_work_on_each_row(shape):
    x = np.random.default_rng(1).normal(2, 3, shape)
    layer = LayerNorm(eps=1e-2)
    params = fresh(layer, shape)
    normal = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-2)
    for train in (False, True):
        y, _ = layer.forward(x, params, train=train)
        assert np.allclose(y, normal * params["gamma"] + params["beta"], rtol=1e-12, atol=1e-12)
    rms = RMSNorm(eps=1e-2)
    expected = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-2) * params["gamma"]
    assert np.allclose(rms.forward(x, {"gamma": params["gamma"]})[0], expected, rtol=1e-12)


@pytest.mark.parametrize("layer", [BatchNorm, LayerNorm, RMSNorm])
def test_eps_must_be_positive(layer):
    with pytest.raises(ConfigError, match="eps must be a number > 0"):
        layer(eps=0)


def test_momentum_must_be_a_share():
    with pytest.raises(ConfigError, match="momentum must be a number >= 0 and <= 1"):
        BatchNorm(momentum=1.1)


def test_no_parameter_of_a_normalisation_is_decayed():
    assert not any(p.decay for cls in (BatchNorm, LayerNorm, RMSNorm) for p in cls().params.values())
