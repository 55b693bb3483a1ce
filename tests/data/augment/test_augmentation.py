"""What holds for every transform, and the words that each of them draws."""

from __future__ import annotations

import dataclasses
import hashlib
import re

import numpy as np
import pytest

from chainrule.arrays import Stream, derive_key, philox4x32
from chainrule.config import from_config, to_config
from chainrule.data.augment import (
    RGB,
    TRANSFORMS,
    AlternatingFlip,
    ColorJitter,
    CutMix,
    Cutout,
    Grayscale,
    HorizontalFlip,
    MixUp,
    RandomCrop,
    Resize,
    Rotation,
    Transform,
    Translation,
)
from chainrule.data.augment.augmentation import Augmentation, prepared
from chainrule.errors import ConfigError, DTypeError, ShapeError

EXAMPLES = [
    RandomCrop(2),
    RandomCrop(3, "reflect"),
    Translation(0.2, 0.4),
    HorizontalFlip(),
    AlternatingFlip(),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    Rotation(15.0),
    Rotation(180.0, "nearest"),
    Cutout(4),
    MixUp(0.4),
    CutMix(),
]
PREPARERS = [Grayscale(), RGB(), Resize(5, 9), Resize(12, 7, "bicubic")]
ROWS = np.array([7, 3, 1000, 0, 2**31, 12])


def test_every_transform_has_an_example():
    assert {type(t) for t in EXAMPLES + PREPARERS} == set(TRANSFORMS)


def apply(transform: Transform, x: np.ndarray, words: np.ndarray, epoch: int = 0) -> np.ndarray:
    if transform.mixes_targets:
        return np.concatenate([part.ravel() for part in transform.mix(x, np.eye(len(x), dtype=x.dtype), words)])
    return transform(x, words, epoch)


