"""`chainrule recipes`: what can be trained."""

from __future__ import annotations

import msgspec
from cyclopts import App

from chainrule.recipes import Recipe, list_recipes, load_recipe
from chainrule.report.tables import console, text_table

app = App(
    name="recipes",
    help_epilogue="""Examples:
  chainrule recipes
  chainrule train digits-mlp""",
)


@app.default
def recipes() -> None:
    """List the recipes that come with the package."""
    loaded = [load_recipe(name) for name in list_recipes()]
    rows = [(recipe.name, recipe.data.title, _reported(recipe), recipe.title) for recipe in loaded]
    console().print(text_table(("recipe", "data", "reported", "title"), rows))


def _reported(recipe: Recipe) -> str:
    figures = {k: v for k, v in msgspec.to_builtins(recipe.reported).items() if v is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in figures.items())
