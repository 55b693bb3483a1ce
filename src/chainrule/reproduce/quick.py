"""Short trainings in place of long ones: fewer rows, then fewer epochs. They show that a row runs, not its figure."""

from __future__ import annotations

from chainrule.recipes import Recipe, change
from chainrule.reproduce.cost import estimate, training_rows

ROWS = 2000  # what is left of a larger training set
SECONDS_A_ROW = 4.0  # about, on one core, beside reading the data


def shortened(recipe: Recipe, seconds: float) -> Recipe:
    """`recipe` as it is where it takes no longer than `seconds`; otherwise on 2,000 rows, for as many epochs as fit.

    >>> from chainrule.recipes import load_recipe
    >>> short = shortened(load_recipe("mnist-mlp-600"), 1.0)
    >>> short.data.train, short.train.epochs < 20
    (2000, True)
    """
    if estimate(recipe) <= seconds:
        return recipe
    if training_rows(recipe) > ROWS:
        recipe = change(recipe, {"data.train": ROWS})
    epochs = int(recipe.train.epochs * min(seconds / estimate(recipe), 1.0))
    return change(recipe, {"train.epochs": max(epochs, 1)})
