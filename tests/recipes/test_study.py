"""Studies: the shipped ones, variants and grids, and what is refused."""

from __future__ import annotations

import tomllib

import pytest

from chainrule.errors import ConfigError
from chainrule.recipes import Recipe, Study, list_recipes, list_studies, load_recipe, load_study
from chainrule.recipes.recipe import Reported
from chainrule.recipes.study import load_any, parse_study

TEXT = """
name = "small"
title = "A small one"
source = "made up"
base = "digits-mlp"
"""


def study(text):
    return parse_study(tomllib.loads(TEXT + text), "here")


@pytest.mark.parametrize("name", list_studies())
def test_every_shipped_study_is_sound(name):
    shipped = load_study(name)
    assert shipped.name == name
    trainings = shipped.trainings
    assert len(trainings) == len(shipped.all_variants) >= 2
    assert len({repr((r.data, r.model, r.train)) for r in trainings.values()}) == len(trainings)
    assert shipped.reported != Reported() or shipped.claims or all(v.reported != Reported() for v in shipped.variants)


def test_names_of_recipes_and_studies_are_different():
    assert not set(list_recipes()) & set(list_studies())


def test_a_grid_combines_all_its_values():
    trainings = study(
        'grid = { "train.batch_size" = [4, 8], "train.optim_config.learning_rate" = [1e-3, 0.1] }'
    ).trainings
    found = {name: (r.train.batch_size, r.rule.learning_rate) for name, r in trainings.items()}
    assert found == {
        "batch_size 4, learning_rate 0.001": (4, 1e-3),
        "batch_size 4, learning_rate 0.1": (4, 0.1),
        "batch_size 8, learning_rate 0.001": (8, 1e-3),
        "batch_size 8, learning_rate 0.1": (8, 0.1),
    }


def test_variants_take_the_grid_the_common_entries_and_a_base_of_their_own():
    found = study("""
set = { "train.epochs" = 3 }
grid = { "seed" = [1, 2] }
[[variants]]
name = "wide"
set = { "model.layers.1.units" = 700 }
reported = { test_accuracy = 0.5 }
[[variants]]
name = "other"
base = "mnist-mlp-600"
""").trainings
    assert list(found) == ["wide, seed 1", "wide, seed 2", "other, seed 1", "other, seed 2"]
    wide, other = found["wide, seed 2"], found["other, seed 1"]
    assert (wide.layers[1].units, wide.seed, wide.train.epochs) == (700, 2, 3)
    assert (other.data.name, other.seed, other.train.epochs) == ("mnist", 1, 3)
    assert (wide.reported.test_accuracy, other.reported) == (0.5, Reported())
    assert (wide.name, wide.title) == ("small", "A small one: wide, seed 2")


def test_a_star_reaches_every_entry_that_has_the_next_word():
    base = load_recipe("mnist-mlp-250-sgd")
    [recipe] = parse_study(
        tomllib.loads(TEXT.replace("digits-mlp", base.name) + 'grid = { "model.layers.*.init.scale" = [0.5] }')
    ).trainings.values()
    assert [layer.init.scale for layer in recipe.layers if hasattr(layer, "init")] == [0.5, 0.5]
    assert [type(layer) for layer in recipe.layers] == [type(layer) for layer in base.layers]


CLAIM = """
grid = { "seed" = [1, 2] }
[[claims]]
says = "it is so"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a grid, variants or both"),
        ("grid = { seed = [] }", "grid"),
        ("grid = { seed = [1, 1] }", "variants must have different names"),
        (f"grid = {{ seed = {list(range(201))} }}", "at most 200 variants, got 201"),
        ('grid = { "train.epoch" = [1] }', "did you mean 'epochs'?"),
        ('grid = { "train.epochs" = ["x"] }', "train.epochs: expected int, got str 'x'"),
        ('grid = { "model.layers.*.scale" = [1.0] }', "is the path of nothing in recipe digits-mlp"),
        ('grid = { "train.*.scale" = [1.0] }', "is the path of nothing in recipe digits-mlp"),
        ('grid = { "model.layers.*" = [1.0] }', "is the path of nothing in recipe digits-mlp"),
        ('grid = { seed = [1] }\njudge = "all"', "judge: expected 'best' or 'each', got str 'all'"),
        ('grid = { seed = [1] }\njudge = "each"\nreported = { test_accuracy = 1.0 }', "need judge = 'best'"),
        ("grid = { seed = [1] }\nvariant = []", "did you mean 'variants'?"),
        ('[[variants]]\nname = "a"\nbase = "digits-mpl"', "did you mean 'digits-mlp'?"),
        (CLAIM, "a claim needs higher and lower, or best"),
        (CLAIM + 'higher = "seed 1"', "a claim needs higher and lower, or best"),
        (CLAIM + 'higher = "seed 1"\nlower = "seed 3"', "unknown variant 'seed 3'"),
        (CLAIM + 'best = "seed 2"\nlower = "seed 1"', "a claim needs higher and lower, or best"),
        (CLAIM + 'best = "seed"', "unknown variant 'seed'; did you mean 'seed 2'? known: seed 1, seed 2"),
        (CLAIM + 'best = "seed 2"\nfigure = "speed"', "claims.0.figure: expected 'train_accuracy' or"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(ConfigError) as caught:
        study(text)
    assert str(caught.value).startswith("here: ")
    assert said in str(caught.value)


def test_a_name_or_a_file_may_be_either(tmp_path):
    assert isinstance(load_any("cifar-rules"), Study)
    assert isinstance(load_any("digits-mlp"), Recipe)
    (tmp_path / "mine.toml").write_text(TEXT + "grid = { seed = [1, 2] }", "utf-8")
    assert isinstance(load_any(str(tmp_path / "mine.toml")), Study)
    for load in (load_any, load_study):
        with pytest.raises(ConfigError, match="did you mean 'cifar-rules'"):
            load("cifar-rule")
