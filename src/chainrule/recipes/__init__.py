"""Recipes: typed TOML files, one per experiment."""

from __future__ import annotations

from chainrule.recipes.experiment import Experiment as Experiment
from chainrule.recipes.experiment import build as build
from chainrule.recipes.reading import apply_overrides as apply_overrides
from chainrule.recipes.reading import change as change
from chainrule.recipes.reading import list_recipes as list_recipes
from chainrule.recipes.reading import load_recipe as load_recipe
from chainrule.recipes.reading import parse_recipe as parse_recipe
from chainrule.recipes.recipe import Recipe as Recipe
from chainrule.recipes.recipe import to_toml as to_toml
from chainrule.recipes.study import Study as Study
from chainrule.recipes.study import list_studies as list_studies
from chainrule.recipes.study import load_study as load_study
