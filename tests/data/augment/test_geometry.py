"""Shifts, flips, rotations, cutouts and resizing against torchvision, Pillow, or a loop over pixels."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data.augment import Cutout, RandomCrop, Translation
from chainrule.data.augment.cutout import cutout
from chainrule.data.augment.flip import flip
from chainrule.data.augment.resize import FILTERS, resize
from chainrule.data.augment.rotation import rotate
from chainrule.data.augment.shift import BORDERS, shift
from chainrule.errors import ConfigError, DTypeError, ShapeError

DTYPES = [np.uint8, np.float32, np.float64]


def images(shape, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, shape)
    return values.astype(dtype)


shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(2, 9), st.integers(2, 17))


@given(shape=shapes, dtype=st.sampled_from(DTYPES), border=st.sampled_from(BORDERS), seed=st.integers(0, 99))
def test_shift_is_a_window_of_the_padded_image(shape, dtype, border, seed):
    x = images((shape[0] + 1, *shape[1:]), dtype, seed)[1:, :, ::-1]  # not contiguous
    before = x.copy()
    rng = np.random.default_rng(seed)
    n, _, h, w = shape
    dy, dx = rng.integers(1 - h, h, n), rng.integers(1 - w, w, n)
    got = shift(x, dy, dx, border)
    mode = {"zero": "constant", "reflect": "reflect"}[border]
    padded = np.pad(x, ((0, 0), (0, 0), (h - 1, h - 1), (w - 1, w - 1)), mode)
    for i in range(n):
        top, left = h - 1 + dy[i], w - 1 + dx[i]
        np.testing.assert_array_equal(got[i], padded[i, :, top : top + h, left : left + w])
    assert got.dtype == dtype
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("border", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_shift_is_torchvisions_pad_and_crop(torchvision, photos, border, mode):
    import torch

    dy, dx = np.array([-4, 4, 0, 1, -2, 3]), np.array([4, -4, 0, 2, -1, -3])
    got = shift(photos, dy, dx, border)
    for i in range(6):
        padded = torchvision.pad(torch.from_numpy(photos[i]), [4, 4, 4, 4], padding_mode=mode)
        np.testing.assert_array_equal(got[i], torchvision.crop(padded, 4 + dy[i], 4 + dx[i], 20, 28).numpy())


@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_random_crop_draws_every_offset(border):
    x = np.repeat(np.arange(1, 31, dtype=np.uint8).reshape(1, 1, 5, 6), 4000, axis=0)
    words = np.random.default_rng(0).integers(0, 2**32, (2, 4000), dtype=np.uint32)
    got = RandomCrop(2, border)(x, words)
    padded = np.pad(x[0, 0], 2, "constant" if border == "zero" else "reflect")
    windows = {padded[i : i + 5, j : j + 6].tobytes(): 0 for i in range(5) for j in range(5)}
    for image in got:
        windows[image.tobytes()] += 1
    assert len(windows) == 25
    assert min(windows.values()) > 110  # 160 expected, standard deviation 12
    assert max(windows.values()) < 210


def test_translation_goes_as_far_as_its_fractions():
    x = np.zeros((2000, 1, 11, 21), np.uint8)
    x[:, :, 5, 10] = 1
    words = np.random.default_rng(0).integers(0, 2**32, (2, 2000), dtype=np.uint32)
    _, _, i, j = np.nonzero(Translation(0.2, 0.45)(x, words))
    assert (set(i), set(j)) == (set(range(3, 8)), set(range(1, 20)))
    assert Translation(0, 0)(x, words).tobytes() == x.tobytes()


@given(shape=shapes, dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
def test_flip(shape, dtype, seed):
    x = images(shape, dtype, seed)[:, :, ::-1]
    where = np.random.default_rng(seed).random(shape[0]) < 0.5
    before, got = x.copy(), flip(x, where)
    for i, mirrored in enumerate(where):
        np.testing.assert_array_equal(got[i], np.flip(x[i], 2) if mirrored else x[i])
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(got, x)


def test_flip_is_torchvisions(torchvision, photos):
    import torch

    for width in (28, 24, 8):  # two of them go eight pixels at a time
        x = np.ascontiguousarray(photos[..., :width])
        got = flip(x, np.ones(6, bool))
        np.testing.assert_array_equal(got, torchvision.horizontal_flip(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_rotate_is_torchvisions(torchvision, photos, interpolation, dtype):
    import torch
    from torchvision.transforms import InterpolationMode

    degrees = np.array([13.7, -13.7, 45.1, 101.3, -170.2, 0.3])
    x = photos.astype(dtype)
    got = rotate(x, degrees, interpolation)
    mode = InterpolationMode(interpolation)
    for i in range(6):
        expected = torchvision.rotate(torch.from_numpy(x[i]), float(degrees[i]), mode).numpy().astype(float)
        difference = np.abs(got[i] - expected)
        if interpolation == "nearest":  # torchvision's coordinates are in single precision
            assert (difference > 0).mean() < 0.01
        else:
            assert difference.max() <= (1 if dtype == np.uint8 else 1e-3)
            assert (difference > 0.5).mean() < 0.01


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(("h", "w"), [(6, 6), (5, 5)])
def test_quarter_turns_are_exact(interpolation, h, w):
    x = images((4, 2, h, w))
    got = rotate(x, np.array([0.0, 90.0, 180.0, -90.0]), interpolation)
    for i, turns in enumerate((0, 1, 2, 3)):
        np.testing.assert_array_equal(got[i], np.rot90(x[i], turns, (1, 2)))


@given(shape=shapes, size=st.integers(1, 12), seed=st.integers(0, 99))
def test_cutout_pixel_by_pixel(shape, size, seed):
    x = images(shape, np.float32, seed)
    n, _, h, w = shape
    rng = np.random.default_rng(seed)
    cy, cx = rng.integers(0, h, n), rng.integers(0, w, n)
    got = cutout(x, cy, cx, size, -7.0)
    for k in range(n):
        for i in range(h):
            for j in range(w):
                blotted = 0 <= i - (cy[k] - size // 2) < size and 0 <= j - (cx[k] - size // 2) < size
                expected = np.full_like(x[k, :, i, j], -7) if blotted else x[k, :, i, j]
                np.testing.assert_array_equal(got[k, :, i, j], expected)


def test_cutout_is_torchvisions_erase(torchvision, photos):
    import torch

    got = cutout(photos, np.full(6, 10), np.full(6, 12), 6)
    expected = torchvision.erase(torch.from_numpy(photos), 7, 9, 6, 6, torch.zeros(3, 6, 6, dtype=torch.uint8))
    np.testing.assert_array_equal(got, expected.numpy())


def test_cutout_centres_are_all_pixels():
    x = np.ones((3000, 1, 3, 4), np.float32)
    words = np.random.default_rng(0).integers(0, 2**32, (2, 3000), dtype=np.uint32)
    hits = (Cutout(1)(x, words) == 0).sum(axis=(0, 1))
    assert hits.sum() == 3000
    assert hits.min() > 190  # 250 expected, standard deviation 15
    assert hits.max() < 310


@pytest.mark.parametrize("interpolation", list(FILTERS))
@pytest.mark.parametrize(("height", "width"), [(10, 14), (20, 28), (7, 28), (20, 9), (33, 45), (1, 1), (61, 3)])
def test_resize_of_bytes_is_pillows_to_the_bit(photos, interpolation, height, width):
    from PIL import Image

    resample = Image.Resampling[interpolation.upper()]
    got = resize(photos, height, width, interpolation)
    for i in range(6):
        expected = np.asarray(Image.fromarray(photos[i].transpose(1, 2, 0)).resize((width, height), resample))
        np.testing.assert_array_equal(got[i].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resize_of_floats_is_torchvisions(torchvision, photos, interpolation):
    import torch
    from torchvision.transforms import InterpolationMode

    x = photos.astype(np.float64)
    for size in ((10, 14), (33, 45), (7, 28)):
        expected = torchvision.resize(torch.from_numpy(x), list(size), InterpolationMode(interpolation), antialias=True)
        # torchvision's cubic has a = −0.5 with antialiasing, as here; its weights are computed another way.
        np.testing.assert_allclose(resize(x, *size, interpolation), expected.numpy(), atol=1e-3)


def test_resize_in_several_blocks():
    """A block is about a million elements."""
    x = images((500, 1, 50, 60))
    got = resize(x, 25, 30, "box")
    for i in (0, 250, 499):
        np.testing.assert_array_equal(got[i], resize(x[i : i + 1], 25, 30, "box")[0])


X = images((2, 3, 4, 5))
ZERO = np.zeros(2, np.int64)
ONE = np.ones(2)
BAD = [
    (lambda: shift([[1]], ZERO, ZERO), DTypeError, "shift: x must be an array of uint8 or floats, got list"),
    (lambda: shift(X.astype(int), ZERO, ZERO), DTypeError, "x must be an array of uint8 or floats"),
    (lambda: shift(X[0], ZERO, ZERO), ShapeError, "x has axes (N, C, H, W) of length >= 1, got shape (3, 4, 5)"),
    (lambda: shift(X[:0], ZERO, ZERO), ShapeError, "got shape (0, 3, 4, 5)"),
    (lambda: shift(X, ONE, ZERO), DTypeError, "dy must be an array of integers"),
    (lambda: shift(X, ZERO, ZERO[:1]), ShapeError, "dx must have shape (2,), one an image, got (1,)"),
    (lambda: shift(X, ZERO + 5, ZERO), ShapeError, "dy must be from -4 to 4, got 5"),
    (lambda: shift(X, ZERO, ZERO + 5, "reflect"), ShapeError, "dx must be from -4 to 4, got 5"),
    (lambda: shift(X, ZERO, ZERO, "mirror"), ConfigError, "unknown border 'mirror'"),
    (lambda: RandomCrop(0), ConfigError, "RandomCrop: padding must be an integer >= 1, got 0"),
    (lambda: RandomCrop(2.0), DTypeError, "padding must be an integer"),
    (lambda: RandomCrop(1, "zeros"), ConfigError, "did you mean 'zero'"),
    (lambda: RandomCrop(4, "reflect")(X, np.zeros((2, 2), np.uint32)), ConfigError, "padding must be less than the im"),
    (lambda: RandomCrop(1)(X), DTypeError, "RandomCrop: words must be an array of uint32, got NoneType"),
    (lambda: RandomCrop(1)(X, np.zeros((1, 2), np.uint32)), ShapeError, "words must have shape (2, 2), got (1, 2)"),
    (lambda: RandomCrop(1)(X, np.zeros((2, 2), np.uint32), -1), ConfigError, "epoch must be an integer >= 0"),
    (lambda: RandomCrop(1).mix(X, X, X), DTypeError, "RandomCrop: changes no targets"),
    (lambda: Translation(1.5, 0), ConfigError, "vertical must be a number >= 0 and <= 1, got 1.5"),
    (lambda: Translation(0, "a"), DTypeError, "horizontal must be a number"),
    (lambda: flip(X, ZERO), DTypeError, "where must be an array of booleans"),
    (lambda: flip(X, np.ones((2, 1), bool)), ShapeError, "where must have shape (2,)"),
    (lambda: flip(None, ZERO), DTypeError, "flip: x must be an array"),
    (lambda: rotate(X, ZERO), DTypeError, "degrees must be an array of numbers"),
    (lambda: rotate(X, ONE * np.nan), ShapeError, "degrees must be from -360 to 360, got nan"),
    (lambda: rotate(X, ONE, "linear"), ConfigError, "unknown interpolation 'linear'; did you mean 'bilinear'?"),
    (lambda: cutout(X, ZERO + 4, ZERO, 2), ShapeError, "cy must be from 0 to 3, got 4"),
    (lambda: cutout(X, ZERO, ZERO - 1, 2), ShapeError, "cx must be from 0 to 4, got -1"),
    (lambda: cutout(X, ZERO, ZERO, 0), ConfigError, "size must be an integer >= 1"),
    (lambda: cutout(X, ZERO, ZERO, 1, 300), ConfigError, "fill must be an integer from 0 to 255 for bytes, got 300"),
    (lambda: Cutout(0), ConfigError, "Cutout: size must be"),
    (lambda: Cutout(1, np.inf), ConfigError, "fill must be a finite number"),
    (lambda: resize(X, 0, 1), ConfigError, "height must be an integer >= 1"),
    (lambda: resize(X, 1, 1.5), DTypeError, "width must be an integer"),
    (lambda: resize(X, 1, 1, "cubic"), ConfigError, "did you mean 'bicubic'"),
    (lambda: resize(X[0], 1, 1), ShapeError, "resize: x has axes"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
