"""What is to be trained: the rows, the trainings of each, and the key under which a training is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chainrule.recipes import Recipe, Study
from chainrule.recipes.study import load_any
from chainrule.reproduce.cost import estimate
from chainrule.reproduce.quick import shortened

#: The entries of a recipe that decide what training makes of it; the others only describe it.
DECISIVE = ("dtype", "generator", "data", "model", "train")


@dataclass(frozen=True)
class Job:
    """One training: a recipe with its seed. `variant` is its name in a study, empty for a recipe of its own."""

    recipe: Recipe
    variant: str = ""

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of all in the recipe that decides the outcome."""
        decisive = {name: _decided(getattr(self.recipe, name)) for name in DECISIVE}
        text = json.dumps({"seed": self.recipe.seed, **decisive}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def folder(self, kept: Path) -> Path:
        """The run folder of this training among the kept ones: the one there is, whatever its row was called."""
        there = sorted(p for p in kept.glob(f"*-{self.key}") if p.name[0] != ".")  # those have not ended
        return there[0] if there else kept / f"{self.recipe.name}-{self.recipe.seed}-{self.key}"


@dataclass(frozen=True)
class Row:
    """A line of the table: a recipe or a study, and its trainings, seed after seed."""

    declared: Recipe | Study
    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        """Of the recipe or the study."""
        return self.declared.name

    @property
    def seconds(self) -> float:
        """About how long its trainings take on one core."""
        return sum(estimate(job.recipe) for job in self.jobs)


def make_row(name_or_path: str, seeds: int = 1, budget: float | None = None) -> Row:
    """The row of a recipe or a study, each training repeated with `seeds` seeds from the recipe's own on.

    Recipes with the legacy generator keep their one seed: their figures belong to it. With a `budget` in seconds the
    trainings are shortened until the row takes about so long.
    """
    declared = load_any(name_or_path)
    trainings = declared.trainings if isinstance(declared, Study) else {"": declared}
    jobs = []
    for variant, recipe in trainings.items():
        for seed in range(recipe.seed, recipe.seed + (1 if recipe.generator == "legacy" else seeds)):
            jobs.append(Job(msgspec.structs.replace(recipe, seed=seed), variant))
    if budget is not None:
        jobs = [Job(shortened(job.recipe, budget / len(jobs)), job.variant) for job in jobs]
    return Row(declared, tuple(jobs))


def longest_first(rows: Sequence[Row]) -> list[Row]:
    """The order in which several processes are done soonest."""
    return sorted(rows, key=lambda row: -row.seconds)


def _decided(value: Any) -> Any:
    """A part of a recipe as plain data without the entries that are at their defaults, which may be added to later."""
    if not isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    plain = {}
    for field in msgspec.structs.fields(value):
        entry = getattr(value, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if entry != default:
            plain[field.name] = _decided(entry)
    return plain