@pytest.mark.parametrize("transform", EXAMPLES + PREPARERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pure_and_of_the_same_dtype(transform, dtype, photos):
    if dtype == np.uint8 and transform.mixes_targets:
        pytest.skip("mixes floats only")
    x = (photos / 255).astype(dtype) if dtype != np.uint8 else photos
    x = x[:, :1] if isinstance(transform, RGB) else x
    before = x.copy()
    words = Augmentation([transform]).words(ROWS, 3)[0] if transform.words else np.empty((0, 6), np.uint32)
    x.flags.writeable = False
    got = apply(transform, x, words, 3)
    assert got.dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(apply(transform, x, words, 3), got)
    np.testing.assert_array_equal(apply(transform, np.asfortranarray(x)[:, ::-1][:, ::-1], words, 3), got)
    x.flags.writeable = True


@pytest.mark.parametrize("transform", [t for t in EXAMPLES + PREPARERS if not t.mixes_targets], ids=repr)
def test_an_image_does_not_depend_on_its_neighbours(transform, photos):
    x = photos[:, :1] if isinstance(transform, RGB) else photos
    words = np.random.default_rng(0).integers(0, 2**32, (transform.words, 6), dtype=np.uint32)
    whole = transform(x, words, 1)
    for i in range(6):
        np.testing.assert_array_equal(transform(x[i : i + 1], words[:, i : i + 1], 1), whole[i : i + 1])


@pytest.mark.parametrize("transform", EXAMPLES + PREPARERS, ids=repr)
def test_declarations_read_back(transform):
    table = to_config(transform)
    assert table["transform"] == type(transform).__name__
    assert from_config("transform", table) == transform
    assert dataclasses.is_dataclass(transform)


def test_words_are_the_documented_blocks():
    """Philox under the key of the seed, at (row, epoch, place, block), computed with Python's integers."""
    transforms = [RandomCrop(1), AlternatingFlip(), ColorJitter(0.1), CutMix()]
    drawn = Augmentation(transforms, seed=11).words(ROWS, 5)
    key = derive_key(11, Stream.AUGMENT)
    for place, (transform, words) in enumerate(zip(transforms, drawn, strict=True)):
        assert words.shape == (transform.words, len(ROWS))
        assert words.dtype == np.uint32
        for i, row in enumerate(ROWS.tolist()):
            epoch = 0 if isinstance(transform, AlternatingFlip) else 5
            block = philox4x32((row, epoch, place, 0), key)
            assert words[:, i].tolist() == list(block[: transform.words])


def test_words_of_more_than_one_block():
    class Many(Transform):
        words = 6

    drawn = Augmentation([RandomCrop(1), Many()], seed=1).words(ROWS, 2)[1]
    key = derive_key(1, Stream.AUGMENT)
    expected = philox4x32((1000, 2, 1, 0), key) + philox4x32((1000, 2, 1, 1), key)[:2]
    assert drawn[:, 2].tolist() == list(expected)


def test_words_depend_on_seed_epoch_and_row_alone():
    one = Augmentation([RandomCrop(1), HorizontalFlip()], seed=4)
    whole = one.words(ROWS, 9)
    for i in range(len(ROWS)):
        for part, alone in zip(whole, one.words(ROWS[i : i + 1], 9), strict=True):
            np.testing.assert_array_equal(part[:, i : i + 1], alone)
    others = [one.words(ROWS, 8), one.words(ROWS + 1, 9), Augmentation(one.transforms, seed=5).words(ROWS, 9)]
    for other in others:
        assert not np.array_equal(other[0], whole[0])
        assert not np.array_equal(other[1], whole[1])
    assert Augmentation().words(ROWS, 0) == []


def test_alternating_flip_alternates(photos):
    augmentation = Augmentation([AlternatingFlip()], seed=2)
    rows = np.arange(600)
    x = np.zeros((600, 1, 1, 2), np.uint8)
    x[:, :, :, 1] = 1
    sides = [augmentation.on_pixels(x, augmentation.words(rows, e), e)[:, 0, 0, 0] for e in range(4)]
    assert 250 < sides[0].sum() < 350
    np.testing.assert_array_equal(sides[1], 1 - sides[0])
    np.testing.assert_array_equal(sides[2], sides[0])
    np.testing.assert_array_equal(sides[3], sides[1])


def test_random_flip_rate():
    words = np.random.default_rng(0).integers(0, 2**32, (1, 4000), dtype=np.uint32)
    x = np.zeros((4000, 1, 1, 2), np.uint8)
    x[..., 1] = 1
    assert abs(HorizontalFlip(0.3)(x, words)[:, 0, 0, 0].mean() - 0.3) < 0.03
    assert not HorizontalFlip(0.0)(x, words)[:, 0, 0, 0].any()
    assert HorizontalFlip(1.0)(x, words)[:, 0, 0, 0].all()


#: SHA-256 of six images and their targets after each transform: these must not differ between machines and versions.
GOLDEN = {
    "RandomCrop(padding=2, border='zero')": "37a2ede8e3b74596",
    "RandomCrop(padding=3, border='reflect')": "d432732da53a56b7",
    "Translation(vertical=0.2, horizontal=0.4)": "daa84040b33a1bc3",
    "HorizontalFlip(rate=0.5)": "8e503f6fdc47aa76",
    "AlternatingFlip()": "7fee0e66233c3f74",
    "ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)": "0b0dcfdb2de2b276",
    "Rotation(degrees=15.0, interpolation='bilinear')": "c86c7bd2bce0e053",
    "Rotation(degrees=180.0, interpolation='nearest')": "0d998187361cc886",
    "Cutout(size=4, fill=0.0)": "b2f5905c0a4c90d2",
    "MixUp(alpha=0.4)": "84230a70a374dd93",
    "CutMix(alpha=1.0)": "e683417f0e56e216",
    "Grayscale()": "429d92d4854ae625",
    "RGB()": "ed2b62b209032eb8",
    "Resize(height=5, width=9, interpolation='bilinear')": "2cb39bceb952d394",
    "Resize(height=12, width=7, interpolation='bicubic')": "59d09a9d6cddd969",
}


def digest(transform: Transform) -> str:
    x = (np.arange(6 * 3 * 16 * 24, dtype=np.uint64) * 2654435761 % 2**32 >> 24).astype(np.uint8).reshape(6, 3, 16, 24)
    if transform.mixes_targets:
        x = x.astype(np.float32)
    x = x[:, :1] if isinstance(transform, RGB) else x
    words = Augmentation([transform], seed=1).words(ROWS, 3)[0] if transform.words else np.empty((0, 6), np.uint32)
    return hashlib.sha256(np.ascontiguousarray(apply(transform, x, words, 3)).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("transform", EXAMPLES + PREPARERS, ids=repr)
def test_results_are_the_recorded_ones(transform):
    assert digest(transform) == GOLDEN[repr(transform)]


def test_prepared(photos):
    got = prepared(photos, [Grayscale(), Resize(10, 14)])
    np.testing.assert_array_equal(got, Resize(10, 14)(Grayscale()(photos)))
    assert prepared(photos, []) is photos


X = np.zeros((2, 3, 4, 5), np.uint8)
BAD = [
    (lambda: Augmentation(RandomCrop(1)), DTypeError, "augment must be a list of transforms, got RandomCrop"),
    (lambda: Augmentation(["RandomCrop"]), DTypeError, "augment must be a list of transforms, got str 'RandomCrop' in"),
    (lambda: Augmentation([RandomCrop]), DTypeError, "augment must be a list of transforms, got type"),
    (lambda: Augmentation(3), DTypeError, "augment must be a list of transforms, got int 3"),
    (lambda: Augmentation([Grayscale()]), ConfigError, "augment: Grayscale draws nothing; prepare all parts"),
    (lambda: Augmentation([Cutout(2), RandomCrop(1)]), ConfigError, "RandomCrop works on pixels and must come before"),
    (lambda: Augmentation([], -1), ConfigError, "Augmentation: seed must be an integer >= 0"),
    (lambda: prepared(X, [RandomCrop(1)]), ConfigError, "prepare: RandomCrop draws at random"),
    (lambda: prepared(X, "Grayscale"), DTypeError, "prepare must be a list of transforms, got str 'Grayscale'"),
    (lambda: prepared(X[:, :2], [Grayscale()]), ShapeError, "must have 1 or 3 channels"),
    (lambda: from_config("transform", "RandomCorp"), ConfigError, "did you mean 'RandomCrop'"),
    (lambda: from_config("transform", "RandomCrop"), ConfigError, "RandomCrop needs padding"),
    (lambda: from_config("transform", {"transform": "Cutout", "size": 0}), ConfigError, "Cutout: size must be"),
    (lambda: from_config("transform", {"transform": "Cutout", "sise": 1}), ConfigError, "did you mean 'size'"),
    (lambda: HorizontalFlip(1.5), ConfigError, "HorizontalFlip: rate must be a number >= 0 and <= 1, got 1.5"),
    (lambda: Rotation(200), ConfigError, "Rotation: degrees must be a number >= 0 and <= 180"),
    (lambda: Rotation(10, "cubic"), ConfigError, "interpolation must be 'bilinear' or 'nearest', got 'cubic'"),
    (lambda: Resize(4, 0), ConfigError, "Resize: width must be an integer >= 1"),
    (
        lambda: Resize(4, 4, "lanczos"),
        ConfigError,
        "interpolation must be 'box', 'bilinear' or 'bicubic', got 'lanczos'",
    ),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
