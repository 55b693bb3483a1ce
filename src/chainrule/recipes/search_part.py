"""[search] of a recipe: which of its entries may vary, over which values, and how the best are looked for."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from chainrule.errors import ConfigError, unknown
from chainrule.recipes.spaces import Space, parse_space

Count: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]

STRATEGIES = ("grid", "random", "coarse-to-fine", "tpe")
_KEY = re.compile(r"[A-Za-z_][\w-]*((\.[\w-]+)|(\[\d+\]))*")
_REPEAT = re.compile(r"repeat\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")


class StagePart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One stage from coarse to fine: so many trials of so many epochs, in the spaces around the `keep` best before."""

    trials: Count
    epochs: Count
    keep: Count = 4


class SearchPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[search]: the spaces and how they are searched.

    spaces: by name, one line each, see `chainrule.recipes.spaces`. A name is the key of the recipe's entry, such as
    train.batch_size, or any word that [search.bind] ties to a key, or to several. `repeat(i, j)` is the key of a
    depth: the layers i to j of the model, that often in a row; other keys count layers as the recipe lists them.

    strategy: grid, random, coarse-to-fine (random in `stages`), tpe. trials: of random and tpe. pruner: what stops a
    trial that does badly early on. monitor: what is compared. seed: of the values drawn; weights and batches have the
    recipe's own. repeats: trainings a trial, with seeds one after the other; their mean counts. confirm: trainings of
    the best trial at the end, with seeds one after the other. round: trials of tpe or with a pruner learn from
    the rounds of so many before theirs, so that results do not depend on the number of processes.
    """

    spaces: dict[str, str] = {}
    bind: dict[str, str | list[str]] = {}
    strategy: Literal["grid", "random", "coarse-to-fine", "tpe"] = "random"
    trials: Count = 20
    stages: list[StagePart] = []
    pruner: Literal["none", "median", "halving"] = "none"
    monitor: Literal["val_acc", "val_loss"] = "val_acc"
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    repeats: Annotated[int, Meta(ge=1, le=1000)] = 1
    confirm: Annotated[int, Meta(ge=0, le=1000)] = 0
    round: Annotated[int, Meta(ge=1, le=1000)] = 8

    def parsed(self) -> dict[str, Space]:
        """The spaces by name, each read from its text."""
        return {name: parse_space(text, f"search.spaces.{name}") for name, text in self.spaces.items()}

    def keys(self, name: str) -> tuple[str, ...]:
        """What the space `name` is bound to: dotted keys, or `repeat(i, j)`."""
        bound = self.bind.get(name, name)
        return tuple(dotted(key) for key in ([bound] if isinstance(bound, str) else bound))

    def check(self) -> None:
        """Raise unless every space can be read and bound, and the options fit together."""
        spaces = self.parsed()
        for name in self.bind:
            if name not in spaces:
                raise ConfigError(f"search.bind: {unknown('space', name, spaces)}")
        taken: dict[str, str] = {}
        for name in spaces:
            if not self.keys(name):
                raise ConfigError(f"search.bind.{name}: must name an entry of the recipe, got an empty list")
            for key in self.keys(name):
                where = f"search.bind.{name}" if name in self.bind else f"search.spaces.{name}"
                if not (_KEY.fullmatch(key) or repeated(key)):
                    raise ConfigError(
                        f"{where}: must be a key such as train.batch_size or model.layers[1].units, or repeat(1, 2), "
                        f"got {key!r}"
                    )
                if key.split(".")[0] in ("search", "name"):
                    raise ConfigError(f"{where}: {key} cannot be searched over")
                if key in taken:
                    raise ConfigError(f"{where}: {key} has a space already, {taken[key]}")
                taken[key] = name
        if (self.strategy == "coarse-to-fine") != bool(self.stages):
            raise ConfigError(
                "search.stages: coarse-to-fine needs stages, such as [{ trials = 16, epochs = 2 }, { trials = 8, "
                f"epochs = 10 }}], and no other strategy takes any, got {len(self.stages)} with {self.strategy}"
            )
        if self.pruner != "none" and self.repeats > 1:
            raise ConfigError("search.pruner and search.repeats exclude each other; give one of them")
        if self.strategy == "grid":
            for space in spaces.values():
                space.grid()


def dotted(key: str) -> str:
    """A key with positions written after dots.

    >>> dotted("model.layers[1].units")
    'model.layers.1.units'
    """
    return re.sub(r"\[(\d+)\]", r".\1", key.strip())


def repeated(key: str) -> tuple[int, int] | None:
    """The first and the last layer of a key `repeat(i, j)`; None for any other key."""
    found = _REPEAT.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))
