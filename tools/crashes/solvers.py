"""Small solvers with every feature that keeps something between steps, stopped and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.data import NormalizedRows, Normalizer
from chainrule.data.augment import HorizontalFlip, RandomCrop
from chainrule.engines.native import is_available
from chainrule.optim import RULES
from chainrule.optim.schedules import Cosine, OneCycle, ReduceOnPlateau
from chainrule.solver import EMA, SWA, Callback, EarlyStopping, KeepLast, Solver, TrainingCheckpoints, resume_training

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
LABELS = (IMAGES.reshape(60, -1).mean(1) > 127).astype(int) + (IMAGES[:, 0, 0, 0] > 127)
SCALE = Normalizer.fit("channel", IMAGES[:40])
ENGINES = ["reference", *(["native"] if is_available() else [])]
FEATURES = ["dropout", "norm", "augment", "cosine", "early", "early_loss plateau norm"]
OTHERS = ["ema norm", "swa norm", "last", "replacement one_cycle", "dropout norm augment one_cycle early"]


class StopAt(Callback):
    """Asks for a stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, solver: Solver) -> None:
        solver.stop = solver.stop or solver.engine.step_number == self.step


def make(features: str, rule: Any, engine: str, callbacks: list[Callback]) -> Solver:
    lazily = "augment" in features
    data: dict[str, Any] = {"y_train": LABELS[:40], "y_val": LABELS[40:]}
    for part, rows in (("X_train", IMAGES[:40]), ("X_val", IMAGES[40:])):
        data[part] = NormalizedRows(rows, SCALE) if lazily else SCALE.apply(rows, np.float32)
    layers = [cr.Conv2D(4, 3, padding=1), *([cr.BatchNorm()] if "norm" in features else []), cr.ReLU()]
    layers += [cr.MaxPool2D(2), *([cr.Dropout(0.3)] if "dropout" in features else []), cr.Flatten(), cr.Affine(3)]
    schedules = {"cosine": Cosine(0.1), "one_cycle": OneCycle(), "plateau": ReduceOnPlateau(0.5, 1)}
    more: list[Callback] = []
    if "early" in features:
        more.append(EarlyStopping("val_loss" if "early_loss" in features else "val_acc", patience=2))
    more += [EMA(0.9)] if "ema" in features else [SWA(0.3)] if "swa" in features else []
    more += [KeepLast()] if "last" in features else []
    return Solver(
        cr.Network(layers, input_shape=(1, 6, 6), seed=3),
        data,
        update_rule=rule,
        schedule=next((s for name, s in schedules.items() if name in features), None),
        augment=(RandomCrop(1), HorizontalFlip()) if lazily else (),
        sampling="replacement" if "replacement" in features else "shuffled",
        callbacks=[*callbacks, *more],
        engine=engine,
        batch_size=7,
        num_epochs=5,
        seed=11,
        verbose=False,
    )


def outcome(solver: Solver) -> dict[str, Any]:
    """Everything a user could compare, but for the times."""
    state = {name: array.tobytes() for name, array in solver.engine.state().items()}
    history = solver.history.to_dict()
    for record in history["epochs"]:
        del record["seconds"], record["examples_per_second"]
    return {"state": state, "history": history, "best": solver.best_val_acc, "epoch": solver.epoch,
            "best weights": {n: w.tobytes() for n, w in solver.best_params.items()}}  # fmt: skip


def resumed(folder: Path, stops: list[int], *arguments: Any) -> Solver:
    """The run stopped at each of `stops`, every time by an object, and a file, of its own."""
    for step in stops:
        solver = make(*arguments, [StopAt(step), TrainingCheckpoints(folder, seconds=1e9)])
        if step != stops[0]:
            resume_training(folder, solver)
        solver.train()
    solver = make(*arguments, [])
    at = resume_training(folder, solver)
    assert at.step == stops[-1]
    assert not at.damaged
    solver.train()
    return solver


def matrix(
    folder: Path, rules: Any = RULES, engines: Any = tuple(ENGINES), sets: Any = (*FEATURES, *OTHERS), stops: int = 2
) -> Iterator[tuple[str, str, str, bool]]:
    """(rule, features, engine, whether all stops ended in the same bits), for every combination.

    Each is stopped within an epoch, and at the end of one; early stopping may leave fewer steps to choose from.
    """
    for engine in engines:
        for rule in rules:
            for i, features in enumerate(sets):
                arguments = (features, rule.key, engine)
                unbroken = make(*arguments, [])
                unbroken.train()
                steps, wanted = unbroken.engine.step_number, outcome(unbroken)
                places = [[1 + (7 * i + 5) % (steps - 1)], [6 * max((steps - 1) // 12, 1)]][:stops]
                where = [folder / f"{engine}-{rule.key}-{i}-{n}" for n in range(len(places))]
                ended = [outcome(resumed(at, chosen, *arguments)) for at, chosen in zip(where, places, strict=True)]
                yield rule.key, features, engine, all(found == wanted for found in ended)
