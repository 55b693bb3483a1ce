"""Colour transforms against torchvision's on tensors."""

from __future__ import annotations

import re

import numpy as np
import pytest

from chainrule.data.augment import RGB, ColorJitter, Grayscale
from chainrule.data.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    to_grayscale,
    to_rgb,
)
from chainrule.errors import ConfigError, DTypeError, ShapeError

FACTORS = np.array([0.0, 0.4, 0.93, 1.0, 1.6, 3.1])
TURNS = np.array([-0.5, -0.21, 0.0, 0.06, 0.3, 0.5])
ADJUSTERS = [
    (adjust_brightness, "adjust_brightness", FACTORS),
    (adjust_contrast, "adjust_contrast", FACTORS),
    (adjust_saturation, "adjust_saturation", FACTORS),
    (adjust_hue, "adjust_hue", TURNS),
]


@pytest.mark.parametrize(("adjust", "name", "factors"), ADJUSTERS, ids=[name for _, name, _ in ADJUSTERS])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_adjusters_are_torchvisions(torchvision, photos, adjust, name, factors, dtype):
    import torch

    x = photos if dtype == np.uint8 else (photos / 255).astype(np.float32)
    before, got = x.copy(), adjust(x, factors)
    assert got.dtype == dtype
    for i in range(6):
        expected = getattr(torchvision, name)(torch.from_numpy(x[i]), float(factors[i])).numpy()
        difference = np.abs(got[i].astype(float) - expected)
        assert difference.max() <= (1 if dtype == np.uint8 else 2e-5)  # they may fuse a product and a sum
        assert (difference > 0.5).mean() < 0.05  # of bytes: sums next to a whole number are cut off either way
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(got, x)


@pytest.mark.parametrize(("adjust", "name", "factors"), ADJUSTERS, ids=[name for _, name, _ in ADJUSTERS])
def test_adjusters_work_image_by_image(photos, adjust, name, factors):
    whole = adjust(photos[::-1], factors)
    for i in range(6):
        np.testing.assert_array_equal(whole[i : i + 1], adjust(photos[::-1][i : i + 1], factors[i : i + 1]))


@pytest.mark.parametrize("adjust", [adjust_contrast, adjust_brightness])
def test_grey_images_have_no_colour_to_change(torchvision, photos, adjust):
    import torch

    grey = np.ascontiguousarray(photos[:, :1])
    for function in (adjust_saturation, adjust_hue):
        np.testing.assert_array_equal(function(grey, np.full(6, 0.3)), grey)
    expected = getattr(torchvision, adjust.__name__)(torch.from_numpy(grey), 1.3).numpy()
    assert np.abs(adjust(grey, np.full(6, 1.3)).astype(int) - expected).max() <= 1


def test_grey_and_rgb_are_torchvisions(torchvision, photos):
    import torch

    grey = to_grayscale(photos)
    expected = torchvision.rgb_to_grayscale(torch.from_numpy(photos)).numpy()
    assert grey.shape == (6, 1, 20, 28)
    assert np.abs(grey.astype(int) - expected).max() <= 1
    assert (grey != expected).mean() < 0.01
    np.testing.assert_array_equal(to_rgb(grey), torchvision.grayscale_to_rgb(torch.from_numpy(grey)).numpy())
    np.testing.assert_array_equal(to_rgb(photos), photos)
    np.testing.assert_array_equal(to_grayscale(grey), grey)
    np.testing.assert_array_equal(Grayscale()(photos), grey)
    np.testing.assert_array_equal(RGB()(grey), to_rgb(grey))


def test_hue_goes_round(photos):
    thirds = adjust_hue(photos / 255, np.full(6, 1 / 3))
    np.testing.assert_allclose(thirds, np.roll(photos / 255, 1, axis=1), atol=1e-12)  # red becomes green


def test_jitter_is_its_parts_in_order(photos):
    words = np.random.default_rng(0).integers(0, 2**32, (4, 6), dtype=np.uint32)
    unit = words / 2**32
    got = ColorJitter(0.4, 1.5, 0.3, 0.1)(photos, words)
    expected = adjust_brightness(photos, 0.6 + 0.8 * unit[0])
    expected = adjust_contrast(expected, 2.5 * unit[1])
    expected = adjust_saturation(expected, 0.7 + 0.6 * unit[2])
    expected = adjust_hue(expected, -0.1 + 0.2 * unit[3])
    assert np.abs(got.astype(int) - expected).max() <= 1
    assert (got != expected).mean() < 1e-3
    np.testing.assert_array_equal(ColorJitter()(photos, words), photos)
    np.testing.assert_array_equal(
        ColorJitter(contrast=0.5)(photos, words), adjust_contrast(photos, 0.5 + words[1] * 2.0**-32)
    )


X = np.zeros((2, 3, 4, 5), np.uint8)
ONE = np.ones(2)
BAD = [
    (lambda: adjust_brightness(X, -ONE), ShapeError, "adjust_brightness: factor must be from 0 to"),
    (lambda: adjust_brightness(X, 1.0), DTypeError, "factor must be an array of numbers, got float 1.0"),
    (lambda: adjust_contrast(X, ONE[:1]), ShapeError, "factor must have shape (2,)"),
    (lambda: adjust_contrast(X[:, :2], ONE), ShapeError, "x must have 1 or 3 channels, got shape (2, 2, 4, 5)"),
    (lambda: adjust_saturation(X[0], ONE), ShapeError, "adjust_saturation: x has axes (N, C, H, W)"),
    (lambda: adjust_saturation(X, ONE * np.nan), ShapeError, "got nan"),
    (lambda: adjust_hue(X, ONE), ShapeError, "turns must be from -0.5 to 0.5, got 1.0"),
    (lambda: adjust_hue(X[:, :2], ONE / 4), ShapeError, "adjust_hue: x must have 1 or 3 channels"),
    (lambda: to_grayscale(X[:, :2]), ShapeError, "to_grayscale: x must have 1 or 3 channels"),
    (lambda: to_rgb("photo"), DTypeError, "to_rgb: x must be an array of uint8 or floats, got str 'photo'"),
    (lambda: ColorJitter(brightness=-1), ConfigError, "ColorJitter: brightness must be a number >= 0, got -1"),
    (lambda: ColorJitter(hue=0.6), ConfigError, "hue must be a number >= 0 and <= 0.5, got 0.6"),
    (lambda: ColorJitter(contrast="a"), DTypeError, "contrast must be a number"),
    (lambda: RGB()(X, np.zeros((1, 2), np.uint32)), ShapeError, "RGB: words must have shape (0, 2)"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
