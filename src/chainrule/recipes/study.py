"""A study: one recipe trained in several variants, and what its source says of them.

A study is a TOML file beside the recipes, `studies/<name>.toml`. It names a base recipe and says what varies: a list of
named variants, a grid of values, or both, all of which are combined:

    name = "notmnist-lr-sweep"
    base = "notmnist-one-hidden"
    judge = "best"
    reported = { test_accuracy = 0.8946 }
    grid = { "train.optim_config.learning_rate" = [0.1, 0.05] }

    [[variants]]
    name = "1000 units"
    set = { "model.layers.1.units" = 1000 }

`judge` says what is put
beside the study's reported figures: the "best" variant on the validation rows, or, with "each", nothing but every
variant's own figures. `claims` are comparisons of two variants.
"""

from __future__ import annotations

import itertools
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from chainrule.errors import ConfigError, unknown
from chainrule.recipes.reading import change, convert, list_recipes, load_recipe, parse_tables, read_tables
from chainrule.recipes.recipe import Recipe, Reported
from chainrule.typed import typed

Figure = Literal[
    "train_accuracy", "val_accuracy", "test_accuracy", "train_loss", "val_loss", "test_loss", "mean_step_loss"
]
MAX_VARIANTS = 200


class Variant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training of a study: entries of the base recipe that are replaced, by path; `base` takes another recipe."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    base: str | None = None
    set: dict[str, Any] = {}
    reported: Reported = Reported()


class Claim(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`figure` is higher in the variant `higher` than in the variant `lower`; `says` is that in words.

    mean_step_loss is the mean of the training loss over all steps, which is low where training is fast. With `best`
    alone: that variant, with any values of the grid, is the best on the validation rows.
    """

    says: str
    figure: Figure = "val_accuracy"
    higher: str | None = None
    lower: str | None = None
    best: str | None = None

    def is_best(self, variant: str) -> bool:
        """Whether `variant` is the one that `best` names, or one of its variants by the grid."""
        return self.best is not None and (variant == self.best or variant.startswith(f"{self.best}, "))


class Study(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several trainings, and what is said of them; title, source, setting and note are as in a recipe."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str
    source: str
    setting: Literal["as reported", "corrected", "tuned", "own"] = "as reported"
    note: str = ""
    base: str
    set: dict[str, Any] = {}
    grid: dict[str, Annotated[list[Any], Meta(min_length=1)]] = {}
    variants: list[Variant] = []
    judge: Literal["best", "each"] = "best"
    monitor: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    reported: Reported = Reported()
    claims: list[Claim] = []

    @property
    def trainings(self) -> dict[str, Recipe]:
        """The recipe of every variant, by the variant's name, in order."""
        return {v.name: self._recipe(v) for v in self.all_variants}

    @property
    def all_variants(self) -> list[Variant]:
        """Every listed variant with every combination of the grid's values."""
        named = self.variants if self.variants else [None]
        found = []
        for variant, values in itertools.product(named, itertools.product(*self.grid.values())):
            words = [f"{key.split('.')[-1]} {_short(v)}" for key, v in zip(self.grid, values, strict=True)]
            combined = dict(zip(self.grid, values, strict=True))
            if variant is None:
                found.append(Variant(name=", ".join(words), set=combined))
            else:
                name = ", ".join([variant.name, *words])
                found.append(msgspec.structs.replace(variant, name=name, set={**variant.set, **combined}))
        return found

    def check(self, where: str) -> Study:
        """This study, if all that it declares can be made; otherwise a `ConfigError` that starts with `where`."""
        if not self.grid and not self.variants:
            raise ConfigError(f"{where}: needs a grid, variants or both")
        names = [variant.name for variant in self.all_variants]
        if len(names) > MAX_VARIANTS:
            raise ConfigError(f"{where}: must have at most {MAX_VARIANTS} variants, got {len(names)}")
        if len(set(names)) < len(names):
            raise ConfigError(f"{where}: variants must have different names, got {', '.join(names)}")
        if self.judge == "each" and self.reported != Reported():
            raise ConfigError(f"{where}: reported figures of the study need judge = 'best'; variants have their own")
        for claim in self.claims:
            pair = (claim.higher, claim.lower)
            if (claim.best is None) == (None in pair) or (claim.best is not None and pair != (None, None)):
                raise ConfigError(f"{where}: a claim needs higher and lower, or best, got {claim.says!r} with neither")
            for name in pair:
                if name is not None and name not in names:
                    raise ConfigError(f"{where}: claim {claim.says!r}: {unknown('variant', name, names)}")
            if claim.best is not None and not any(claim.is_best(name) for name in names):
                raise ConfigError(f"{where}: claim {claim.says!r}: {unknown('variant', claim.best, names)}")
        try:
            _ = self.trainings
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        return self

    def _recipe(self, variant: Variant) -> Recipe:
        base = load_recipe(self.base if variant.base is None else variant.base)
        words = {"name": self.name, "title": f"{self.title}: {variant.name}", "setting": self.setting, "note": ""}
        plain = {k: v for k, v in msgspec.to_builtins(variant.reported).items() if v is not None}
        changes = {**self.set, **variant.set, **words, "reported": plain}
        return change(base, changes, f"variant {variant.name!r}")


def list_studies() -> list[str]:
    """The names of the studies that come with the package.

    >>> "mnist-depth" in list_studies()
    True
    """
    folder = resources.files("chainrule.recipes").joinpath("studies")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


@typed
def load_study(name_or_path: str | Path) -> Study:
    """A study of the package by its name, or one of your own by its path (which ends in `.toml` or holds a slash).

    Raises `ConfigError` for an unknown name, a file that cannot be read, and a study that is not one.

    >>> len(load_study("mnist-depth").trainings)
    8
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return parse_study(read_tables(name_or_path), text)
    known = list_studies()
    if text not in known:
        raise unknown("study", text, known)
    shipped = resources.files("chainrule.recipes").joinpath("studies", f"{text}.toml").read_text("utf-8")
    return parse_study(parse_tables(shipped, text), text)


def parse_study(tables: dict[str, Any], where: str = "study") -> Study:
    """The study that the tables of a TOML text declare; `where` opens its error messages."""
    study: Study = convert(tables, Study, where)
    return study.check(where)


def load_any(text: str) -> Recipe | Study:
    """A recipe or a study, by name or by path; a file is a study where it names a base."""
    if text in list_studies():
        return load_study(text)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        return load_study(text) if "base" in read_tables(text) else load_recipe(text)
    known = list_recipes()
    if text not in known:
        raise unknown("recipe or study", text, [*known, *list_studies()])
    return load_recipe(text)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
