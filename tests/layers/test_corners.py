"""Corners of single layers that no generated shape or option reaches; a planted fault survived at each of them."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.check import check_layer
from chainrule.layers import ELU, LAYERS, Conv2D, ConvTranspose2D, Dropout, MaxPool2D, PadChannels, SpatialDropout

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_every_axis_has_a_length(kind):
    for layer, shape in kind.examples():
        sizes = layer.bind(tuple(shape))
        lengths = [n for axis, size in sizes.items() for n in (size if axis == "..." else (size,))]
        assert all(isinstance(n, int) and n >= 1 for n in lengths), sizes


def test_channels_are_padded_with_zeros():
    x = RNG.normal(size=(2, 3, 4, 5))
    y, cache = PadChannels(1, 2).forward(x, {})
    assert y.shape == (2, 6, 4, 5)
    assert not y[:, 0].any()
    assert not y[:, 4:].any()
    assert (y[:, 1:4] == x).all()
    dout = RNG.normal(size=y.shape)
    assert (PadChannels(1, 2).backward(dout, cache)["x"] == dout[:, 1:4]).all()


@pytest.mark.parametrize("taps", [255, 256, 257, 300])
@pytest.mark.parametrize("largest", [0, 100, -1])
def test_the_winner_of_a_wide_window_is_remembered(taps, largest):
    """The number of the winning tap must fit the dtype that it is kept in."""
    layer, x = MaxPool2D((1, taps)), np.zeros((1, 1, 1, taps))
    x[..., largest] = 1.0
    y, cache = layer.forward(x, {})
    assert y.item() == 1.0
    dx = layer.backward(np.full((1, 1, 1, 1), 2.5), cache)["x"]
    assert (dx == 2.5 * x).all()


@pytest.mark.parametrize("stride", [(1, 2), (2, 1), (3, 2)])
def test_same_padding_of_a_transposed_convolution_multiplies_each_side_by_its_stride(stride):
    layer = ConvTranspose2D(2, 3, stride=stride, padding="same")
    shape = layer.output_shape((1, 3, 4, 5))
    assert shape == (1, 2, 4 * stride[0], 5 * stride[1])
    # The transposed layer is the convolution of these windows read backwards.
    assert Conv2D(3, 3, stride=stride, padding="same").output_shape(shape) == (1, 3, 4, 5)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_elu_of_other_slopes(alpha):
    try:
        layer = ELU(alpha)
    except ValueError:
        pytest.skip("alpha must be positive")
    assert all(report.ok for report in check_layer(layer, (4, 5)))


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout])
def test_a_rate_of_zero_needs_no_key(kind):
    x = RNG.normal(size=(2, 3, 4))
    y, cache = kind(0).forward(x, {}, train=True)
    assert (y == x).all()
    assert (kind(0).backward(x, cache)["x"] == x).all()
