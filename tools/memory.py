"""Measures what `chainrule summary --memory` predicts: the peak resident memory of training, recipe by recipe.

    python tools/memory.py                      all shipped recipes; writes docs/results/memory.json and memory.md
    python tools/memory.py cifar-fc --engine reference
    python tools/memory.py --page               the page again, from what was measured

Each recipe is trained in a fresh process for two steps and measured on some hundred rows, with its checkpoint, its best
weights and its figure written; memory grows no more after that. The peak is the one that the system recorded.
Only the rows that are evaluated are fewer than in a whole run, and they are taken some at a time anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "docs" / "results"
JSON, PAGE = RESULTS / "memory.json", RESULTS / "memory.md"
STEPS = 2
ROWS = {"NativeEngine": 300, "ReferenceEngine": 1000}  # that are evaluated: more than are looked at together
MOST = 0.15  # by which a prediction may be wrong


def peak_of(name: str, engine: str) -> dict[str, Any]:
    """Train a little, in this process, and say its peak."""
    from chainrule.recipes import build, load_recipe
    from chainrule.recipes.run import save_best
    from chainrule.recipes.run import train as run_training
    from chainrule.report.plots import curves_figure, save_figure
    from chainrule.report.progress import Progress
    from chainrule.report.tables import console
    from chainrule.solver import Callback, Solver

    class Stop(Callback):
        def on_step_end(self, solver: Solver) -> None:
            solver.stop = solver.engine.step_number >= STEPS

    experiment = build(load_recipe(name))
    progress = Progress(console(stderr=True))
    solver = experiment.solver([Stop(), progress], engine)
    for part, attribute in (("train", "num_train_samples"), ("val", "num_val_samples")):
        count = getattr(solver, attribute)
        rows = len(experiment.data[f"y_{part}"]) if count is None else count
        most = ROWS[type(solver.engine).__name__]
        setattr(solver, attribute, None if rows <= most else most)
    with tempfile.TemporaryDirectory() as folder, progress:
        run_training(experiment, solver, Path(folder))
        save_best(experiment, Path(folder), solver.engine.weights(), solver)
        save_figure(curves_figure(solver.history, name), Path(folder) / "curves.png")
    return {"peak": recorded_peak(), "engine": type(solver.engine).__name__}


def recorded_peak() -> int:
    """Bytes; of this program alone on Linux, where getrusage may tell of the one that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def prediction_of(name: str, engine: str) -> dict[str, Any]:
    """The parts of the prediction, made in this process."""
    from chainrule.recipes import load_recipe
    from chainrule.recipes.memory import estimate_memory

    return {"parts": dict(estimate_memory(load_recipe(name), engine).parts)}


def in_a_process(task: str, name: str, engine: str) -> Any:
    command = [sys.executable, __file__, name, "--engine", engine, "--task", task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return json.loads(done.stdout.splitlines()[-1])


def stored() -> dict[str, Any]:
    return json.loads(JSON.read_text()) if JSON.is_file() else {}


def main() -> int:
    from chainrule.recipes import list_recipes

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--task", choices=("peak", "prediction"))
    parser.add_argument("--only", choices=("peak", "prediction"))
    parser.add_argument("--page", action="store_true")
    chosen = parser.parse_args()
    if chosen.task is not None:
        made = (peak_of if chosen.task == "peak" else prediction_of)(chosen.recipes[0], chosen.engine)
        print(json.dumps(made))
        return 0
    names = [] if chosen.page else chosen.recipes or list_recipes()
    for name in names:
        key = f"{name} {chosen.engine}"
        for task in ("peak", "prediction") if chosen.only is None else (chosen.only,):
            made = in_a_process(task, name, chosen.engine)
            found = stored()
            found[key] = {**found.get(key, {}), "recipe": name, "engine": chosen.engine, task: made}
            JSON.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
            print(key, task, made, flush=True)
    PAGE.write_text(page(stored()))
    return 0


def page(found: dict[str, Any]) -> str:
    """The table: predicted, measured, and their ratio."""
    lines, ratios = [], []
    for entry in sorted(found.values(), key=lambda e: (e["recipe"], e["engine"])):
        if "peak" not in entry.get("peak", {}) or "parts" not in entry.get("prediction", {}):
            lines.append(f"| {entry['recipe']} | {entry['engine']} | | not measured | |")
            continue
        peak, predicted = entry["peak"]["peak"], sum(entry["prediction"]["parts"].values())
        ratios.append(predicted / peak)
        engine = entry["peak"]["engine"].removesuffix("Engine").lower()
        lines.append(
            f"| {entry['recipe']} | {engine} | {predicted / 1e6:,.0f} | {peak / 1e6:,.0f} | {ratios[-1]:.3f} |"
        )
    inside = sum(abs(ratio - 1) <= MOST for ratio in ratios)
    span = f"from {min(ratios):.3f} to {max(ratios):.3f}" if ratios else "nowhere yet"
    head = f"""# Memory: predicted and measured

<!-- Written by `python tools/memory.py`; edit that instead. -->

`chainrule summary RECIPE --memory` predicts the peak resident memory of a process that trains the recipe. Here each
recipe was trained in a fresh process for {STEPS} steps on all of its data, measured on {ROWS["NativeEngine"]} rows of
each part (with the reference engine on {ROWS["ReferenceEngine"]}, which it looks at together), and saved; the peak is
what the system recorded. Predictions were made in other processes. Megabytes are 10⁶ bytes.

{inside} of {len(ratios)} predictions are within {MOST:.0%} of the measurement; their ratios go {span}.

| recipe | engine | predicted, MB | measured, MB | ratio |
|---|---|---|---|---|
"""
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, os.fspath(Path(__file__).parent.parent / "src"))
    sys.exit(main())
