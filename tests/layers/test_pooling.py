"""MaxPool2D, AveragePool2D, GlobalAveragePool and Pad against the naive loops, PyTorch, ties, padding, messages."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.check import naive
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.layers import AveragePool2D, GlobalAveragePool, MaxPool2D, Pad

DRAWS = 40


def drawn(kind, seed):
    """A pooling layer with four-sided padding, float64 x and dout."""
    rng = np.random.default_rng([seed, 7])
    size = tuple(int(v) for v in rng.integers(1, 5, 2))
    stride = None if rng.random() < 0.2 else tuple(int(v) for v in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, size[side // 2])) for side in range(4))
    options = {"count_include_pad": bool(rng.integers(2))} if kind is AveragePool2D else {}
    layer = kind(size, stride, padding, rounding=str(rng.choice(["floor", "ceil"])), **options)
    shape = (*(int(v) for v in rng.integers(1, 4, 2)), *(s + int(rng.integers(0, 6)) for s in size))
    return layer, rng.normal(size=shape), rng.normal(size=layer.output_shape(shape))


def naive_options(layer):
    return layer.size, layer.size if layer.stride is None else layer.stride, layer.padding


def assert_close(got, expected, tolerance=1e-12):
    assert got.shape == expected.shape
    assert np.max(np.abs(got - expected), initial=0.0) <= tolerance * max(np.max(np.abs(expected), initial=0.0), 1.0)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_max_pooling_is_the_naive_one(seed):
    layer, x, dout = drawn(MaxPool2D, seed)
    if seed % 2:
        x = np.round(x)  # many ties, and all that decides them is the order
    y, cache = layer.forward(x)
    expected, winners = naive.max_pooling(x, *naive_options(layer), ceil=layer.rounding == "ceil")
    np.testing.assert_array_equal(y, expected)
    assert_close(layer.backward(dout, cache)["x"], naive.max_pooling_backward(dout, x, winners))


@pytest.mark.parametrize("seed", range(DRAWS))
def test_average_pooling_is_the_naive_one(seed):
    layer, x, dout = drawn(AveragePool2D, seed)
    options = {"count_include_pad": layer.count_include_pad}
    y, cache = layer.forward(x)
    assert_close(y, naive.average_pooling(x, *naive_options(layer), ceil=layer.rounding == "ceil", **options))
    expected = naive.average_pooling_backward(dout, x, *naive_options(layer), **options)
    assert_close(layer.backward(dout, cache)["x"], expected)


def drawn_for_pytorch(kind, seed):
    """As `drawn`, with padding that PyTorch takes: the same on both sides, at most half the size."""
    rng = np.random.default_rng([seed, 8])
    size = tuple(int(v) for v in rng.integers(1, 6, 2))
    stride = tuple(int(v) for v in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, s // 2 + 1)) for s in size)
    options = {"count_include_pad": bool(rng.integers(2))} if kind is AveragePool2D else {}
    layer = kind(size, stride, padding, rounding=str(rng.choice(["floor", "ceil"])), **options)
    shape = (*(int(v) for v in rng.integers(1, 4, 2)), *(s + int(rng.integers(0, 7)) for s in size))
    return layer, rng.normal(size=shape), rng.normal(size=layer.output_shape(shape))


@pytest.mark.parametrize("seed", range(DRAWS))
@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_pooling_is_that_of_pytorch(kind, seed):
    import torch
    from torch.nn import functional

    layer, x, dout = drawn_for_pytorch(kind, seed)
    x, dout = x.astype(np.float32), dout.astype(np.float32)
    tensor = torch.tensor(x, requires_grad=True)
    options = {"padding": layer.padding, "ceil_mode": layer.rounding == "ceil"}
    if kind is MaxPool2D:
        expected = functional.max_pool2d(tensor, layer.size, layer.stride, **options)
    else:
        options["count_include_pad"] = layer.count_include_pad
        expected = functional.avg_pool2d(tensor, layer.size, layer.stride, **options)
    expected.backward(torch.tensor(dout))
    y, cache = layer.forward(x)
    dx = layer.backward(dout, cache)["x"]
    assert y.dtype == dx.dtype == np.float32
    assert_close(y, expected.detach().numpy(), 1e-5)
    assert_close(dx, tensor.grad.numpy(), 1e-5)


def test_draws_meet_the_hard_cases():
    layers = [drawn(MaxPool2D, seed)[0] for seed in range(DRAWS)]
    assert any(layer.stride is not None and layer.stride < layer.size for layer in layers)
    assert any(layer.stride is None for layer in layers)
    assert any(len(set(layer.padding)) > 2 for layer in layers)
    assert {"floor", "ceil"} == {layer.rounding for layer in layers}


def test_the_first_of_equal_entries_wins():
    layer = MaxPool2D(2)
    y, cache = layer.forward(np.full((1, 1, 2, 4), 3.0))
    assert y.tolist() == [[[[3.0, 3.0]]]]
    dx = layer.backward(np.array([[[[5.0, 7.0]]]]), cache)["x"]
    assert dx.tolist() == [[[[5.0, 0.0, 7.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("value", [-1e30, -np.inf, 0.0])
def test_padding_never_wins(value):
    layer = MaxPool2D(3, stride=2, padding=1)
    x = np.full((2, 1, 3, 3), value)
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y, np.full((2, 1, 2, 2), value))
    dout = np.arange(1.0, 9.0).reshape(2, 1, 2, 2)
    assert layer.backward(dout, cache)["x"].sum() == dout.sum()  # nothing is lost in the padding


def test_a_pixel_collects_from_every_window_that_it_won():
    layer = MaxPool2D(3, stride=1)
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 1, 2] = 1.0
    _, cache = layer.forward(x)
    dx = layer.backward(np.array([[[[1.0, 2.0], [4.0, 8.0]]]]), cache)["x"]
    assert dx[0, 0, 1, 2] == 15.0
    assert dx.sum() == 15.0


def test_more_taps_than_a_byte_counts():
    layer = MaxPool2D(17)
    x = np.zeros((1, 1, 17, 17))
    x[0, 0, 16, 15] = 2.0
    y, cache = layer.forward(x)
    assert y.item() == 2.0
    assert layer.backward(np.array([[[[3.0]]]]), cache)["x"][0, 0, 16, 15] == 3.0


@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_windows_that_do_not_fit_say_why(kind):
    with pytest.raises(ShapeError) as refusal:
        kind(3, stride=2).output_shape((1, 1, 11, 10))
    assert str(refusal.value) == (
        f"{kind.__name__}: stride does not fit: 1 + (W − F + 2P)/S = 1 + (10 − 3 + 0)/2 = 4.5 is not whole"
    )
    with pytest.raises(ShapeError, match=r"F = 5 is larger than H \+ 2P = 4 \+ 0"):
        kind(5, stride=1).output_shape((1, 1, 4, 9))
    assert kind(3, stride=2, rounding="floor").output_shape((1, 1, 10, 10)) == (1, 1, 4, 4)
    assert kind(3, stride=2, rounding="ceil").output_shape((1, 1, 10, 10)) == (1, 1, 5, 5)


@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 0}, ConfigError, "size"),
        ({"size": 2.0}, DTypeError, "size"),
        ({"size": (1, 2, 3)}, ConfigError, "size"),
        ({"stride": 0}, ConfigError, "stride"),
        ({"padding": 2}, ConfigError, "padding must be less than size"),
        ({"padding": (0, 0, 0, 2)}, ConfigError, "padding must be less than size"),
        ({"padding": "none"}, ConfigError, "padding"),
        ({"rounding": "up"}, ConfigError, "rounding"),
    ],
)
def test_bad_options_are_refused(kind, options, error, message):
    with pytest.raises(error, match=f"{kind.__name__}: {message}"):
        kind(**{"size": 2, **options})


def test_counting_padding_must_be_a_decision():
    with pytest.raises(DTypeError, match="count_include_pad"):
        AveragePool2D(2, count_include_pad=1)


def test_lists_are_tuples():
    assert MaxPool2D([2, 3], stride=[1, 2], padding=[1, 0]) == MaxPool2D((2, 3), (1, 2), (1, 0))


def test_counts():
    assert MaxPool2D(2).cost((1, 3, 4, 4)) == (0, 12 * 3)
    assert AveragePool2D(2).cost((1, 3, 4, 4)) == (0, 12 * 4)
    assert GlobalAveragePool().cost((1, 3, 4, 4)) == (0, 48)


def test_global_average():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    y, cache = GlobalAveragePool().forward(x)
    assert_close(y, x.mean(axis=(2, 3)))
    dout = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    dx = GlobalAveragePool().backward(dout, cache)["x"]
    assert_close(dx, np.repeat(dout / 20, 20).reshape(x.shape))


def test_pad():
    x = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    y, cache = Pad((1, 0, 0, 2)).forward(x)
    assert y.tolist() == [[[[0, 0, 0, 0, 0], [1, 2, 3, 0, 0], [4, 5, 6, 0, 0]]]]
    dout = np.random.default_rng(0).normal(size=y.shape)
    np.testing.assert_array_equal(Pad((1, 0, 0, 2)).backward(dout, cache)["x"], dout[:, :, 1:, :3])
    assert Pad((1, 0, 0, 2)).output_shape(x.shape) == y.shape
    assert Pad((2, 1)).output_shape((1, 1, 2, 3)) == (1, 1, 6, 5)


@pytest.mark.parametrize(
    ("padding", "error"), [(-1, ConfigError), ("same", ConfigError), ((1,), ConfigError), (0.5, DTypeError)]
)
def test_bad_padding_is_refused(padding, error):
    with pytest.raises(error, match="Pad: padding"):
        Pad(padding)
