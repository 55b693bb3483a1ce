"""Recipes as text: the shipped ones, round trips, overrides, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import ChainruleError, ConfigError
from chainrule.layers import Softmax
from chainrule.optim import Chain
from chainrule.recipes import apply_overrides, list_recipes, load_recipe, parse_recipe, to_toml
from chainrule.recipes.experiment import make_network
from chainrule.recipes.recipe import Reported

TEXT = """
name = "small"
title = "A small one"
source = "made up"
[data]
name = "digits"
val = 100
test = 0.25
[model]
layers = ["Flatten", { layer = "Affine", units = 10, init = { init = "Normal", scale = 0.01 } }]
[train]
optim_config = { learning_rate = 1e-3 }
early_stopping = { patience = 3 }
"""


def test_the_shipped_recipes():
    assert set(list_recipes()) >= {
        "binary-hinge",
        "binary-hinge-20",
        "binary-logistic",
        "binary-logistic-40",
        "digits-mlp",
        "mnist-mlp-600",
        "mnist-softmax",
    }


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_is_sound_and_survives_a_round_trip(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(to_toml(recipe)) == recipe
    assert recipe.reported != Reported()
    assert make_network(recipe, tuple(recipe.data.input_shape)).params.flat.size > 0


def test_a_path_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, "utf-8")
    recipe = load_recipe(path)
    assert recipe == load_recipe(str(path)) == parse_recipe(TEXT)
    assert (recipe.data.val, recipe.data.test, recipe.data.train) == (100, 0.25, None)
    assert recipe.early_stopping.patience == 3
    assert recipe.layers[1].init.scale == 0.01


def test_clipping_and_decay_make_a_chain():
    plain = parse_recipe(TEXT)
    assert not isinstance(plain.rule, Chain)
    rule = apply_overrides(plain, ["train.clip_norm=1.5", "train.weight_decay=0.1"]).rule
    assert rule == Chain(plain.rule, clip_norm=1.5, weight_decay=0.1)


@pytest.mark.parametrize(
    ("override", "get", "expected"),
    [
        ("train.epochs=3", lambda r: r.train.epochs, 3),
        ("train.optim_config.learning_rate=1e-2", lambda r: r.rule.learning_rate, 0.01),
        ("train.optim_config.learning_rate=.5", lambda r: r.rule.learning_rate, 0.5),
        ("train.optim_config.beta1=0.5", lambda r: r.rule.beta1, 0.5),
        ("model.layers.1.units=50", lambda r: r.layers[1].units, 50),
        ("model.layers.*.units=51", lambda r: r.layers[1].units, 51),
        ("model.layers.1.init.scale=2.0", lambda r: r.layers[1].init.scale, 2.0),
        ("train.sampling=replacement", lambda r: r.train.sampling, "replacement"),
        ('train.sampling="replacement"', lambda r: r.train.sampling, "replacement"),
        (" train.batch_size = 7 ", lambda r: r.train.batch_size, 7),
        ("train.num_train_samples=all", lambda r: r.train.num_train_samples, "all"),
        ("train.early_stopping.monitor=val_loss", lambda r: r.early_stopping.monitor, "val_loss"),
        ("train.schedule.schedule=cosine", lambda r: type(r.schedule).__name__, "Cosine"),
        ('train.schedule={ schedule = "step", every = 3 }', lambda r: r.schedule.every, 3),
        ("data.train=0.5", lambda r: r.data.train, 0.5),
        ("data.train=5", lambda r: (r.data.train, type(r.data.train)), (5, int)),
        ("reported.test_accuracy=1", lambda r: r.reported.test_accuracy, 1.0),
        ("title=a = b", lambda r: r.title, "a = b"),
        ("data.normalize=none", lambda r: r.data.normalize, "none"),
    ],
)
def test_overrides(override, get, expected):
    before = parse_recipe(TEXT)
    after = apply_overrides(before, [override])
    assert get(after) == expected
    assert before == parse_recipe(TEXT)
    assert parse_recipe(to_toml(after)) == after


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epoch=3", "unknown entry of [train] 'epoch'; did you mean 'epochs'?"),
        ("trian.epochs=3", "unknown entry 'trian'; did you mean 'train'?"),
        ("train.early_stopping.patiense=3", "did you mean 'patience'?"),
        ("train.epochs=many", "train.epochs: expected int, got str 'many'"),
        ("train.epochs=1.5", "train.epochs: expected int, got float 1.5"),
        ("train.epochs=-1", "train.epochs: expected int >= 0, got int -1"),
        ("train.batch_size=0", "train.batch_size: expected int >= 1, got int 0"),
        ("seed=99999999999999999999999", "seed"),
        ("train=5", "train: expected object, got int 5"),
        ("data.val=1.5", "data.val: expected float <= 1.0, got float 1.5"),
        ("data.split=sorted", "data.split: expected 'ordered' or 'stratified' or 'random', got str 'sorted'"),
        ("dtype=float16", "dtype: expected 'float32' or 'float64' or 'bfloat16', got str 'float16'"),
        ("train.num_train_samples=most", "train.num_train_samples: expected 'all'"),
        ("train.early_stopping.monitor=loss", "expected 'val_acc' or 'val_loss', got str 'loss'"),
        ("name=../escape", "name"),
        ("model.layers=[]", "model.layers"),
        ("model.layers.1.unit=3", "did you mean 'units'?"),
        ("model.layers.*.unit=3", "cannot change model.layers.*.unit, which is the path of nothing in recipe small"),
        ("model.layers.2.units=3", "model.layers has entries 0 to 1, got '2'"),
        ("model.layers.x.units=3", "model.layers has entries 0 to 1, got 'x'"),
        ("model.layers.0.units=3", "model.layers.0 is str 'Flatten' and has no entries"),
        ("model.layers.1.units=-3", "units"),
        ("model.layers.1.layer=Afine", "did you mean 'Affine'?"),
        ("model.loss=SoftmaxCrosEntropy", "did you mean 'SoftmaxCrossEntropy'?"),
        ("train.update_rule=adams", "did you mean 'adam'?"),
        ("train.optim_config.learning_rates=3", "did you mean 'learning_rate'?"),
        ("train.optim_config.learning_rate=nan", "learning_rate"),
        ("train.optim_config.learning_rate=fast", "learning_rate"),
        ("train.clip_norm=-1.0", "clip_norm"),
        ("train.schedule=cosin", "did you mean 'cosine'?"),
        ("generator=legacy", "train.sampling must be 'replacement' with the legacy generator"),
        ("train.epochs", "override must be written key=value"),
        ("=3", "override must be written key=value"),
    ],
)
def test_overrides_that_are_refused(override, said):
    with pytest.raises(ConfigError) as caught:
        apply_overrides(parse_recipe(TEXT), [override])
    assert said in str(caught.value)


def test_double_softmax_puts_a_softmax_before_the_loss():
    plain = parse_recipe(TEXT)
    doubled = apply_overrides(plain, ["model.double_softmax=true"])
    assert doubled.layers == (*plain.layers, Softmax())
    with pytest.raises(ConfigError, match=r"double_softmax must be false unless .* got MultiClassHinge"):
        apply_overrides(doubled, ["model.loss=MultiClassHinge"])


def test_the_last_weights_and_early_stopping_are_refused_together():
    with pytest.raises(ConfigError, match="keep must be 'best' with early stopping"):
        apply_overrides(parse_recipe(TEXT), ["train.keep=last"])


def test_decay_and_schedule_together_are_refused():
    with pytest.raises(ConfigError, match="exclude each other"):
        apply_overrides(parse_recipe(TEXT), ["train.schedule=cosine", "train.lr_decay=0.9"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
        ("", "here.toml: must be a TOML text with an entry"),
        (TEXT.replace("val = 100", ""), "[data] needs val"),
        (TEXT + "color = 3", "unknown entry of [train] 'color'"),
        (TEXT.replace('"Flatten", ', "3, "), "model.layers"),
        (TEXT.replace("[model]", "[[model]]"), "model: expected object, got list"),
    ],
)
def test_texts_that_are_no_recipe(text, said):
    with pytest.raises(ConfigError) as caught:
        parse_recipe(text, "here.toml")
    assert str(caught.value).startswith("here.toml: ")
    assert said in str(caught.value).replace("`", "")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'title = "\xff"')
    (tmp_path / "huge.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    for path, said in (
        ("latin.toml", "UTF-8"),
        ("huge.toml", "at most"),
        ("none.toml", "No such file"),
        (".", "Is a directory"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_recipe(tmp_path / path)
    with pytest.raises(ConfigError, match="did you mean 'mnist-softmax'"):
        load_recipe("mnist-softmx")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(
    st.sampled_from(
        ["seed", "train", "data.val", "model.layers.1.units", "train.schedule", "train.optim_config.beta1"]
    ),
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ).map(repr),
)
def test_any_value_gives_a_recipe_or_a_typed_error(key, value):
    try:
        recipe = apply_overrides(parse_recipe(TEXT), [f"{key}={value}"])
    except ChainruleError:
        return
    again = parse_recipe(to_toml(recipe))
    assert again == recipe or math.isnan(recipe.rule.learning_rate)


@given(st.text(max_size=60))
def test_any_text_is_refused_with_a_typed_error(text):
    with pytest.raises(ConfigError):
        parse_recipe(text)
