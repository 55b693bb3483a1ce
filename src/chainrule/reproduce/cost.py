"""About how long a training takes, before anything is loaded: for the order of rows and the length of quick ones."""

from __future__ import annotations

from chainrule.data.facts import FACTS
from chainrule.recipes import Recipe
from chainrule.recipes.experiment import declared_shape
from chainrule.summary import Summary

EPOCH_SECONDS, STEP_SECONDS, FLOPS_PER_SECOND = 1e-2, 1e-4, 6e10  # of one core, roughly
PASSES = 3  # forward, and backward to inputs and to weights
UNKNOWN_ROWS = 1000  # of a folder of images, which is not looked into for this


def estimate(recipe: Recipe) -> float:
    """Seconds on one core: the epochs with what is measured after each, their steps, and the arithmetic."""
    rows = training_rows(recipe)
    steps = recipe.train.epochs * max(rows // recipe.train.batch_size, 1)
    multiply_adds = Summary(recipe.layers, declared_shape(recipe), 4).multiply_adds
    arithmetic = recipe.train.epochs * rows * multiply_adds * 2 * PASSES / FLOPS_PER_SECOND
    return recipe.train.epochs * EPOCH_SECONDS + steps * STEP_SECONDS + arithmetic


def training_rows(recipe: Recipe) -> int:
    """How many rows the recipe trains on, as far as it and the catalogue say.

    >>> from chainrule.recipes import load_recipe
    >>> training_rows(load_recipe("mnist-mlp-600"))
    59000
    """
    part = recipe.data
    known = None if part.name is None else FACTS.get(part.name)
    total = UNKNOWN_ROWS if known is None else next(iter(known.sizes.values()))
    train, val, test = (round(p * total) if isinstance(p, float) else p for p in (part.train, part.val, part.test))
    assert val is not None  # both have defaults or are required
    assert test is not None
    return max(total - val - test, 1) if train is None else max(train, 1)
