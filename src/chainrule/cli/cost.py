"""`chainrule cost`: what a layer, or a stack of layers, costs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chainrule.analysis.cost import Bias, Costs, Counting, Flops, count_costs
from chainrule.analysis.layer_words import layers_from_words, shape_from_words
from chainrule.cli.options import Integer
from chainrule.recipes.run import plain_json

app = App(
    name="cost",
    help_epilogue="""Examples:
  chainrule cost "conv 96 11x11 stride 4" --input 3,227,227
  chainrule cost "conv 96 11x11 stride 4" --input 3,227,227 --unshared
  chainrule cost "conv 20 4x4 pad 1 stride 2; maxpool 3x3 stride 1"
      --input 50,12,12 --bias none
  chainrule cost "affine 100; relu; affine 10" --input 784 --json""",
)


@app.default
def cost(
    layers: str,
    /,
    *,
    input: Annotated[str, Parameter(name="--input")],
    count: Flops = "operations",
    bias: Bias = "all",
    unshared: Annotated[bool, Parameter(negative="")] = False,
    batch: Integer = None,
    slots: Integer = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Count parameters, arithmetic, memory and receptive fields of layers given in words.

    Counts are for the forward pass of one example. A layer is its name, its
    sizes, and options by name; layers are parted by semicolons.

    Parameters
    ----------
    layers
        Such as "conv 20 4x4 pad 1 stride 2; maxpool 3x3 stride 1".
    input
        The shape of one example, channels first: 50,12,12.
    count
        What FLOPs are: operations (multiplications and additions each),
        multiply-adds, or twice those.
    bias
        Which biases count: all, those of convolutions only, or none.
    unshared
        Count a kernel and a bias of its own for every window.
    batch
        The batch size that memory is counted for; 100 if not given.
    slots
        Slots of the update rule (adam has 2); 0 if not given.
    json
        Print the counts as one JSON object.
    """
    counting = Counting(count, bias, not unshared)
    costs = count_costs(layers_from_words(layers), shape_from_words(input), counting)
    show_costs(costs, 100 if batch is None else batch, 0 if slots is None else slots, json=json)


def show_costs(costs: Costs, batch: int, slots: int, *, json: bool, nested: bool = False) -> None:
    """Print the table, the convention and the memory, or all of it as JSON."""
    if json:
        print(plain_json(costs.as_dict(batch, slots)))
        return
    memory = costs.memory(batch, slots)
    print(costs.table(nested=nested))
    print(f"{costs.counting}.")
    print("sees: the side of the image that one output depends on; stride: the distance of neighbouring outputs there.")
    parts = ", ".join(f"{name} {_size(number)}" for name, number in memory._asdict().items())
    print(f"memory of a training step, batch of {batch}: {_size(memory.total)} ({parts})")


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 1e6 else f"{number / 1e3:,.1f} kB"
