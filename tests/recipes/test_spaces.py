"""Spaces of a search, and [search] of a recipe: what is drawn, what is refused, with which words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import ChainruleError, ConfigError
from chainrule.recipes import apply_overrides, load_recipe, parse_recipe, to_toml
from chainrule.recipes.spaces import Choice, Log, Range, Uniform, label, parse_space

SEARCH = """
[search]
strategy = "tpe"
trials = 12
[search.spaces]
lr = "log(1e-4, 1e-1)"
"train.batch_size" = "choice(32, 64)"
depth = "range(1, 3)"
[search.bind]
lr = "train.optim_config.learning_rate"
depth = "repeat(1, 2)"
"""


def recipe(search=SEARCH):
    return parse_recipe(to_toml(load_recipe("digits-mlp")) + search)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform(0, 1)", Uniform(0, 1)),
        (" log( 1e-5 , 1e-1 ) ", Log(1e-5, 1e-1)),
        ("log(1e-5, 1e-1, 5)", Log(1e-5, 1e-1, 5)),
        ("range(1, 9, 4)", Range(1, 9, 4)),
        ("choice(50, 100, 200)", Choice((50, 100, 200))),
        ('choice("sgd", "adam",)', Choice(("sgd", "adam"))),
        ('choice({ schedule = "cosine" }, "a,b)")', Choice(({"schedule": "cosine"}, "a,b)"))),
        ("choice(true, 1, 1.0)", Choice((True, 1, 1.0))),
    ],
)
def test_what_a_line_declares(text, expected):
    assert parse_space(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lgo(1, 2)", "did you mean 'log'"),
        ("log(0, 1)", "low must be a number > 0"),
        ("uniform(2, 1)", "low must be below high"),
        ("uniform(1)", "low and a high end"),
        ("uniform(0, 1, 2, 3)", "got 4 values"),
        ("uniform(0, inf)", "finite"),
        ('uniform("a", 1)', "must be a number"),
        ("range(1, 2.5)", "integer"),
        ("range(5, 1)", "must not be above"),
        ("range(1, 5, 0)", ">= 1"),
        ("log(1, 2, 1)", ">= 2"),
        ("choice()", "1 to 1000 values, got 0"),
        ("choice(1, 2, 1)", "got 1 twice"),
        ("choice(sgd, adam)", "TOML values"),
        ("choice(1]\nother = [2)", "TOML values"),
        ("choice(__import__('os').system('true'))", "TOML values"),
        ("5", "must be a space"),
        ("", "must be a space"),
        (5, "got int 5"),
    ],
)
def test_what_is_no_space_is_refused_with_a_reason(text, said):
    with pytest.raises(ConfigError, match=r"^search\.spaces\.x: ") as caught:
        parse_space(text, "search.spaces.x")
    assert said in str(caught.value)


@given(
    st.text(max_size=30)
    | st.sampled_from(["log", "range", "choice"]).flatmap(lambda n: st.text(max_size=12).map(lambda t: f"{n}({t})"))
)
def test_any_text_is_a_space_or_a_typed_error(text):
    try:
        space = parse_space(text)
    except ChainruleError:
        return
    space.ends()


@given(st.floats(0, 1, exclude_max=True))
def test_draws_cover_the_space_and_position_is_their_inverse(u):
    assert Uniform(-2, 6).draw(u) == pytest.approx(-2 + 8 * u, rel=1e-5)
    assert math.log10(Log(1e-5, 1e-1).draw(u)) == pytest.approx(-5 + 4 * u, abs=1e-5)
    assert Range(1, 9, 4).draw(u) == [1, 5, 9][int(3 * u)]
    assert Choice(("a", "b")).draw(u) == "ab"[int(2 * u)]
    for space in (Uniform(-2, 6), Log(1e-5, 1e-1)):
        assert space.position(space.draw(u)) == pytest.approx(u, abs=1e-5)
    for space, n in ((Range(1, 9, 4), 3), (Choice(("a", "b", 3)), 3)):
        assert abs(space.position(space.draw(u)) - u) <= 1 / (2 * n) + 1e-12


def test_grids():
    assert Uniform(0, 1, 3).grid() == [0, 0.5, 1]
    assert Log(1e-4, 1e-1, 4).grid() == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert (Log(1e-4, 1e-1, 4).grid()[0], Log(1e-4, 1e-1, 4).grid()[-1]) == (1e-4, 1e-1)
    assert Range(2, 9, 3).grid() == [2, 5, 8]
    with pytest.raises(ConfigError, match=r"such as log\(0.1, 1, 5\)"):
        Log(0.1, 1).grid()
    with pytest.raises(ConfigError, match="at most 1000"):
        Range(1, 5000).grid()


def test_narrower_spaces_hold_the_values_and_lie_inside():
    assert Choice(("a", "b", "c")).narrowed(["c", "a", "a"]) == Choice(("a", "c"))
    assert Range(1, 20).narrowed([4, 12]) == Range(4, 12)
    assert Range(1, 20).narrowed([20]).grid() == [18, 19, 20]
    assert Range(0, 9, 3).narrowed([3]) == Range(3, 3, 3)
    narrow = Log(1e-4, 1e0).narrowed([1e-2])
    assert (narrow.low, narrow.high) == (0.00316228, 0.0316228)
    assert Uniform(0, 1).narrowed([0.0]) == Uniform(0, 0.125)
    assert Uniform(0, 1).narrowed([0.125, 0.875]) == Uniform(0.125, 0.875)


def test_labels_differ_where_values_do():
    values = ["5", 5, 5.0, "True", True, "adam", "{", [1], "[1]", "", "-1", -1]
    assert len({label(v) for v in values}) == len(values)


def test_a_recipe_with_a_search_is_written_and_read_back():
    own = recipe()
    assert own.search.strategy == "tpe"
    assert own.search.keys("lr") == ("train.optim_config.learning_rate",)
    assert own.search.keys("train.batch_size") == ("train.batch_size",)
    assert parse_recipe(to_toml(own)) == own
    assert load_recipe("digits-mlp").search is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("search.strategy=grid", "grid needs the number of points"),
        ("search.strategy=girid", "'grid' or 'random'"),
        ("search.trials=0", ">= 1"),
        ("search.trils=3", "did you mean 'trials'"),
        ("search.strategy=coarse-to-fine", "needs stages"),
        ("search.stages=[{trials=3, epochs=1}]", "no other strategy takes any"),
        ("search.bind.lrr=seed", "did you mean 'lr'"),
        ("search.bind.lr=[]", "empty list"),
        ("search.bind.lr=train.batch_size", "has a space already"),
        ("search.bind.lr=search.trials", "cannot be searched over"),
        ("search.bind.depth=repeat(1)", "or repeat(1, 2)"),
        ("search.spaces.lr=log(1)", "search.spaces.lr"),
    ],
)
def test_a_search_that_cannot_be_is_refused(override, said):
    with pytest.raises(ConfigError) as caught:
        apply_overrides(recipe(), [override])
    assert said in str(caught.value)


def test_a_pruner_and_repeats_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude each other"):
        apply_overrides(recipe(), ["search.pruner=median", "search.repeats=2"])


def test_a_long_text_is_not_repeated_in_the_message() -> None:
    """Found by the fuzzer that is guided by coverage."""
    with pytest.raises(ConfigError) as caught:
        parse_space(f"choice(1, {{b = _2{'[0.5, true]) ' * 300})")
    assert len(str(caught.value)) < 300
