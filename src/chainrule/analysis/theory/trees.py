"""A decision tree and a random forest beside a network, on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.errors import ConfigError, require_number
from chainrule.summary import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run(*, recipe: str = "digits-mlp", trees: int = 100, seed: int = 0) -> Finding:
    """Train a recipe's network, a decision tree and a random forest on the recipe's training rows.

    Parameters
    ----------
    recipe
        The recipe that names data, split and network, such as digits-mlp or binary-logistic.
    trees
        How many trees the forest has.
    seed
        Of tree and forest; the network has the recipe's own.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    from chainrule.recipes import load_recipe
    from chainrule.recipes.experiment import build, test_part

    require_number("trees", "trees", trees, integer=True, low=1, high=10_000)
    require_number("trees", "seed", seed, integer=True, low=0, high=2**32 - 1)
    experiment = build(load_recipe(recipe))
    part, test = test_part(experiment.splits)
    if test.y.ndim != 1 or test.y.dtype.kind not in "iu":
        raise ConfigError(f"trees: recipe {recipe} must have class labels")
    train = experiment.splits.train
    rows, labels = _flat(train.X), np.asarray(train.y)
    solver = experiment.solver()
    solver.train()
    scores = {f"network ({experiment.recipe.name})": _network_accuracy(experiment, solver, part)}
    models = {
        "decision tree": DecisionTreeClassifier(random_state=seed),
        f"random forest of {trees}": RandomForestClassifier(trees, random_state=seed),
    }
    for name, model in models.items():
        model.fit(rows, labels)
        right = [float(model.score(_flat(d.X), np.asarray(d.y))) for d in (train, test)]
        scores[name] = (right[0], right[1])
    table = [(name, f"{first:.4f}", f"{second:.4f}") for name, (first, second) in scores.items()]
    text = f"{len(train):,} training rows, {len(test):,} {part} rows\n" + aligned(
        ("model", "training accuracy", f"{part} accuracy"), table
    )
    data: dict[str, Any] = {
        "recipe": experiment.recipe.name,
        "part": part,
        "accuracy": {name: {"train": first, part: second} for name, (first, second) in scores.items()},
    }
    return Finding(text, data, lambda: _figure(scores, part))


def _network_accuracy(experiment: Any, solver: Any, part: str) -> tuple[float, float]:
    data = experiment.data
    train, test = (solver.check_accuracy(data[f"X_{p}"], data[f"y_{p}"]) for p in ("train", part))
    return float(train), float(test)


def _flat(X: Any) -> Any:
    rows = np.asarray(X)
    return rows.reshape(len(rows), -1)


def _figure(scores: dict[str, tuple[float, float]], part: str) -> Figure:
    from chainrule.report.plots import BLUE, GREY, new_figure

    figure = new_figure((8, 2.8))
    axes = figure.subplots()
    places = np.arange(len(scores))[::-1]
    for shift, i, color, name in ((0.2, 0, GREY, "training"), (-0.2, 1, BLUE, part)):
        values = [pair[i] for pair in scores.values()]
        axes.barh(places + shift, values, 0.38, color=color, label=name)
        for place, value in zip(places + shift, values, strict=True):
            axes.text(value + 0.005, place, f"{value:.3f}", va="center", fontsize=9)
    axes.set_yticks(places, list(scores))
    axes.set(xlabel="accuracy", xlim=(0, 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


TOPIC = Topic("trees", "A decision tree and a random forest beside a network on the same data.", run)
