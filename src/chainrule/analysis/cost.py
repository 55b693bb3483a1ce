"""What layers cost under a named way of counting, layer by layer and inside composite layers.

Published counts differ because they count differently: with or without biases, a multiply-add as one operation or as
two, weights shared over the image or not. A `Counting` says which, so that a number can be compared with its source:

    operations         multiplications, additions, comparisons, functions: K + (K − 1) for a sum of K products
    multiply-adds      products added to sums alone; what papers on convolutional networks mostly call FLOPs
    2-multiply-adds    twice that, as processors' peak rates and profilers count

Biases: "all"; "none"; "convolutions" counts them only where weights are shared over more than one window, so that a
convolution over its whole input counts as the fully connected layer it is.
Unshared: every window has weights and a bias of its own (a locally connected layer).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from chainrule.analysis.receptive_field import START, Field, receptive_field
from chainrule.arrays import Shape
from chainrule.errors import ChainruleError, require_bool, require_number, unknown
from chainrule.layers.conv2d import Conv2D
from chainrule.layers.conv_transpose2d import ConvTranspose2D
from chainrule.layers.layer import Cost, Layer
from chainrule.layers.sequential import Composite, Sequential, as_layers
from chainrule.summary import aligned, stored_outputs
from chainrule.typed import typed, typed_fields

Flops = Literal["operations", "multiply-adds", "2-multiply-adds"]
Bias = Literal["all", "convolutions", "none"]


@dataclass(frozen=True)
@typed_fields
class Counting:
    """A convention of counting: which FLOPs, which biases, shared weights or not.

    >>> from chainrule.layers import Conv2D
    >>> costs = count_costs([Conv2D(96, 11, stride=4)], (3, 227, 227))
    >>> costs.parameters
    34944
    >>> count_costs([Conv2D(96, 11, stride=4)], (3, 227, 227), Counting(shared=False)).parameters
    105705600
    """

    flops: Flops = "operations"
    bias: Bias = "all"
    shared: bool = True

    def __post_init__(self) -> None:
        for name, known in (("flops", get_args(Flops)), ("bias", get_args(Bias))):
            if getattr(self, name) not in known:
                raise unknown(f"way of counting {name}", getattr(self, name), known)
        require_bool("Counting", "shared", self.shared)

    def __str__(self) -> str:
        biases = {"all": "with biases", "none": "without biases", "convolutions": "biases of convolutions only"}
        return f"FLOPs are {self.flops}; {biases[self.bias]}; weights {'shared' if self.shared else 'not shared'}"


class CostRow(NamedTuple):
    """One layer's counts for one example; `depth` is 0 for the layers of the list, more inside composites.

    `biases` of the `parameters` are biases; `field` is what one output sees of an image, None without an image;
    `outputs` counts the numbers that a training step keeps.
    """

    depth: int
    layer: str
    output_shape: Shape
    parameters: int
    biases: int
    multiply_adds: int
    flops: int
    outputs: int
    field: Field | None


class Memory(NamedTuple):
    """Bytes of a training step, by count of the numbers that must exist."""

    parameters: int
    gradients: int
    slots: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


@dataclass(frozen=True)
class Costs:
    """The counts of a list of layers; `str` is a table, `rows` and the totals are there to compute with."""

    input_shape: Shape
    counting: Counting
    rows: tuple[CostRow, ...]
    itemsize: int = 4

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return self._total("parameters")

    @property
    def multiply_adds(self) -> int:
        """Products added to sums in one forward pass of one example."""
        return self._total("multiply_adds")

    @property
    def flops(self) -> int:
        """FLOPs, as `counting` counts them, of one forward pass of one example."""
        return self._total("flops")

    def _total(self, column: str) -> int:
        return sum(getattr(row, column) for row in self.rows if row.depth == 0)

    @typed
    def memory(self, batch_size: int = 1, slots: int = 0) -> Memory:
        """Parameters, gradients, `slots` optimiser slots; every layer's output and its gradient for `batch_size`."""
        require_number("Costs", "batch_size", batch_size, integer=True, low=1)
        require_number("Costs", "slots", slots, integer=True, low=0)
        weights = self.itemsize * self.parameters
        outputs = math.prod(self.input_shape) + self._total("outputs")
        return Memory(weights, weights, slots * weights, 2 * self.itemsize * batch_size * outputs)

    @typed
    def table(self, *, nested: bool = False) -> str:
        """The rows as text; `nested` shows what is inside composite layers too."""
        head = ("layer", "output shape", "parameters", "biases", "multiply-adds", "FLOPs", "sees", "stride")
        body = [
            (
                "  " * row.depth + row.layer,
                str(row.output_shape),
                *(f"{n:,}" for n in (row.parameters, row.biases, row.multiply_adds, row.flops)),
                *(("", "") if row.field is None else (row.field.sees, row.field.steps)),
            )
            for row in self.rows
            if nested or row.depth == 0
        ]
        totals = (self.parameters, self._total("biases"), self.multiply_adds, self.flops)
        last = ("total", "", *(f"{n:,}" for n in totals), "", "")
        return aligned(head, [("input", str(self.input_shape), *[""] * 6), *body], last, text_columns=2)

    def __str__(self) -> str:
        return f"{self.table()}\n{self.counting}."

    @typed
    def as_dict(self, batch_size: int = 1, slots: int = 0) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        rows = [
            {**row._asdict(), "field": None if row.field is None else row.field.as_dict(), "layer": row.layer}
            for row in self.rows
        ]
        memory = self.memory(batch_size, slots)
        return {
            "counting": dataclasses.asdict(self.counting),
            "input_shape": self.input_shape,
            "parameters": self.parameters,
            "biases": self._total("biases"),
            "multiply_adds": self.multiply_adds,
            "flops": self.flops,
            "memory": {**memory._asdict(), "total": memory.total, "batch_size": batch_size},
            "layers": rows,
        }


