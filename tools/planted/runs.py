"""Planted faults of runs, which show in what the run folder keeps."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.lint import Report, lint
from chainrule.recipes import Experiment
from chainrule.recipes.run import finish, train
from chainrule.solver import Callback, Solver
from planted.fault import Faults
from planted.sound import FLAT, RELU, affine, experiment, layers, sgd

FAULTS = Faults()


def run(
    *overrides: str, base: str = "digits-mlp", callback: Callback | None = None, made: Experiment | None = None
) -> Report:
    """A recipe, or the experiment `made` of one, trained into a run folder, and the folder linted."""
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        trained = experiment(*overrides, base=base) if made is None else made
        solver = trained.solver([] if callback is None else [callback])
        try:
            train(trained, solver, Path(folder))
            finish(trained, Path(folder), solver, seconds=1.0, status="finished")
        except cr.DivergenceError:
            pass
        return lint(folder)


@FAULTS.plant("run: diverged", "diverged")
def _() -> Report:
    return run(*sgd(1e20), "train.epochs=3")


@FAULTS.plant("run: learning rate too high", "unstable-curve")
def _() -> Report:
    return run(*sgd(5.0), "train.epochs=10", 'train.schedule={ schedule = "epoch_decay", decay = 1.0 }')


@FAULTS.plant("run: learning rate too low", "slow-curve")
def _() -> Report:
    return run(*sgd(1e-3), "train.epochs=10", 'train.schedule={ schedule = "epoch_decay", decay = 1.0 }')


@FAULTS.plant("run: learning rate hopelessly low", "learned-nothing")
def _() -> Report:
    return run(*sgd(1e-6), "train.epochs=4")


@FAULTS.plant("run: units dead after a large step", "dead-units")
def _() -> Report:
    deep = layers(FLAT, affine(64), RELU, affine(64), RELU, affine(10))
    return run(
        deep, "train.optim_config.learning_rate=0.3", "train.epochs=5", "train.weight_decay=0", "train.keep=last"
    )


@FAULTS.plant("run: overfitting, with every third label wrong", "overfitting")
def _() -> Report:
    plain = ["train.weight_decay=0", "model.layers.3.rate=0.0", "train.optim_config.learning_rate=2e-3"]
    made = experiment(*plain, "data.train=300", "train.batch_size=20", "train.epochs=80")
    rng = np.random.default_rng(0)
    y = made.data["y_train"].copy()
    wrong = rng.random(len(y)) < 1 / 3
    y[wrong] = rng.integers(0, 10, wrong.sum())
    return run(made=dataclasses.replace(made, data=made.data | {"y_train": y}))


@FAULTS.plant("run: best weights not restored", "best-weights-lost")
def _() -> Report:
    class First(Callback):
        def on_epoch_end(self, solver: Solver) -> None:
            if solver.epoch == 1:
                self.kept = solver.engine.weights()

        def on_train_end(self, solver: Solver) -> None:
            solver.engine.load_weights(self.kept)

    return run("train.epochs=8", callback=First())


@FAULTS.plant("run: scores in the thousands", "huge-scores")
def _() -> Report:
    return run(
        layers(FLAT, affine(10)), "data.normalize=none", "train.optim_config.learning_rate=1.0", "train.epochs=5"
    )
