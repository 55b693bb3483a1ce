"""`chainrule lr-range`: the learning-rate range test of a recipe."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chainrule.cli.options import Integer, Overrides, given
from chainrule.files import write_atomically
from chainrule.recipes import apply_overrides, load_recipe
from chainrule.recipes.run import plain_json
from chainrule.report.plots import save_figure
from chainrule.report.tables import console
from chainrule.search import lr_range as run_test

app = App(
    name="lr-range",
    help_epilogue="""Examples:
  chainrule lr-range digits-mlp
  chainrule lr-range mnist-softmax --low 1e-5 --high 100 --steps 400""",
)


@app.default
def lr_range(
    recipe: str,
    /,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: Integer = None,
    overrides: Overrides = None,
    engine: str = "auto",
    out: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Find a learning rate: train while it grows, and see where the loss falls.

    Parameters
    ----------
    recipe
        The name of a shipped recipe, or the path of a recipe file.
    low
        The learning rate of the first step.
    high
        The learning rate of the last step.
    steps
        How many steps; 200 if not given.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    engine
        What runs the network.
    out
        A folder for lr-range.png and lr-range.json; searches/RECIPE-lr-range if not given.
    json
        Print the curve and the suggestion as one JSON object.
    """
    chosen = apply_overrides(load_recipe(recipe), given(overrides))
    found = run_test(chosen, low=low, high=high, steps=200 if steps is None else steps, engine=engine)
    folder = Path("searches") / f"{chosen.name}-lr-range" if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(found.figure(), folder / "lr-range.png")
    write_atomically(folder / "lr-range.json", json_module.dumps(found.to_dict(), indent=1) + "\n")
    if json:
        print(plain_json(found.to_dict() | {"folder": str(folder)}))
        return
    shown = console()
    if found.suggestion is None:
        shown.print(f"the loss does not fall between {low:g} and {found.rates[-1]:.2g}; try other ends")
    else:
        shown.print(f"suggested learning rate {found.suggestion:g}; the recipe has {chosen.rule.learning_rate:g}")
        shown.print(f"the loss falls fastest at {found.steepest:.2g} and is least at {found.least:.2g}")
    if found.diverged is not None:
        shown.print(f"training diverges at {found.diverged:.2g}")
    shown.print(f"wrote {folder / 'lr-range.png'}", soft_wrap=True)
