"""Masks: against SciPy's convolution, on signals and images whose derivatives are known."""

import numpy as np
import pytest
from scipy.signal import convolve as by_scipy

from chainrule.analysis.masks import DERIVATIVE, MASKS, PREWITT, SOBEL, convolve, gradient_images
from chainrule.errors import DTypeError, ShapeError


def test_the_central_difference():
    signal = np.random.default_rng(0).normal(size=30)
    assert (convolve(signal, DERIVATIVE) == (signal[2:] - signal[:-2]) / 2).all()
    t = np.arange(10.0)
    assert convolve(3 * t**2, DERIVATIVE).tolist() == (6 * t[1:-1]).tolist()


@pytest.mark.parametrize("name", MASKS)
def test_scipy_agrees(name):
    image = np.random.default_rng(1).normal(size=(7, 9))
    assert np.allclose(convolve(image, MASKS[name]), by_scipy(image, MASKS[name], mode="valid"), atol=1e-14)
    odd = np.random.default_rng(2).normal(size=(3, 5))
    assert np.allclose(convolve(image, odd), by_scipy(image, odd, mode="valid"), atol=1e-14)
    assert convolve(np.arange(12).reshape(3, 4), [[1]]).tolist() == np.arange(12.0).reshape(3, 4).tolist()


def test_prewitt_and_sobel_are_as_printed():
    assert PREWITT.tolist() == [[1, 0, -1]] * 3
    assert SOBEL.tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def test_directions_of_the_gradient():
    rows, columns = np.mgrid[0:6, 0:8]
    across, up, magnitude = gradient_images(5.0 * columns - 3.0 * rows, PREWITT)
    assert np.allclose(across, 6 * 5)
    assert np.allclose(up, 6 * 3)  # rows are counted downwards
    assert np.allclose(magnitude, 6 * np.hypot(5, 3))


@pytest.mark.parametrize(
    ("image", "mask", "error", "message"),
    [
        (np.ones((4, 4)), np.ones((2, 3)), ShapeError, "odd lengths"),
        (np.ones((2, 4)), np.ones((3, 3)), ShapeError, "fit into the image"),
        (np.ones(5), np.ones((1, 3)), ShapeError, "odd lengths"),
        (np.ones((1, 4, 4)), np.ones((3, 3)), DTypeError, "one or two axes"),
        ("image", np.ones(3), DTypeError, "image must be an array of numbers"),
    ],
)
def test_bad_input(image, mask, error, message):
    with pytest.raises(error, match=message):
        convolve(image, mask)
