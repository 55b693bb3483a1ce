"""GroupNorm, InstanceNorm, LocalResponseNorm and SpatialDropout against PyTorch and their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.arrays import keep_mask
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.layers import GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, SpatialDropout

DRAWS = 30


def drawn_shape(rng, multiple=1):
    """An image batch, sequences or features, with enough numbers a group for float32 to hold their variance."""
    pixels = [(), (int(rng.integers(2, 7)),), tuple(int(v) for v in rng.integers(2, 6, 2))][int(rng.integers(3))]
    channels = multiple * int(rng.integers(1 if len(pixels) == 2 else 4, 6))
    return (int(rng.integers(1, 4)), channels, *pixels)


def assert_matches_torch(layer, shape, rng, function):
    import torch

    x, dout = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    params = {n: rng.normal(size=s).astype(np.float32) for n, s in layer.param_shapes(shape).items()}
    tensors = {n: torch.tensor(v, requires_grad=True) for n, v in {"x": x, **params}.items()}
    expected = function(tensors["x"], tensors.get("gamma"), tensors.get("beta"))
    expected.backward(torch.tensor(dout))
    y, cache = layer.forward(x, params, train=True)
    grads = layer.backward(dout, cache)
    assert sorted(grads) == sorted(tensors)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    for name, tensor in tensors.items():
        assert grads[name].dtype == np.float32
        scale = max(1.0, float(np.abs(tensor.grad.numpy()).max()))
        np.testing.assert_allclose(grads[name], tensor.grad.numpy(), rtol=1e-5, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_group_norm_is_that_of_pytorch(seed):
    from torch.nn import functional

    rng = np.random.default_rng([seed, 1])
    groups, eps = int(rng.integers(1, 4)), float(rng.choice([1e-5, 1e-2]))
    shape = drawn_shape(rng, groups)
    function = lambda x, gamma, beta: functional.group_norm(x, groups, gamma, beta, eps)  # noqa: E731
    assert_matches_torch(GroupNorm(groups, eps), shape, rng, function)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_instance_norm_is_that_of_pytorch(seed):
    from torch.nn import functional

    rng = np.random.default_rng([seed, 2])
    shape = drawn_shape(rng)
    shape = (*shape, 3) if len(shape) == 2 else shape
    function = lambda x, gamma, beta: functional.instance_norm(x, weight=gamma, bias=beta)  # noqa: E731
    assert_matches_torch(InstanceNorm(affine=bool(seed % 2)), shape, rng, function)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_local_response_norm_is_that_of_pytorch(seed):
    from torch.nn import functional

    rng = np.random.default_rng([seed, 3])
    shape = drawn_shape(rng)
    shape = (*shape, 3) if len(shape) == 2 else shape
    size = int(rng.integers(1, 8))
    alpha, beta, k = float(rng.uniform(0, 2)), float(rng.uniform(0.2, 1.5)), float(rng.uniform(0.5, 2))
    function = lambda x, gamma, none: functional.local_response_norm(x, size, alpha, beta, k)  # noqa: E731
    assert_matches_torch(LocalResponseNorm(size, alpha, beta, k), shape, rng, function)


def test_local_response_norm_of_the_paper():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 7, 3, 3))
    expected = np.empty_like(a)
    for i in range(7):  # Krizhevsky et al., section 3.3, with n = 5, k = 2, alpha = 1e-4, beta = 0.75
        near = a[:, max(0, i - 2) : min(6, i + 2) + 1]
        expected[:, i] = a[:, i] / (2 + 1e-4 * (near**2).sum(axis=1)) ** 0.75
    ours, _ = LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0).forward(a)
    np.testing.assert_allclose(ours, expected, rtol=1e-14)


def test_group_norm_has_the_others_as_its_ends():
    rng = np.random.default_rng(1)
    x, gamma, beta = rng.normal(size=(2, 6, 3, 4)), rng.normal(size=6), rng.normal(size=6)
    params = {"gamma": gamma, "beta": beta}
    np.testing.assert_allclose(GroupNorm(6).forward(x, params)[0], InstanceNorm().forward(x, params)[0], atol=1e-12)
    flat = {"gamma": np.ones(72), "beta": np.zeros(72)}
    plain = {"gamma": np.ones(6), "beta": np.zeros(6)}
    rows = LayerNorm().forward(x.reshape(2, 72), flat)[0].reshape(x.shape)
    np.testing.assert_allclose(GroupNorm(1).forward(x, plain)[0], rows, atol=1e-12)


def test_groups_have_mean_0_and_variance_1():
    x = np.random.default_rng(2).normal(3.0, 5.0, size=(2, 4, 5, 5))
    y, _ = GroupNorm(2, eps=1e-12).forward(x, {"gamma": np.ones(4), "beta": np.zeros(4)})
    groups = y.reshape(2, 2, -1)
    np.testing.assert_allclose(groups.mean(axis=2), 0, atol=1e-12)
    np.testing.assert_allclose(groups.var(axis=2), 1, atol=1e-9)


def test_shapes_that_cannot_be_normalised_are_refused():
    with pytest.raises(ShapeError, match="channels C of x must be a multiple of groups = 4, got 6"):
        GroupNorm(4).output_shape((2, 6, 3, 3))
    with pytest.raises(ShapeError, match="a group of x must hold at least 2 numbers"):
        GroupNorm(3).output_shape((2, 3))
    with pytest.raises(ShapeError, match="a channel of x must hold at least 2 numbers"):
        InstanceNorm().output_shape((2, 3, 1, 1))


@pytest.mark.parametrize(
    ("make", "error", "word"),
    [
        (lambda: GroupNorm(0), ConfigError, "groups"),
        (lambda: GroupNorm(1.0), DTypeError, "groups"),
        (lambda: GroupNorm(2, eps=0), ConfigError, "eps"),
        (lambda: InstanceNorm(eps=-1), ConfigError, "eps"),
        (lambda: InstanceNorm(affine=0), DTypeError, "affine"),
        (lambda: LocalResponseNorm(0), ConfigError, "size"),
        (lambda: LocalResponseNorm(5, alpha=-1.0), ConfigError, "alpha"),
        (lambda: LocalResponseNorm(5, k="2"), DTypeError, "k"),
        (lambda: SpatialDropout(1), ConfigError, "rate"),
        (lambda: SpatialDropout(None), DTypeError, "rate"),
    ],
)
def test_bad_options_are_refused(make, error, word):
    with pytest.raises(error, match=word):
        make()


def test_spatial_dropout_drops_whole_channels():
    x = np.random.default_rng(0).normal(size=(50, 40, 3, 5))
    layer = SpatialDropout(0.25)
    y, cache = layer.forward(x, train=True, key=11)
    kept = keep_mask(11, (50, 40), 0.25, x)
    np.testing.assert_allclose(y[kept], x[kept] / 0.75)
    np.testing.assert_array_equal(y[~kept], 0)
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / kept.size)
    dout = np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_allclose(layer.backward(dout, cache)["x"], dout * kept[:, :, None, None] / 0.75)
    assert layer.forward(x)[0] is x
    with pytest.raises(ConfigError, match="SpatialDropout: training draws a mask"):
        layer.forward(x, train=True)


def test_counts():
    assert GroupNorm(2).param_count((1, 4, 5, 5)) == 8
    assert InstanceNorm(affine=False).param_count((1, 4, 5, 5)) == 0
    assert SpatialDropout(0).cost((1, 2, 3, 3)) == (0, 0)
