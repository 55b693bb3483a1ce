"""`chainrule summary`: what the network of a recipe, or a model of the literature, costs."""

from __future__ import annotations

from cyclopts import App

from chainrule.cli.options import Overrides, given
from chainrule.errors import ConfigError, unknown
from chainrule.models import MODELS, Model
from chainrule.recipes import apply_overrides, list_recipes, load_recipe
from chainrule.recipes.experiment import declared_shape, make_network
from chainrule.report.tables import console, summary_table

app = App(
    name="summary",
    help_epilogue=f"""Examples:
  chainrule summary mnist-mlp-600
  chainrule summary digits-mlp --set model.layers.1.units=1000
  chainrule summary resnet18

Models: {", ".join(MODELS)}; their counts are
shown beside the published ones.""",
)


@app.default
def summary(
    recipe: str,
    /,
    *,
    overrides: Overrides = None,
) -> None:
    """Show the layers of a recipe: shapes, parameters, arithmetic, memory.

    Counts are for the forward pass of one example. A multiply-add is one product added to a sum; FLOPs count every
    multiplication, addition, comparison and elementary function as one.

    Parameters
    ----------
    recipe
        The name of a shipped recipe or of a model, or the path of a recipe file.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    """
    changes = given(overrides)
    if recipe in MODELS:
        if changes:
            raise ConfigError(f"--set changes recipes; {recipe} is a model, which is shown as published")
        _show_model(MODELS[recipe])
        return
    if "/" not in recipe and not recipe.endswith(".toml") and recipe not in list_recipes():
        raise unknown("recipe or model", recipe, [*list_recipes(), *MODELS])
    chosen = apply_overrides(load_recipe(recipe), changes)
    network = make_network(chosen, declared_shape(chosen))
    counts = network.summary()
    batch, slots = chosen.train.batch_size, len(chosen.rule.slot_names)
    out = console()
    out.print(summary_table(counts))
    out.print(
        f"{counts.memory(batch, slots) / 1e6:,.1f} MB in a training step: batch {batch}, {chosen.dtype}, "
        f"{chosen.train.update_rule} with {slots} slot{'' if slots == 1 else 's'}"
    )


def _show_model(model: Model) -> None:
    counts = model.summary()
    out = console()
    out.print(model.title)
    out.print(summary_table(counts))
    for what, ours, published in (
        ("parameters", counts.parameters, model.parameters),
        ("multiply-adds", counts.multiply_adds, model.multiply_adds),
    ):
        beside = "no published count was found" if published is None else f"published: {published:,}"
        out.print(f"{what}: {ours:,}  ({beside})")
    out.print(f"source of the published counts: {model.source}", soft_wrap=True)
