"""Snapshot ensembles: one training run whose learning rate falls to zero M times, and the weights at each end.

The schedule is the cyclic cosine; each restart throws the weights out of the minimum they had come to, so that the next
cycle ends in another one. An ensemble of M networks then takes as long to train as one.
Source: Huang et al., "Snapshot ensembles: train 1, get M for free", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from chainrule.arrays import Array
from chainrule.ensembles.runs import SNAPSHOTS, train_run
from chainrule.errors import ConfigError, require_number
from chainrule.optim import CyclicCosine
from chainrule.recipes.recipe import Recipe
from chainrule.recipes.run import load_run
from chainrule.solver import Callback, Solver, save_network
from chainrule.typed import typed


class Snapshots(Callback):
    """Keeps the weights at the end of each cycle of the solver's cyclic cosine schedule, in `weights`."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Array]] = []

    def on_train_begin(self, solver: Solver) -> None:
        """Count the steps of a cycle; forget the ends of cycles that training went back behind."""
        schedule = solver.schedule
        if not isinstance(schedule, CyclicCosine):
            raise ConfigError(f"Snapshots: the solver's schedule must be cyclic_cosine, got {schedule!r}")
        self._total = solver.num_epochs * solver.batches.steps_per_epoch
        self._length = schedule.length(self._total)
        if -(-self._total // self._length) != schedule.cycles:
            raise ConfigError(
                f"Snapshots: training must have as many steps as make {schedule.cycles} cycles, got {self._total}"
            )
        del self.weights[solver.engine.step_number // self._length :]

    def on_step_end(self, solver: Solver) -> None:
        """Keep the weights where a cycle ends."""
        step = solver.engine.step_number
        if step % self._length == 0 or step == self._total:
            self.weights.append(solver.engine.weights())


@typed
def train_snapshots(
    recipe: Recipe,
    cycles: int,
    folder: Path,
    *,
    engine: str = "auto",
    callbacks: Sequence[Callback] = (),
    status: Callable[[], str] = lambda: "finished",
) -> dict[str, Any]:
    """Train `recipe` in `cycles` cycles into the run folder `folder`, its snapshots in `folder`/snapshots/1, 2, ...

    The recipe's own schedule, learning-rate decay and early stopping give way. Returns the results of the run itself.
    """
    require_number("train_snapshots", "cycles", cycles, integer=True, low=1)
    schedule = {"schedule": CyclicCosine.key, "cycles": cycles}
    train = replace(recipe.train, schedule=schedule, lr_decay=1.0, early_stopping=None)
    snapshots = Snapshots()
    chosen = replace(recipe, train=train).check(f"recipe {recipe.name} with {cycles} snapshots")
    results = train_run(chosen, folder, engine=engine, callbacks=[*callbacks, snapshots], status=status)
    run = load_run(folder)
    for number, weights in enumerate(snapshots.weights, start=1):
        for name, array in weights.items():
            (run.network.params if name in run.network.params else run.network.buffers)[name] = array
        save_network(folder / SNAPSHOTS / str(number), run.network, msgspec.to_builtins(run.extra))
    return results