@typed
def count_costs(
    layers: Sequence[Layer], input_shape: int | Sequence[int], counting: Counting | None = None, itemsize: int = 4
) -> Costs:
    """Count `layers` on inputs of `input_shape` (without the batch axis).

    Raises the `ShapeError` of the first layer that the shapes do not fit, with its place in the list.

    >>> from chainrule.layers import Conv2D, MaxPool2D
    >>> pooled = [Conv2D(20, 4, stride=2, padding=1), MaxPool2D(3, stride=1)]
    >>> count_costs(pooled, (50, 12, 12)).flops, count_costs(pooled, (50, 12, 12), Counting(bias="none")).flops
    (1154560, 1153840)
    """
    how = Counting() if counting is None else counting
    checked = as_layers("count_costs", "layers", layers)
    sizes = (input_shape,) if isinstance(input_shape, int) else input_shape
    for size in sizes:
        require_number("count_costs", "input_shape", size, integer=True, low=1)
    shape: Shape = (1, *sizes)
    seen = START if len(shape) == 4 else None
    rows: list[CostRow] = []
    for i, layer in enumerate(checked):
        try:
            own, *inside = _rows(layer, shape, how, seen, depth=0)
        except ChainruleError as error:
            raise type(error)(f"layer {i + 1} of {len(checked)}: {error}") from None
        rows += [own, *inside]
        shape, seen = (1, *own.output_shape), own.field
    return Costs(tuple(sizes), how, tuple(rows), itemsize)


def _rows(layer: Layer, x_shape: Shape, how: Counting, seen: Field | None, depth: int) -> Iterator[CostRow]:
    """The layer's own row, then those of what it holds."""
    field = None if seen is None else receptive_field(layer, x_shape, seen)
    out = layer.output_shape(x_shape)
    inside: list[CostRow] = []
    if isinstance(layer, Composite):
        for child, shape in zip(layer.children, layer.child_shapes(x_shape), strict=True):
            before = seen
            for part, part_shape in _parts(child, shape):
                first, *others = _rows(part, part_shape, how, before, depth + 1)
                inside += [first, *others]
                before = first.field
        direct = [row for row in inside if row.depth == depth + 1]
        of_children = (child.cost(s) for child, s in zip(layer.children, layer.child_shapes(x_shape), strict=True))
        own = _flops(Cost(0, layer.cost(x_shape).flops - sum(c.flops for c in of_children)), how)
        counts = (
            sum(row.parameters for row in direct),
            sum(row.biases for row in direct),
            sum(row.multiply_adds for row in direct),
            sum(row.flops for row in direct) + own,
        )
    else:
        counts = _leaf(layer, x_shape, how)
    yield CostRow(depth, layer.name, out[1:], *counts, stored_outputs(layer, x_shape), field)
    yield from inside


def _parts(child: Layer, x_shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """The layers of a path; a lone layer is a path of one."""
    if isinstance(child, Sequential):
        yield from zip(child.layers, child.child_shapes(x_shape), strict=True)
    else:
        yield child, x_shape


def _leaf(layer: Layer, x_shape: Shape, how: Counting) -> tuple[int, int, int, int]:
    """Parameters, biases among them, multiply-adds and FLOPs of a layer that holds no others."""
    if not _counts_bias(layer, x_shape, how):
        layer = dataclasses.replace(layer, bias=False)  # type: ignore[type-var]
    sizes = {name: math.prod(shape) for name, shape in layer.param_shapes(x_shape).items()}
    if not how.shared and isinstance(layer, (Conv2D, ConvTranspose2D)):
        pixels = {"W": math.prod(layer.windows(*x_shape[2:]).output), "b": math.prod(layer.output_shape(x_shape)[2:])}
        sizes = {name: size * pixels[name] for name, size in sizes.items()}
    cost = layer.cost(x_shape)
    return sum(sizes.values()), sizes.get("b", 0), cost.multiply_adds, _flops(cost, how)


def _counts_bias(layer: Layer, x_shape: Shape, how: Counting) -> bool:
    if how.bias == "all" or not getattr(layer, "bias", False):
        return True
    convolves = isinstance(layer, (Conv2D, ConvTranspose2D))
    return how.bias == "convolutions" and convolves and math.prod(layer.output_shape(x_shape)[2:]) > 1


def _flops(cost: Cost, how: Counting) -> int:
    factor = {"multiply-adds": 1, "2-multiply-adds": 2}
    return cost.flops if how.flops == "operations" else factor[how.flops] * cost.multiply_adds
