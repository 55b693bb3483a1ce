"""Training curves of the two engines side by side, for every shipped recipe, into docs/results/curves.md.

    python tools/curves.py [--seconds 20] [RECIPE ...]

Both engines train a recipe from the same weights on the same batches with the same masks. At first they differ by the
rounding of sums of float32 numbers; every step multiplies that difference, and Adam's first steps, which divide small
gradients by themselves, most of all; after some hundred steps single losses have nothing in common but their
distribution. The page therefore has two figures: how far the losses of the first ten steps are, relatively and at most,
from those of the reference engine in float64, for each engine; and the mean loss and the validation score where a
recipe, or its first epochs, was trained as a whole. `--seconds` is how long the reference engine may take for a recipe;
where that is not enough for an epoch only the first steps are compared. Needs the data sets.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data import Source
from chainrule.files import write_atomically
from chainrule.recipes import Recipe, build, change, load_recipe
from chainrule.recipes.experiment import Experiment, open_source
from chainrule.recipes.reading import list_recipes
from chainrule.solver import Callback, Solver

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results" / "curves.md"
FIRST = 10  # steps


class StopAfter(Callback):
    """Stops training after so many steps, or after the epoch in which `seconds` were over."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps

    def on_step_end(self, solver: Solver) -> None:
        """Stop in the middle of an epoch where only first steps are compared."""
        solver.stop = solver.stop or (self.steps is not None and solver.engine.step_number >= self.steps)


@dataclass(frozen=True)
class Curve:
    """What one engine did: the loss of every step, the score after every epoch."""

    losses: np.ndarray
    scores: list[float]
    seconds: float


def run(experiment: Experiment, engine: str, steps: int | None) -> Curve:
    """Train with `engine` for so many steps; None: as the recipe says."""
    started = time.perf_counter()
    solver = experiment.solver([StopAfter(steps)], engine)
    solver.train()
    scores = [e.val_acc for e in solver.history.epochs]
    return Curve(np.array(solver.loss_history), scores, time.perf_counter() - started)


def fresh(recipe: Recipe, source: Source, epochs: int | None = None) -> Experiment:
    """The recipe's experiment with its first weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of recipes that repeat a flaw of their source
        experiment = build(recipe, source)
    if epochs is not None:
        experiment.solver_options["num_epochs"] = epochs
    return experiment


def row(name: str, seconds: float) -> dict[str, Any]:
    """Compare one recipe."""
    recipe = load_recipe(name)
    source = open_source(recipe)
    exact = run(fresh(change(recipe, {"dtype": "float64"}), source), "reference", FIRST).losses
    reference, native = (run(fresh(recipe, source), engine, FIRST) for engine in ("reference", "native"))
    a_step = reference.seconds / FIRST  # the data were loaded before
    scale = np.maximum(np.abs(exact), 1e-3)
    first = [float(np.max(np.abs(curve.losses - exact) / scale)) for curve in (reference, native)]
    out: dict[str, Any] = {"name": name, "first": first}
    experiment = fresh(recipe, source)
    per_epoch = experiment.solver().batches.steps_per_epoch
    epochs = min(int(seconds / (a_step * per_epoch)), recipe.train.epochs)
    if epochs >= 1:
        one, two = (
            run(fresh(recipe, source, epochs), "reference", None),
            run(fresh(recipe, source, epochs), "native", None),
        )
        rows = len(experiment.splits.val) if experiment.splits.val is not None else 0
        p = one.scores[-1]
        out |= {
            "epochs": f"{epochs} of {recipe.train.epochs}",
            "loss": (float(np.mean(one.losses[-per_epoch:])), float(np.mean(two.losses[-per_epoch:]))),
            "score": (p, two.scores[-1]),
            "error": float(np.sqrt(max(p * (1 - p), 0) / max(rows, 1))),
            "seconds": (one.seconds, two.seconds),
        }
    return out


def page(rows: list[dict[str, Any]], command: str) -> str:
    """The rows as a page."""
    whole = [r for r in rows if "score" in r]
    apart = [abs(r["score"][0] - r["score"][1]) for r in whole]
    middle = [float(np.median([r["first"][i] for r in rows])) for i in (0, 1)]
    within = sum(d <= 2 * r["error"] or d == 0 for d, r in zip(apart, whole, strict=True))
    lines = [
        "# Training curves of the two engines",
        "",
        f"Written by `{command}`; do not edit. {' '.join((__doc__ or '').split('[RECIPE ...]')[1].split())}",
        "",
        f"{len(rows)} recipes. Median distance from float64 in the first {FIRST} steps: {middle[0]:.1e} (reference), "
        f"{middle[1]:.1e} (native). Of {len(whole)} recipes trained for an epoch or more the validation scores of "
        f"{within} lie within two sampling errors of each other.",
        "",
        f"| recipe | first {FIRST} steps, reference | native | epochs | loss, reference | native | score, reference "
        "| native | its error | seconds, reference | native |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        cells = [r["name"], *(f"{v:.1e}" for v in r["first"]), *[""] * 8]
        if "score" in r:
            cells[3:] = [
                r["epochs"],
                *(f"{v:.5f}" for v in r["loss"]),
                *(f"{v:.4f}" for v in r["score"]),
                f"{r['error']:.4f}",
                *(f"{v:.1f}" for v in r["seconds"]),
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare all recipes, or those named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    names = arguments.recipes if arguments.recipes else list_recipes()
    rows = []
    for name in names:
        if load_recipe(name).dtype != "float32":
            continue  # the reference engine alone runs it
        rows.append(row(name, arguments.seconds))
        print(rows[-1], flush=True)
    if not arguments.recipes:
        write_atomically(PAGE, page(rows, f"python tools/curves.py --seconds {arguments.seconds:g}"))


if __name__ == "__main__":
    main()
