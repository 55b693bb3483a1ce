"""`chainrule recipes`: what can be trained, alone or as a study of several variants."""

from __future__ import annotations

import msgspec
from cyclopts import App

from chainrule.recipes import Recipe, Study, list_recipes, list_studies, load_recipe, load_study
from chainrule.report.tables import console, text_table

app = App(
    name="recipes",
    help_epilogue="""Examples:
  chainrule recipes
  chainrule train digits-mlp
  chainrule reproduce cifar-rules""",
)


@app.default
def recipes() -> None:
    """List the recipes and the studies that come with the package."""
    loaded = [load_recipe(name) for name in list_recipes()]
    rows = [(recipe.name, recipe.data.title, _reported(recipe), recipe.title) for recipe in loaded]
    console().print(text_table(("recipe", "data", "reported", "title"), rows))
    studies = [load_study(name) for name in list_studies()]
    several = [(study.name, str(len(study.all_variants)), _reported(study), study.title) for study in studies]
    console().print(text_table(("study", "trainings", "reported", "title"), several))


def _reported(recipe: Recipe | Study) -> str:
    figures = {k: v for k, v in msgspec.to_builtins(recipe.reported).items() if v is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in figures.items())
