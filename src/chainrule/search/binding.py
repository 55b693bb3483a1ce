"""The recipe of one trial: the values of the spaces put at the entries they are bound to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chainrule.errors import ConfigError, describe
from chainrule.recipes import Recipe, change
from chainrule.recipes.recipe import to_plain
from chainrule.recipes.search_part import SearchPart, dotted, repeated
from chainrule.recipes.spaces import Space, label


def bound(recipe: Recipe, values: Mapping[str, Any], **more: Any) -> Recipe:
    """`recipe` without its [search], with a value for each space; `more` entries by key, dots written as `__`.

    Keys count layers as the recipe lists them: layers are repeated last, those at the end first.
    """
    part = declared(recipe)
    entries: dict[str, Any] = {key.replace("__", "."): value for key, value in more.items()}
    repeats: dict[tuple[int, int], Any] = {}
    for name, value in values.items():
        for key in part.keys(name):
            layers = repeated(key)
            if layers is None:
                entries[key] = value
            else:
                repeats[layers] = value
    where = f"recipe {recipe.name} with {in_words(values)}"
    changed = change(msgspec.structs.replace(recipe, search=None), entries, where)
    return changed if not repeats else change(changed, {"model.layers": _deepened(changed, repeats, where)}, where)


def check_bindings(recipe: Recipe) -> None:
    """Raise a `ConfigError` unless every entry that is bound takes every end of its space, the others being first."""
    spaces = declared(recipe).parsed()
    first = {name: space.ends()[0] for name, space in spaces.items()}
    for name, space in spaces.items():
        for value in space.ends():
            bound(recipe, {**first, name: value})


def declared(recipe: Recipe) -> SearchPart:
    """The [search] of a recipe; a `ConfigError` where it has none, or no spaces."""
    if recipe.search is None or not recipe.search.spaces:
        raise ConfigError(
            f"recipe {recipe.name} has no [search.spaces]; give some, such as --space 'train.batch_size=choice(32, 64)'"
        )
    return recipe.search


def in_words(values: Mapping[str, Any]) -> str:
    """The values in one line.

    >>> in_words({"lr": 0.01, "train.batch_size": 8})
    'lr=0.01, batch_size=8'
    """
    return ", ".join(f"{short(name)}={shown(value)}" for name, value in values.items())


def shown(value: Any) -> str:
    """One value as tables show it."""
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def short(name: str) -> str:
    """The last word of a dotted key, or the last two where one alone says little.

    >>> short("train.optim_config.learning_rate"), short("model.layers.1.units"), short("repeat(1, 2)")
    ('learning_rate', 'layer 1 units', 'repeat(1, 2)')
    """
    words = dotted(name).split(".")
    return f"layer {words[-2]} {words[-1]}" if len(words) > 1 and words[-2].isdigit() else words[-1]


def stored(space: Space, value: Any) -> Any:
    """A value as the study's database holds it: numbers as they are, a choice by its label."""
    return label(value) if space.name == "choice" else value


def _deepened(recipe: Recipe, repeats: Mapping[tuple[int, int], Any], where: str) -> list[Any]:
    """The declared layers, those from `first` to `last` as often in a row as asked for."""
    layers: list[Any] = to_plain(recipe)["model"]["layers"]
    end, count = len(layers), len(layers)
    for (first, last), times in sorted(repeats.items(), reverse=True):
        if not first <= last < end:
            free = f"0 to {count - 1}" if end == count else f"below {end}, where other layers are repeated"
            raise ConfigError(f"{where}: repeat({first}, {last}) must name layers {free}, the first one first")
        if isinstance(times, bool) or not isinstance(times, int) or not 0 <= times <= 1000:
            raise ConfigError(
                f"{where}: repeat({first}, {last}) must have integers from 0 to 1000, got {describe(times)}"
            )
        layers[first : last + 1] = layers[first : last + 1] * times
        end = first
    return layers
