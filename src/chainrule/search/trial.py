"""One trial: a recipe built, trained and measured, its figures told after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from chainrule.data import Source
from chainrule.errors import ChainruleError, ConfigError, DivergenceError
from chainrule.recipes import Recipe, build
from chainrule.recipes.experiment import Experiment, open_source
from chainrule.search.learning import Pruner
from chainrule.search.ledger import Claim, Ledger
from chainrule.solver import Callback, Solver

End = Literal["finished", "pruned", "diverged", "refused", "stopped", "taken"]


class Watch(Callback):
    """Tells the ledger every epoch's figure; stops training where the pruner, or whoever runs this, says so."""

    def __init__(self, monitor: str, report: Callable[[int, float], bool], pruner: Pruner | None, stop: Any) -> None:
        self.monitor, self.report, self.pruner, self.asked = monitor, report, pruner, stop
        self.end: End = "finished"
        self.curve: dict[int, float] = {}

    def on_step_end(self, solver: Solver) -> None:
        """Stop if asked to."""
        if self.asked.is_set():
            self.end, solver.stop = "stopped", True

    def on_epoch_end(self, solver: Solver) -> None:
        """Report; ask the pruner, unless training ends here anyway."""
        record = solver.history.epochs[-1]
        value = record.val_acc if self.monitor == "val_acc" else record.val_loss
        if self.end != "finished":  # the epoch was cut short
            return
        if value is None:
            raise ConfigError(f"search.monitor must be 'val_acc': {type(solver.model).__name__} has no val_loss")
        self.curve[record.epoch] = float(value)
        if not self.report(record.epoch, float(value)):
            self.end, solver.stop = "taken", True
            return
        gives_up = self.pruner is not None and self.pruner.gives_up(record.epoch, float(value))
        if gives_up and record.epoch < solver.num_epochs:
            self.end, solver.stop = "pruned", True


class Sources:
    """The data set that was opened last, for the next trial."""

    def __init__(self) -> None:
        self._key: Any = None
        self._source: Source | None = None

    def open(self, recipe: Recipe) -> Source:
        """The data set of a recipe."""
        part = recipe.data
        key = (part.name, part.folder, part.resize, part.channels, part.on_bad)
        if self._source is None or key != self._key:
            self._source = None  # before the next is read: two may not fit into memory
            self._key, self._source = key, open_source(recipe)
        return self._source


def run_trial(ledger: Ledger, claim: Claim, sources: Sources, stop: Any, engine: str = "auto") -> End:
    """Train what `claim` says and end it in the ledger; returns how it ended."""
    plan, started = ledger.plan, time.perf_counter()
    figures: list[dict[str, float]] = []
    curve: dict[int, float] = {}
    pruner, error = None, None
    end: End = "finished"
    try:
        if plan.part.pruner != "none" and not plan.is_confirmation(claim.place):
            pruner = Pruner(plan.part.pruner, plan.spaces, claim.values, claim.known, plan.sign)
        for recipe in plan.recipes(claim.place, claim.values):
            first = not figures  # of several seeds only the first is told
            watch = Watch(
                plan.part.monitor,
                (lambda epoch, value: ledger.report(claim, epoch, value)) if first else (lambda epoch, value: True),
                pruner,
                stop,
            )
            experiment = build(recipe, sources.open(recipe))
            try:
                solver = experiment.solver([watch], engine)
                solver.train()
            finally:
                curve = curve if curve else watch.curve
            end = watch.end
            if end != "finished":
                break
            figures.append(_figures(experiment, solver, tested=plan.is_confirmation(claim.place)))
    except DivergenceError as diverged:
        end, error = "diverged", str(diverged)
    except (ChainruleError, MemoryError) as refused:
        end, error = "refused", " ".join(str(refused).split())
    if end == "stopped":
        ledger.hand_back(claim)
        return "stopped"
    if end == "taken":
        return "taken"
    notes: dict[str, Any] = {"seconds": time.perf_counter() - started, "epochs": len(curve), "figures": figures}
    notes |= {} if pruner is None else {"rungs": pruner.rungs}
    notes |= {} if error is None else {"error": error[:500]}
    value = float(np.mean([f[plan.part.monitor] for f in figures])) if end == "finished" else None
    if value is not None and not np.isfinite(value):
        end, value = "diverged", None
    return end if ledger.settle(claim, end, value, notes) else "taken"


def _figures(experiment: Experiment, solver: Solver, *, tested: bool) -> dict[str, float]:
    """Accuracy and loss of the weights that training kept, as `chainrule train` would report them."""
    found: dict[str, float] = {"seed": experiment.recipe.seed}
    for part in ("val", "test") if tested else ("val",):
        if f"X_{part}" in experiment.data:
            score, loss = solver.engine.evaluate(experiment.data[f"X_{part}"], experiment.data[f"y_{part}"])
            found[f"{part}_acc"] = float(score)
            if loss is not None:
                found[f"{part}_loss"] = float(loss)
    return found
