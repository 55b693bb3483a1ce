"""Reading recipes: from TOML text, by name or path, and with single entries overridden.

Errors name the entry as the file spells it (`train.epochs`), say what was expected and what came, and suggest the
nearest known name for a misspelt one.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from chainrule.errors import ConfigError, DTypeError, describe, require_text, shown, unknown
from chainrule.recipes.recipe import Recipe, require_recipe, to_plain
from chainrule.typed import typed

MAX_BYTES = 1 << 20


def list_recipes() -> list[str]:
    """The names of the recipes that come with the package.

    >>> "digits-mlp" in list_recipes()
    True
    """
    folder = resources.files("chainrule.recipes")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


@typed
def load_recipe(name_or_path: str | Path) -> Recipe:
    """A recipe of the package by its name, or one of your own by its path (which ends in `.toml` or holds a slash).

    Raises `ConfigError` for an unknown name, a file that cannot be read, and a recipe that is not one.

    >>> load_recipe("digits-mlp").data.name
    'digits'
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return _recipe(read_tables(name_or_path), text, Path(name_or_path).parent)
    known = list_recipes()
    if text not in known:
        raise unknown("recipe", text, known)
    return parse_recipe(resources.files("chainrule.recipes").joinpath(f"{text}.toml").read_text("utf-8"), text)


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """The recipe that a TOML text declares; `where` opens its error messages."""
    require_text("parse_recipe", "where", where)
    if not isinstance(text, str):
        raise DTypeError(f"{where}: must be a TOML text, got {describe(text)}")
    if not text.strip():
        raise ConfigError(f"{where}: must be a TOML text with an entry at least, got {shown(text)}")
    return _recipe(parse_tables(text, where), where)


def apply_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """A copy of `recipe` with entries replaced, each given as `key=value`.

    The key is a path such as `train.optim_config.learning_rate` or `model.layers.0.units`; `model.layers.*.units` is
    that of every layer that has `units`. The value is a TOML value;
    what is none is taken as a string. `data.folder` takes the place of `data.name`, and that of the folder with its
    options. Raises `ConfigError` naming the key.

    >>> apply_overrides(load_recipe("digits-mlp"), ["train.epochs=3"]).train.epochs
    3
    """
    require_recipe("apply_overrides", recipe)
    if not isinstance(overrides, (list, tuple)) or not all(isinstance(o, str) for o in overrides):
        raise DTypeError(f"apply_overrides: overrides must be a list of texts KEY=VALUE, got {describe(overrides)}")
    changes = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"override must be written key=value, such as train.epochs=3, got {override!r}")
        changes.append((key.strip(), _value(value.strip())))
    return _changed(recipe, changes, f"recipe {recipe.name} with {', '.join(overrides)}" if overrides else recipe.name)


@typed
def change(recipe: Recipe, changes: Mapping[str, Any], where: str | None = None) -> Recipe:
    """A copy of `recipe` with entries replaced, each a path such as `train.epochs` with its new value.

    `where` opens the messages of errors. Raises `ConfigError` naming the key.

    >>> change(load_recipe("digits-mlp"), {"train.epochs": 3}).train.epochs
    3
    """
    if not all(isinstance(key, str) for key in changes):
        raise DTypeError(f"change: changes must be a table of values by path, got {describe(changes)}")
    return _changed(recipe, list(changes.items()), f"recipe {recipe.name}" if where is None else where)


def _changed(recipe: Recipe, changes: Sequence[tuple[str, Any]], where: str) -> Recipe:
    plain = to_plain(recipe)
    for key, value in changes:
        paths = _paths(plain, key.split("."))
        if not paths:
            raise ConfigError(f"{where}: cannot change {key}, which is the path of nothing in recipe {recipe.name}")
        for path in paths:
            _assign(plain, path, copy.deepcopy(value))
    _keep_one_source(plain, {key for key, _ in changes})
    return _recipe(plain, where)


# -- from plain data, with errors that name the entry ---------------------------------------------------------------


def read_tables(path: str | Path) -> dict[str, Any]:
    """The tables of the TOML file `path`; a `ConfigError` where it cannot be read or is none."""
    return parse_tables(_read(Path(path)), str(path))


def parse_tables(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{where}: not TOML: {error}") from None


def _recipe(plain: dict[str, Any], where: str, base: Path | None = None) -> Recipe:
    """The recipe of `plain`, its data folder made absolute: from `base` on, or from the working directory."""
    recipe: Recipe = convert(plain, Recipe, where)
    recipe.check(where)
    if recipe.data.folder is None:
        return recipe
    folder = os.path.expanduser(recipe.data.folder)
    folder = os.path.abspath(folder if base is None else base / folder)
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, folder=folder))


