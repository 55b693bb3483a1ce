"""[data] prepare, augment and normalisation by channel, from the recipe to the batches."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from chainrule.data import Dataset, NormalizedRows, Source
from chainrule.data.augment import Cutout, HorizontalFlip, MixUp, RandomCrop, Resize
from chainrule.errors import ChainruleError, ConfigError
from chainrule.recipes import apply_overrides, build, load_recipe, parse_recipe, to_toml
from chainrule.recipes.experiment import declared_shape

AUGMENTED = """
name = "augmented-digits"
title = "Digits, moved by a pixel and cut"
source = "A test."

[data]
name = "digits"
val = 0.1
test = 0.2
normalize = "channel"

[[data.augment]]
transform = "RandomCrop"
padding = 1

[[data.augment]]
transform = "Cutout"
size = 2

[model]
layers = ["Flatten", { layer = "Affine", units = 128 }, "ReLU", { layer = "Affine", units = 10 }]

[train]
optim_config = { learning_rate = 3e-3 }
epochs = 30
"""


@pytest.fixture
def photos(monkeypatch):
    """A data set of bytes in colour, called "photos"."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), np.arange(60) % 10
    X[:, 0] //= 2
    source = Source("photos", Dataset(X, y, tuple("abcdefghij")), Dataset(X[:10], y[:10], tuple("abcdefghij")), 255.0)
    monkeypatch.setitem(__import__("chainrule.data.catalog", fromlist=["CATALOG"]).CATALOG, "photos", lambda: source)
    return source


def recipe(*overrides):
    return apply_overrides(parse_recipe(AUGMENTED), overrides)


def of_photos(*overrides):
    return recipe("data.name=photos", "data.test=0", "data.val=0.2", "train.batch_size=7", *overrides)


def test_declarations_are_read_and_written():
    declared = recipe()
    assert declared.augment == (RandomCrop(1), Cutout(2))
    assert parse_recipe(to_toml(declared)) == declared
    short = recipe('data.augment=["HorizontalFlip", { transform = "MixUp", alpha = 0.2 }]')
    assert short.augment == (HorizontalFlip(), MixUp(0.2))
    assert recipe("data.augment.0.padding=3").augment[0] == RandomCrop(3)
    assert recipe('data.prepare=[{ transform = "Resize", height = 4, width = 4 }]').prepare == (Resize(4, 4),)


def test_augmented_digits_are_learnt():
    experiment = build(recipe())
    assert isinstance(experiment.data["X_train"], NormalizedRows)
    solver = experiment.solver()
    solver.train()
    assert solver.val_acc_history[0] < 0.5
    assert solver.engine.evaluate(experiment.data["X_test"], experiment.data["y_test"]).score > 0.9


def batches(experiment, count=20):
    loader = experiment.solver().loader
    sums = hashlib.sha256()
    with loader.stream(0, count) as stream:
        for x, y in stream:
            sums.update(x.tobytes() + y.tobytes())
    return sums.hexdigest()


def test_the_seed_decides_the_batches(photos):
    assert batches(build(of_photos())) == batches(build(of_photos()))
    assert batches(build(of_photos("seed=1"))) != batches(build(of_photos()))


def test_bytes_stay_bytes(photos):
    data = build(of_photos()).data
    for part in ("train", "val", "test"):
        assert isinstance(data[f"X_{part}"], NormalizedRows)
        assert data[f"X_{part}"].X.dtype == np.uint8
    ready = build(of_photos("data.augment=[]")).data
    assert isinstance(ready["X_train"], np.ndarray)  # floats at hand, as nothing changes them
    np.testing.assert_array_equal(ready["X_train"], np.asarray(data["X_train"]))


def test_statistics_are_those_of_the_channels(photos):
    experiment = build(of_photos())
    x = np.asarray(experiment.data["X_train"])
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-6)
    assert experiment.normalizer.mean.shape == (3, 1, 1)


def test_every_part_is_prepared(photos):
    declared = of_photos('data.prepare=["Grayscale", { transform = "Resize", height = 6, width = 5 }]')
    assert declared_shape(declared) == (1, 6, 5)
    experiment = build(declared)
    assert experiment.network.input_shape == (1, 6, 5)
    for part in (experiment.splits.train, experiment.splits.val, experiment.splits.test):
        assert part.input_shape == (1, 6, 5)
    build(apply_overrides(declared, ["data.input_shape=[1, 6, 5]"]))


def test_labels_are_mixed_for_as_many_classes_as_there_are_scores(photos):
    _, t = build(of_photos('data.augment=["CutMix"]')).solver().loader.batch(0)
    assert t.shape == (7, 10)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ['data.augment=["RandomCorp"]'],
            "data.augment[0]: unknown transform 'RandomCorp'; did you mean 'RandomCrop'",
        ),
        (['data.augment=["RandomCrop"]'], "data.augment[0]: RandomCrop needs padding"),
        (["data.augment.0.padding=0"], "data.augment[0]: RandomCrop: padding must be an integer >= 1, got 0"),
        (["data.augment.0.paddin=2"], "did you mean 'padding'?"),
        (['data.augment=["Cutout"]'], "Cutout needs size"),
        (["data.augment=RandomCrop"], "data.augment: expected array, got str 'RandomCrop'"),
        (['data.augment=["Grayscale"]'], "augment: Grayscale draws nothing"),
        (['data.prepare=["HorizontalFlip"]'], "prepare: HorizontalFlip draws at random"),
        (['data.augment=["MixUp", "HorizontalFlip"]'], "HorizontalFlip works on pixels and must come before MixUp"),
        (["data.normalize=chanel"], "data.normalize: expected 'none' or"),
    ],
)
def test_recipes_that_are_wrong(overrides, said):
    with pytest.raises(ConfigError) as caught:
        recipe(*overrides)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.augment.0.padding=9"], "RandomCrop: padding must be less than the image"),
        (['data.prepare=["RGB"]', "data.input_shape=[1, 8, 8]"], "data.input_shape must be [3, 8, 8]"),
        (['data.augment=["MixUp"]', 'model.loss="MultiClassHinge"'], "recipe augmented-digits: MultiClassHinge: y"),
        (['data.augment=[{ transform = "RandomCrop", padding = 9 }]'], "recipe augmented-digits: RandomCrop"),
    ],
)
def test_recipes_that_do_not_fit_are_told_before_training(overrides, said):
    with pytest.raises(ChainruleError) as caught:
        build(recipe(*overrides))
    assert said in str(caught.value)


def test_rows_that_are_no_images(data_folder):
    with pytest.raises(ChainruleError, match=r"axes \(N, C, H, W\)"):
        build(apply_overrides(load_recipe("binary-logistic"), ['data.augment=["HorizontalFlip"]']))
