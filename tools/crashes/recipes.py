"""Small recipes drawn at random: an update rule, an engine, and some of what a run can have besides."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.data import Source, load
from chainrule.optim import RULES
from chainrule.recipes import Recipe, parse_recipe
from chainrule.recipes.recipe import to_toml
from crashes.solvers import ENGINES

SCHEDULES = (
    "{ schedule = 'cosine' }",
    "{ schedule = 'one_cycle' }",
    "{ schedule = 'reduce_on_plateau', gamma = 0.5, patience = 1 }",
    "{ schedule = 'step', every = 2 }",
)
AUGMENTS = ("{ transform = 'RandomCrop', padding = 1 }", "{ transform = 'Cutout', size = 2 }", "'MixUp'")
AVERAGING = ("{ method = 'ema', decay = 0.9 }", "{ method = 'swa', start = 0.3 }")


@dataclass(frozen=True)
class Case:
    """A recipe, the engine that trains it, and its number of threads."""

    text: str
    engine: str
    threads: int

    @property
    def recipe(self) -> Recipe:
        return parse_recipe(self.text)


@functools.cache
def digits() -> Source:
    """The data set of every case, read once, before the first child is made."""
    return load("digits")


def drawn(rng: np.random.Generator, *, rows: int = 96, epochs: int = 4) -> Case:
    """A recipe of some dozen steps on the digits."""

    def one_of(values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def chance(probability: float = 0.5) -> bool:
        return bool(rng.random() < probability)

    engine = one_of(ENGINES)
    double = engine == "reference" and chance(0.3)
    kind = one_of(["early", "averaging", "last", "none"])  # they exclude each other
    legacy, replacement = chance(0.1), chance(0.25)
    layers = ["{ layer = 'Conv2D', filters = 4, kernel = 3, padding = 1 }"] if chance(0.7) else []
    layers += ["'BatchNorm'"] if chance() and layers else []
    layers += ["'ReLU'", "{ layer = 'MaxPool2D', size = 2 }"] if layers else []
    layers += ["'Flatten'", "{ layer = 'Affine', units = 24 }", *(["'BatchNorm'"] if chance(0.3) else []), "'ReLU'"]
    layers += ["{ layer = 'Dropout', rate = 0.3 }"] if chance() else []
    layers += ["{ layer = 'Affine', units = 10 }"]
    augment = [] if legacy else [transform for transform in AUGMENTS if chance(0.35)]
    text = f"""
name = "torture"
title = "A small run to be stopped"
source = "drawn at random"
setting = "own"
seed = {int(rng.integers(1000))}
dtype = "{"float64" if double else "float32"}"
generator = "{"legacy" if legacy else "philox"}"
[data]
name = "digits"
train = {rows}
val = 30
test = 30
normalize = "{one_of(["unit", "standard", "channel"])}"
augment = [{", ".join(augment)}]
[model]
layers = [{", ".join(layers)}]
reg = {one_of([0.0, 1e-4])}
[train]
update_rule = "{one_of(RULES).key}"
batch_size = 16
epochs = {epochs}
sampling = "{"replacement" if legacy or replacement else "shuffled"}"
num_train_samples = 30
keep = "{"last" if kind == "last" else "best"}"
"""
    text += f"schedule = {one_of(SCHEDULES)}\n" if chance() else ""
    text += "clip_norm = 1.0\n" if chance(0.3) else ""
    text += "weight_decay = 0.01\n" if chance(0.3) else ""
    text += f"averaging = {one_of(AVERAGING)}\n" if kind == "averaging" else ""
    text += f"early_stopping = {{ monitor = '{one_of(['val_acc', 'val_loss'])}', patience = 2 }}\n" * (kind == "early")
    return Case(to_toml(parse_recipe(text)), engine, int(rng.integers(1, 3)))
