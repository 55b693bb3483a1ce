"""`chainrule summary`: what the network of a recipe, or a model of the literature, costs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.analysis.cost import Bias, Counting, Flops, count_costs
from chainrule.cli.cost import show_costs
from chainrule.cli.options import Overrides, given
from chainrule.errors import ConfigError, unknown
from chainrule.models import MODELS, Model
from chainrule.recipes import apply_overrides, list_recipes, load_recipe
from chainrule.recipes.experiment import declared_shape, make_network
from chainrule.recipes.memory import estimate_memory
from chainrule.recipes.run import plain_json
from chainrule.report.tables import console, summary_table

app = App(
    name="summary",
    help_epilogue=f"""Examples:
  chainrule summary mnist-mlp-600
  chainrule summary digits-mlp --set model.layers.1.units=1000
  chainrule summary resnet18
  chainrule summary resnet18 --flops --nested
  chainrule summary lenet5 --bias convolutions
  chainrule summary cifar-fc --memory

Models: {", ".join(MODELS)}; their counts are
shown beside the published ones.""",
)


@app.default
def summary(
    recipe: str,
    /,
    *,
    overrides: Overrides = None,
    flops: Annotated[bool, Parameter(negative="")] = False,
    count: Flops | None = None,
    bias: Bias | None = None,
    unshared: Annotated[bool, Parameter(negative="")] = False,
    nested: Annotated[bool, Parameter(negative="")] = False,
    memory: Annotated[bool, Parameter(negative="")] = False,
    engine: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Show the layers of a recipe: shapes, parameters, arithmetic, memory.

    Counts are for the forward pass of one example. A multiply-add is one product added to a sum; FLOPs count every
    multiplication, addition, comparison and elementary function as one, unless --count says otherwise.

    Parameters
    ----------
    recipe
        The name of a shipped recipe or of a model, or the path of a recipe file.
    overrides
        Entries to replace, as KEY=VALUE; may be repeated.
    flops
        Show biases, receptive fields and the parts of the memory too, and how FLOPs are counted; the options
        below imply it.
    count
        What FLOPs are: operations, multiply-adds, or twice those.
    bias
        Which biases count: all, those of convolutions only, or none.
    unshared
        Count a kernel and a bias of its own for every window.
    nested
        Show the layers inside composite layers.
    memory
        Show the memory that training the recipe will take, part by part.
    engine
        What would run the network, for --memory.
    json
        Print the counts as one JSON object.
    """
    changes = given(overrides)
    if memory:
        _show_memory(recipe, changes, engine, json=json)
        return
    counting = None
    if flops or unshared or nested or json or count is not None or bias is not None:
        defaults = Counting()
        counting = Counting(
            defaults.flops if count is None else count, defaults.bias if bias is None else bias, not unshared
        )
    if recipe in MODELS:
        if changes:
            raise ConfigError(f"--set changes recipes; {recipe} is a model, which is shown as published")
        _show_model(MODELS[recipe], counting, nested=nested, json=json)
        return
    if "/" not in recipe and not recipe.endswith(".toml") and recipe not in list_recipes():
        raise unknown("recipe or model", recipe, [*list_recipes(), *MODELS])
    chosen = apply_overrides(load_recipe(recipe), changes)
    network = make_network(chosen, declared_shape(chosen))
    batch, slots = chosen.train.batch_size, len(chosen.rule.slot_names)
    if counting is not None:
        costs = count_costs(network.layers, network.input_shape, counting, network.dtype.itemsize)
        show_costs(costs, batch, slots, nested=nested, json=json)
        return
    counts = network.summary()
    out = console()
    out.print(summary_table(counts))
    out.print(
        f"{counts.memory(batch, slots) / 1e6:,.1f} MB in a training step: batch {batch}, {chosen.dtype}, "
        f"{chosen.train.update_rule} with {slots} slot{'' if slots == 1 else 's'}"
    )


def _show_memory(recipe: str, changes: list[str], engine: str, *, json: bool) -> None:
    if recipe in MODELS:
        raise ConfigError(f"--memory goes with a recipe, whose data and update rule count, got the model {recipe}")
    estimate = estimate_memory(apply_overrides(load_recipe(recipe), changes), engine)
    print(plain_json({"total": estimate.total, "parts": dict(estimate.parts)}) if json else estimate)


def _show_model(model: Model, counting: Counting | None, *, nested: bool, json: bool) -> None:
    if counting is not None:
        costs = count_costs(model.layers, model.input_shape, counting)
        if not json:
            print(model.title)
        show_costs(costs, 100, 0, nested=nested, json=json)
        if not json:
            _show_published(
                model, costs.parameters, costs.multiply_adds, as_published=counting.bias == "all" and counting.shared
            )
        return
    counts = model.summary()
    out = console()
    out.print(model.title)
    out.print(summary_table(counts))
    _show_published(model, counts.parameters, counts.multiply_adds)


def _show_published(model: Model, parameters: int, multiply_adds: int, *, as_published: bool = True) -> None:
    published_as = "published" if as_published else "published with all biases and shared weights"
    for what, ours, published in (
        ("parameters", parameters, model.parameters),
        ("multiply-adds", multiply_adds, model.multiply_adds),
    ):
        beside = "no published count was found" if published is None else f"{published_as}: {published:,}"
        print(f"{what}: {ours:,}  ({beside})")
    print(f"source of the published counts: {model.source}")
