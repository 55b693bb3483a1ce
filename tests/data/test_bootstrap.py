"""Bootstrap samples: their distribution, the rows left out, and the recipe entry that draws them."""

import numpy as np
import pytest

from chainrule.data.bootstrap import bootstrap_rows, out_of_bag
from chainrule.errors import ConfigError, DTypeError
from chainrule.recipes import apply_overrides, build, load_recipe
from chainrule.recipes.experiment import load_splits


def test_every_row_is_drawn_equally_often():
    counts = np.bincount(np.concatenate([bootstrap_rows(50, seed) for seed in range(400)]), minlength=50)
    expected = 400.0
    assert ((counts - expected) ** 2 / expected).sum() < 85.4  # the 99.9 % point of chi-square with 49 degrees
    drawn = [np.bincount(bootstrap_rows(1000, seed), minlength=1000) for seed in (1, 2)]
    assert (drawn[0] != drawn[1]).any()
    assert (bootstrap_rows(1000, 1) == bootstrap_rows(1000, 1)).all()


def test_the_rows_left_out_are_those_not_drawn():
    rows = bootstrap_rows(2000, 3)
    left = out_of_bag(rows, 2000)
    assert sorted({*rows.tolist()} | {*left.tolist()}) == list(range(2000))
    assert not {*rows.tolist()} & {*left.tolist()}
    assert abs(len(left) / 2000 - (1 - 1 / 2000) ** 2000) < 0.03


def test_a_recipe_trains_on_its_sample():
    recipe = load_recipe("digits-mlp")
    plain = load_splits(recipe)[1]
    for seed in (0, 5):
        _, splits = load_splits(apply_overrides(recipe, [f"data.bootstrap={seed}"]))
        rows = bootstrap_rows(len(plain.train), seed)
        assert (plain.train.X[rows] == splits.train.X).all()
        assert (splits.train.y == plain.train.y[rows]).all()
        assert (splits.test.X == plain.test.X).all()
        assert (splits.val.X == plain.val.X).all()
    assert len(build(apply_overrides(recipe, ["data.bootstrap=1"])).data["X_train"]) == len(plain.train)


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (5, -1)])
def test_bad_numbers(n, seed):
    with pytest.raises(ConfigError, match="bootstrap_rows"):
        bootstrap_rows(n, seed)
    with pytest.raises(DTypeError, match="bootstrap_rows"):
        bootstrap_rows(5, 0.5)