def convert(plain: dict[str, Any], struct: Any, where: str) -> Any:
    """`plain` as a `struct`, every entry of its type; otherwise a `ConfigError` that names the entry."""
    _check_keys(plain, struct, where, "")
    try:
        return msgspec.convert(plain, struct, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), plain, struct)}") from None


def _check_keys(table: Any, struct: Any, where: str, path: str) -> None:
    """Raise for a key that `struct` does not have, before msgspec would, so that the right one is suggested."""
    if not isinstance(table, dict):
        return
    hints = _hints(struct)
    for key, value in table.items():
        if key not in hints:
            kind = f"entry of [{path.removesuffix('.')}]" if path else "entry"
            raise ConfigError(f"{where}: {unknown(kind, key, hints)}")
        for option in (hints[key], *typing.get_args(hints[key])):
            if isinstance(option, type) and issubclass(option, msgspec.Struct):
                _check_keys(value, option, where, f"{path}{key}.")


_hints = functools.cache(typing.get_type_hints)


def _explain(message: str, plain: Any, struct: Any) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.train.epochs`" as `train.epochs: expected int, got str 'x'`."""
    text, _, path = message.partition(" - at `$")
    text = text.replace("`", "").replace("Expected", "expected").replace("Object missing required field", "needs")
    keys = re.findall(r"[^.\[\]`]+", path)
    value = plain
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value.get(key) if isinstance(value, dict) else None
    name = ".".join(keys)
    if text.startswith("needs"):
        return f"[{name}] {text}" if name else text
    if text.startswith("Invalid enum value"):
        choices = _choices(struct, keys)
        return f"{name}: expected {' or '.join(map(repr, choices))}, got {describe(value)}"
    return f"{name}: {text.split(', got')[0]}, got {describe(value)}"


def _choices(struct: Any, keys: Sequence[str]) -> list[Any]:
    """The values that the `Literal` at the path `keys` of a struct allows."""
    hint = struct
    for key in keys:
        if key.isdigit():  # an entry of a list, whose type its first argument is
            hint = typing.get_args(next(o for o in (hint, *typing.get_args(hint)) if typing.get_origin(o) is list))[0]
            continue
        tables = [o for o in (hint, *typing.get_args(hint)) if isinstance(o, type) and issubclass(o, msgspec.Struct)]
        hint = _hints(tables[0])[key]
    options = [hint, *typing.get_args(hint)]
    return [c for option in options if typing.get_origin(option) is typing.Literal for c in typing.get_args(option)]


def _keep_one_source(plain: dict[str, Any], given: set[str]) -> None:
    """Of a name and a folder keep the one that was given, where the other was not."""
    for key, others in (("folder", ("name",)), ("name", ("folder", "resize", "channels", "on_bad"))):
        if f"data.{key}" in given and isinstance(plain.get("data"), dict):
            for other in others:
                if f"data.{other}" not in given:
                    plain["data"].pop(other, None)


def _paths(node: Any, path: list[str]) -> list[str]:
    """The paths that `path` means below `node`: `*` is every entry of a list that has the next word."""
    if "*" not in path:
        return [".".join(path)]
    at = path.index("*")
    for word in path[:at]:
        node = node.get(word) if isinstance(node, dict) else None
    if not isinstance(node, list) or at + 1 == len(path):
        return []
    fitting = [i for i, entry in enumerate(node) if isinstance(entry, dict) and path[at + 1] in entry]
    return [".".join([*path[:at], str(i), rest]) for i in fitting for rest in _paths(node[i], path[at + 1 :])]


def _assign(plain: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at the path `key`, making the optional tables on the way; unknown names are left to `_recipe`."""
    node: Any = plain
    *path, last = key.split(".")
    for i, part in enumerate([*path, last]):
        at: Any = part
        here = ".".join(key.split(".")[:i])
        if isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                raise ConfigError(f"{key}: {here} has entries 0 to {len(node) - 1}, got {part!r}")
            at = int(part)
        elif not isinstance(node, dict):
            raise ConfigError(f"{key}: {here} is {describe(node)} and has no entries")
        if i == len(path):
            node[at] = value
        else:
            node = node[at] if isinstance(node, list) else node.setdefault(at, {})


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (tomllib.TOMLDecodeError, RecursionError):
        pass
    try:
        return float(text)  # .5 and 5. are numbers to everyone but TOML
    except ValueError:
        return text


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"recipe {str(path)!r} cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"recipe {str(path)!r} must have at most {MAX_BYTES} bytes, got more")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"recipe {str(path)!r} must be a UTF-8 text") from None
