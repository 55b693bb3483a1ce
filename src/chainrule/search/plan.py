"""The plan of a search: which trials there are, and which values each has.

Every trial has a place: its stage and its number in it. Its values follow from (seed, place) and from the outcomes of
earlier stages and rounds alone, never from the clock: any number of processes, killed and resumed at any moment,
search the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chainrule.arrays import Stream, generator
from chainrule.errors import ConfigError
from chainrule.recipes import Recipe
from chainrule.recipes.spaces import Space
from chainrule.search import learning
from chainrule.search.binding import bound, check_bindings, declared
from chainrule.typed import typed

MAX_TRIALS = 100_000


class Place(NamedTuple):
    """Where a trial stands in the plan."""

    stage: int
    number: int


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    status: finished, pruned, diverged, refused (the recipe cannot be built), or lost (its processes were killed).
    value: the monitored figure of a finished trial. curve: that figure after each epoch. rungs: what the pruner noted.
    """

    status: str
    values: dict[str, Any]
    value: float | None = None
    curve: dict[int, float] = field(default_factory=dict)
    rungs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """So many trials; epochs: None for the recipe's. keep: of the stage before, how many the spaces close around."""

    name: str
    trials: int
    epochs: int | None = None
    keep: int = 0


Outcomes = Mapping[Place, Outcome]


class Plan:
    """The stages and trials that [search] of a recipe declares. Raises `ConfigError` where it declares none."""

    @typed
    def __init__(self, recipe: Recipe) -> None:
        check_bindings(recipe)
        if recipe.train.epochs < 1 and not declared(recipe).stages:
            raise ConfigError("a search needs train.epochs >= 1, got 0")
        self.recipe, self.part = recipe, declared(recipe)
        self.spaces = self.part.parsed()
        self.stages = self._stages()
        if sum(stage.trials for stage in self.stages) > MAX_TRIALS:
            raise ConfigError(f"a search must have at most {MAX_TRIALS} trials; give fewer points a space")
        self.final = len(self.stages) - 1 - bool(self.part.confirm)  # the stage that holds the best trial

    def _stages(self) -> list[Stage]:
        part = self.part
        if part.strategy == "coarse-to-fine":
            names = ["coarse", *(f"fine {i}" if len(part.stages) > 2 else "fine" for i in range(1, len(part.stages)))]
            stages = [Stage(n, s.trials, s.epochs, s.keep) for n, s in zip(names, part.stages, strict=True)]
        elif part.strategy == "grid":
            stages = [Stage("grid", math.prod(len(space.grid()) for space in self.spaces.values()))]
        else:
            stages = [Stage(part.strategy, part.trials)]
        epochs = stages[-1].epochs
        return stages + ([Stage("confirm", part.confirm, epochs)] if part.confirm else [])

    @property
    def places(self) -> list[Place]:
        """All trials, in the order in which they are begun."""
        return [Place(s, i) for s, stage in enumerate(self.stages) for i in range(stage.trials)]

    @property
    def sign(self) -> int:
        """1 where more is better, −1 where less is."""
        return 1 if self.part.monitor == "val_acc" else -1

    def is_confirmation(self, place: Place) -> bool:
        """Whether the trial repeats the best one with another seed."""
        return place.stage > self.final

    def learns_from(self, place: Place) -> list[Place]:
        """The trials of the same stage whose outcomes this one depends on: those of earlier rounds."""
        if self.is_confirmation(place) or (self.part.strategy != "tpe" and self.part.pruner == "none"):
            return []
        return [Place(place.stage, i) for i in range(place.number // self.part.round * self.part.round)]

    def may_begin(self, place: Place, outcomes: Outcomes) -> bool:
        """Whether all that the trial depends on is known."""
        before = [Place(s, i) for s in range(place.stage) for i in range(self.stages[s].trials)]
        return all(p in outcomes for p in (*before, *self.learns_from(place)))

    def values(self, place: Place, outcomes: Outcomes, begun: Mapping[Place, dict[str, Any]]) -> dict[str, Any]:
        """The value of each space in the trial at `place`; `begun` holds those of trials before it, ended or not."""
        if self.is_confirmation(place):
            best = self.best(outcomes)
            return {} if best is None else dict(outcomes[best].values)
        if self.part.strategy == "grid":
            grids = [space.grid() for space in self.spaces.values()]
            return dict(
                zip(self.spaces, next(itertools.islice(itertools.product(*grids), place.number, None)), strict=True)
            )
        if self.part.strategy == "tpe":
            earlier = self.learns_from(place)
            beside = [Place(place.stage, i) for i in range(len(earlier), place.number)]
            known, running = [outcomes[p] for p in earlier], [begun[p] for p in beside if p in begun]
            return learning.tpe(self.spaces, known, running, self.sign, self._random(place).integers(2**31).item())
        spaces = self.narrowed(place.stage, outcomes)
        drawn = self._random(place).random(len(spaces))
        return {name: space.draw(u) for (name, space), u in zip(spaces.items(), drawn.tolist(), strict=True)}

    def narrowed(self, stage: int, outcomes: Outcomes) -> dict[str, Space]:
        """The spaces of a stage: those of the stage before, around its best trials."""
        spaces = self.spaces
        for s in range(1, stage + 1):
            best = self.ranking(s - 1, outcomes)[: self.stages[s].keep]
            if best:
                spaces = {n: space.narrowed([outcomes[p].values[n] for p in best]) for n, space in spaces.items()}
        return spaces

    def ranking(self, stage: int, outcomes: Outcomes) -> list[Place]:
        """The finished trials of a stage, best first; of equals the one begun first."""
        finished = [
            p for p, o in outcomes.items() if p.stage == stage and o.value is not None and o.status == "finished"
        ]
        return sorted(finished, key=lambda p: (-self.sign * float(outcomes[p].value or 0), p.number))

    def best(self, outcomes: Outcomes) -> Place | None:
        """The best trial of the last stage."""
        ranking = self.ranking(self.final, outcomes)
        return ranking[0] if ranking else None

    def recipes(self, place: Place, values: Mapping[str, Any]) -> list[Recipe]:
        """What the trial trains: one recipe, or one a seed where trials are repeated."""
        epochs = self.stages[place.stage].epochs
        more = {} if epochs is None else {"train__epochs": epochs}
        first = self.recipe.seed + (place.number if self.is_confirmation(place) else 0)
        count = 1 if self.is_confirmation(place) else self.part.repeats
        return [bound(self.recipe, values, **more, seed=first + r) for r in range(count)]

    def _random(self, place: Place) -> Any:
        return generator(self.part.seed, Stream.SEARCH, place.number, place.stage)
