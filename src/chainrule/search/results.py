"""What came of a search: every trial in a table, the best as a recipe, both as files.

best.toml         the best recipe, as `chainrule train` reads it
results.json      every trial with its values, figures and time
parallel.png      a line a trial, through the values of its spaces to its figure
importance.png    how much of the differences between trials each space explains
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from chainrule.files import write_atomically
from chainrule.recipes import Recipe, to_toml
from chainrule.search.binding import in_words, short, shown
from chainrule.search.ledger import Attempt, outcomes
from chainrule.search.plan import Outcome, Place, Plan

BEST, RESULTS, PARALLEL, IMPORTANCE = "best.toml", "results.json", "parallel.png", "importance.png"


@dataclass(frozen=True)
class Row:
    """One trial. attempts: how often it was begun. figures: those of each seed. notes: seconds, epochs, error."""

    place: Place
    stage: str
    outcome: Outcome
    attempts: int
    figures: list[dict[str, float]]
    notes: dict[str, Any]

    def mean(self, figure: str) -> tuple[float, float] | None:
        """Mean and standard deviation (of a sample; 0 for one) of a figure over the trial's seeds."""
        return _mean([f[figure] for f in self.figures if figure in f])


@dataclass(frozen=True)
class Results:
    """A search as far as it has come. rows: the trials that have ended, in the plan's order."""

    plan: Plan
    rows: list[Row]
    total: int
    best: Row | None

    @property
    def finished(self) -> bool:
        """Whether every trial has ended."""
        return len(self.rows) == self.total

    @property
    def ranking(self) -> list[Row]:
        """The trials of the stage that holds the best, best first."""
        known = {row.place: row.outcome for row in self.rows}
        by_place = {row.place: row for row in self.rows}
        return [by_place[place] for place in self.plan.ranking(self.plan.final, known)]

    @property
    def best_recipe(self) -> Recipe | None:
        """The best trial as a recipe; training it gives the figures of the trial (of its first seed) again."""
        if self.best is None:
            return None
        first = self.plan.recipes(self.best.place, self.best.outcome.values)[0]
        title, setting = f"{first.title}: best of a search", "own" if first.setting == "own" else "tuned"
        return msgspec.structs.replace(first, title=title, setting=setting, reported=type(first.reported)())

    def confirmed(self, figure: str) -> tuple[float, float] | None:
        """Mean and standard deviation of a figure over the trainings that confirm the best trial."""
        rows = [row for row in self.rows if self.plan.is_confirmation(row.place)]
        return _mean([f[figure] for row in rows for f in row.figures if figure in f])

    def importance(self) -> dict[str, float]:
        """The share of the variance of the figure that each space explains, over the first stage; {} where it has none.

        By functional ANOVA on a random forest (Hutter et al., ICML 2014), as Optuna computes it.
        """
        from chainrule.search.learning import import_optuna, study_of

        found = [row.outcome for row in self.rows if row.place.stage == 0 and row.outcome.status == "finished"]
        if len(found) < 4 or len({o.value for o in found}) == 1:
            return {}
        optuna = import_optuna()
        study = study_of(self.plan.spaces, found, self.plan.sign)
        shares = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
        return {name: float(shares[name]) for name in sorted(shares, key=lambda n: -shares[n])}

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        part = self.plan.part
        confirmed = {f: self.confirmed(f) for f in ("val_acc", "val_loss", "test_acc", "test_loss")}
        return {
            "recipe": self.plan.recipe.name,
            "strategy": part.strategy,
            "monitor": part.monitor,
            "seed": part.seed,
            "trials": self.total,
            "ended": len(self.rows),
            "best": None if self.best is None else _plain(self.best),
            "confirmed": {f: {"mean": m[0], "std": m[1]} for f, m in confirmed.items() if m is not None},
            "importance": self.importance(),
            "rows": [_plain(row) for row in self.rows],
        }

    def table(self, count: int | None = None) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Head and rows of the best `count` trials, and of those that came to nothing if there is room."""
        ranking = self.ranking
        others = [row for row in self.rows if row not in ranking and not self.plan.is_confirmation(row.place)]
        several = len(self.plan.stages) > 1
        head = (
            "rank",
            *(("stage",) if several else ()),
            "trial",
            *map(short, self.plan.spaces),
            self.plan.part.monitor,
            "seconds",
        )
        rows = []
        for rank, row in enumerate([*ranking, *others][:count], start=1):
            mean = row.mean(self.plan.part.monitor)
            spread = f" ± {mean[1]:.4f}" if mean is not None and len(row.figures) > 1 else ""
            ended = row.outcome.status == "finished" and mean is not None
            figure = f"{mean[0]:.4f}{spread}" if ended and mean is not None else row.outcome.status
            values = (
                shown(row.outcome.values[name]) if name in row.outcome.values else "" for name in self.plan.spaces
            )
            seconds = row.notes.get("seconds")
            rows.append(
                (
                    str(rank) if rank <= len(ranking) else "",
                    *((row.stage,) if several else ()),
                    str(row.place.number),
                    *values,
                    figure,
                    "" if seconds is None else f"{seconds:.1f}",
                )
            )
        return head, rows

    def write(self, folder: Path) -> list[Path]:
        """Write the files, as far as there is something to show; returns their paths."""
        from chainrule.report.plots import save_figure
        from chainrule.search.figures import importance_figure, parallel_figure

        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / RESULTS]
        write_atomically(folder / RESULTS, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        best = self.best_recipe
        if best is not None:
            write_atomically(folder / BEST, to_toml(best))
            save_figure(parallel_figure(self), folder / PARALLEL)
            written += [folder / BEST, folder / PARALLEL]
        importance = self.importance()
        if importance:
            save_figure(importance_figure(importance, self.plan.recipe.name), folder / IMPORTANCE)
            written.append(folder / IMPORTANCE)
        return written


def collect(plan: Plan, attempts: Sequence[Attempt]) -> Results:
    """The results of what was tried so far."""
    known = outcomes(attempts)
    rows = []
    for place, outcome in known.items():
        own = [a for a in attempts if a.place == place]
        ended = next((a for a in own if a.status == outcome.status), own[-1])
        notes: dict[str, Any] = {k: ended.notes[k] for k in ("seconds", "epochs", "error") if k in ended.notes}
        rows.append(Row(place, plan.stages[place.stage].name, outcome, len(own), ended.notes.get("figures", []), notes))
    best = plan.best(known)
    return Results(plan, rows, len(plan.places), next((row for row in rows if row.place == best), None))


def _mean(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _plain(row: Row) -> dict[str, Any]:
    outcome = row.outcome
    return {
        "stage": row.stage,
        "trial": row.place.number,
        "status": outcome.status,
        "values": outcome.values,
        "value": outcome.value,
        "curve": [outcome.curve[epoch] for epoch in sorted(outcome.curve)],
        "figures": row.figures,
        "attempts": row.attempts,
        **row.notes,
    }


def line(attempt: Attempt, done: int, total: int) -> str:
    """One line on an attempt that ended, for whoever waits."""
    figure = f"{attempt.value:.4f}" if attempt.value is not None else attempt.status
    return f"{done}/{total}  {figure}  {in_words(attempt.values)}"
