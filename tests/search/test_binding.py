"""The recipe of a trial: values at their entries, layers repeated, what does not fit refused."""

from __future__ import annotations

import pytest
from tests.search.helpers import small

from chainrule.errors import ConfigError
from chainrule.recipes import change, load_recipe
from chainrule.search.binding import bound, check_bindings


def names(recipe):
    return [layer.name for layer in recipe.layers]


def test_values_are_put_where_their_spaces_are_bound():
    recipe = bound(small(), {"lr": 0.02, "train.batch_size": 128, "depth": 3}, train__epochs=7, seed=5)
    assert recipe.train.optim_config == {"learning_rate": 0.02}
    assert (recipe.train.batch_size, recipe.train.epochs, recipe.seed) == (128, 7, 5)
    assert names(recipe) == ["Flatten", *["Affine", "ReLU"] * 3, "Affine"]
    assert recipe.search is None


def test_keys_count_layers_as_listed_whatever_is_repeated():
    bind = {"depth": "repeat(1, 2)", "units": ["model.layers[1].units", "model.layers.3.units"]}
    recipe = small(spaces={"depth": "range(0, 3)", "units": "range(10, 20)"}, bind=bind)
    affine = [layer.units for layer in bound(recipe, {"depth": 2, "units": 12}).layers if layer.name == "Affine"]
    assert affine == [12, 12, 12]
    assert names(bound(recipe, {"depth": 0, "units": 12})) == ["Flatten", "Affine"]


def test_two_depths():
    bind = {"a": "repeat(0, 0)", "b": "repeat(1, 2)"}
    recipe = small(spaces={"a": "range(1, 2)", "b": "range(1, 2)"}, bind=bind)
    assert names(bound(recipe, {"a": 2, "b": 2})) == [
        "Flatten",
        "Flatten",
        "Affine",
        "ReLU",
        "Affine",
        "ReLU",
        "Affine",
    ]


@pytest.mark.parametrize(
    ("spaces", "bind", "said"),
    [
        ({"d": "range(1, 2)"}, {"d": "repeat(1, 9)"}, r"repeat\(1, 9\) must name layers 0 to 3"),
        ({"d": "range(1, 2)"}, {"d": "repeat(2, 1)"}, "the first one first"),
        ({"d": "uniform(1, 2)"}, {"d": "repeat(1, 2)"}, "integers from 0 to 1000, got float"),
        ({"d": "range(1, 2000)"}, {"d": "repeat(1, 2)"}, "integers from 0 to 1000, got int 2000"),
        (
            {"d": "range(1, 2)", "e": "range(1, 2)"},
            {"d": "repeat(1, 2)", "e": "repeat(2, 3)"},
            "other layers are repeated",
        ),
        ({"d": "range(1, 2)"}, {}, "unknown entry 'd'"),
        ({"train.batch_size": "range(0, 4)"}, {}, r"batch_size=0: train\.batch_size: expected int >= 1"),
        ({"train.batch_size": "uniform(1, 4)"}, {}, "expected int"),
        ({"model.layers.1.unit": "range(1, 4)"}, {}, "did you mean 'units'"),
        ({"model.layers.9.units": "range(1, 4)"}, {}, "entries 0 to 3"),
        ({"train.update_rule": 'choice("adam", "adma")'}, {}, "did you mean 'adam'"),
    ],
)
def test_a_space_that_its_entry_does_not_take_is_refused_before_anything_is_trained(spaces, bind, said):
    with pytest.raises(ConfigError, match=said):
        check_bindings(small(spaces=spaces, bind=bind))


def test_a_recipe_without_spaces_says_how_to_give_some():
    for recipe in (load_recipe("digits-mlp"), change(small(), {"search": {}})):
        with pytest.raises(ConfigError, match=r"has no \[search.spaces\]; give some, such as --space"):
            check_bindings(recipe)
