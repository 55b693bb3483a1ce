"""Small recipes of scikit-learn's digits, which need no files, and folders to keep their trainings in."""

from __future__ import annotations

import pytest

RECIPE = """
name = "{name}"
title = "Digits, {name}"
source = "made up"
note = "{note}"
reported = {{ val_accuracy = 0.5, test_accuracy = {reported} }}
[data]
name = "digits"
train = 400
val = 100
test = 200
input_shape = [1, 8, 8]
[model]
layers = ["Flatten", {{ layer = "Affine", units = 10 }}]
[train]
update_rule = "sgd"
optim_config = {{ learning_rate = {rate} }}
batch_size = 50
epochs = 3
"""

STUDY = """
name = "rates"
title = "Two learning rates"
source = "made up"
base = "digits-mlp"
judge = "best"
reported = {{ test_accuracy = 0.6 }}
set = {{ "data.train" = 400, "model.layers.1.units" = 16, "train.epochs" = 2 }}
grid = {{ "train.optim_config.learning_rate" = [0.02, 1e-6] }}
[[claims]]
says = "the higher rate learns"
higher = "learning_rate 0.02"
lower = "learning_rate 1e-06"
[[claims]]
says = "{says}"
best = "{best}"
"""


@pytest.fixture
def write_recipe(tmp_path):
    """A function that writes a recipe and returns its path as a text."""

    def write(name="good", *, rate=0.1, reported=0.6, note="", replace=("", "")):
        path = tmp_path / f"{name}.toml"
        text = RECIPE.format(name=name, rate=rate, reported=reported, note=note)
        path.write_text(text.replace(*replace) if replace[0] else text, "utf-8")
        return str(path)

    return write


@pytest.fixture
def study_path(tmp_path):
    """A study of two trainings, one of which learns nothing."""
    path = tmp_path / "rates.toml"
    path.write_text(STUDY.format(says="the higher is best", best="learning_rate 0.02"), "utf-8")
    return str(path)
