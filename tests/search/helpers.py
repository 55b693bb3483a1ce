"""A small recipe to search over, and a ledger that needs no training."""

from __future__ import annotations

from chainrule.recipes import change, load_recipe
from chainrule.search.ledger import Ledger

BASE = {
    "model.layers": [
        {"layer": "Flatten"},
        {"layer": "Affine", "units": 16},
        {"layer": "ReLU"},
        {"layer": "Affine", "units": 10},
    ],
    "train": {"update_rule": "adam", "optim_config": {"learning_rate": 1e-2}, "batch_size": 64, "epochs": 2},
}
SPACES = {"lr": "log(1e-3, 1e-1, 3)", "train.batch_size": "choice(64, 128)", "depth": "range(1, 2)"}
BIND = {"lr": "train.optim_config.learning_rate", "depth": "repeat(1, 2)"}


def small(**search):
    """digits in two epochs of a tiny network, with a search over rate, batch and depth."""
    part = {"spaces": SPACES, "bind": BIND, "trials": 6, **search}
    return change(load_recipe("digits-mlp"), {**BASE, "search": part})


def ledger(folder, recipe=None, lease=3600):
    """A ledger whose trials nobody takes over because a busy machine kept a test waiting."""
    return Ledger(f"sqlite:///{folder / 'study.db'}", "study", small() if recipe is None else recipe, lease)


def score(values):
    """A figure that depends on the values alone; best at the highest rate, batch 64, depth 2."""
    return values["lr"] + 1 / values["train.batch_size"] + values["depth"]
