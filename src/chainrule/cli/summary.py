"""`chainrule summary`: what a recipe's network costs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.recipes import apply_overrides, load_recipe
from chainrule.recipes.experiment import declared_shape, make_network
from chainrule.report.tables import console, summary_table

app = App(
    name="summary",
    help_epilogue="""Examples:
  chainrule summary mnist-mlp-600
  chainrule summary digits-mlp --set model.layers.1.units=1000""",
)


@app.default
def summary(
    recipe: str,
    /,
    *,
    overrides: Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=True)] = None,
) -> None:
    """Show the layers of a recipe: shapes, parameters, arithmetic, memory.

    Counts are for the forward pass of one example. A multiply-add is one product added to a sum; FLOPs count every
    multiplication, addition, comparison and elementary function as one.

    Parameters
    ----------
    recipe
        The name of a shipped recipe, or the path of a recipe file.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    """
    chosen = apply_overrides(load_recipe(recipe), [] if overrides is None else overrides)
    network = make_network(chosen, declared_shape(chosen))
    counts = network.summary()
    batch, slots = chosen.train.batch_size, len(chosen.rule.slot_names)
    out = console()
    out.print(summary_table(counts))
    out.print(
        f"{counts.memory(batch, slots) / 1e6:,.1f} MB in a training step: batch {batch}, {chosen.dtype}, "
        f"{chosen.train.update_rule} with {slots} slot{'' if slots == 1 else 's'}"
    )
