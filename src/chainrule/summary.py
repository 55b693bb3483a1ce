"""What a network costs, layer by layer: shapes, parameters, multiply-adds, FLOPs and memory, all from declarations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.arrays import Shape
from chainrule.errors import require_number
from chainrule.layers.layer import Layer
from chainrule.layers.sequential import Composite, Sequential
from chainrule.typed import typed


class LayerRow(NamedTuple):
    """One layer of a summary; the counts are for one example, the shapes leave the batch axis out."""

    layer: str
    output_shape: Shape
    parameters: int
    multiply_adds: int
    flops: int


class Summary:
    """The cost of a list of layers on inputs of `input_shape` (without the batch axis).

    `str(summary)` is a table; `rows` and the totals are there to compute with. FLOPs count every multiplication,
    addition, comparison and elementary function of the forward pass as one.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Shape, itemsize: int) -> None:
        shape: Shape = (1, *input_shape)
        self.input_shape, self.itemsize = tuple(input_shape), itemsize
        self.rows: list[LayerRow] = []
        self._outputs = math.prod(self.input_shape)
        for layer in layers:
            out, cost = layer.output_shape(shape), layer.cost(shape)
            self._outputs += stored_outputs(layer, shape)
            self.rows.append(LayerRow(layer.name, out[1:], layer.param_count(shape), cost.multiply_adds, cost.flops))
            shape = out

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(r.parameters for r in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one example."""
        return sum(r.multiply_adds for r in self.rows)

    @property
    def flops(self) -> int:
        """FLOPs of one forward pass of one example."""
        return sum(r.flops for r in self.rows)

    @typed
    def memory(self, batch_size: int, slots: int = 0) -> int:
        """Bytes a training step on `batch_size` examples keeps, by count of the numbers that must exist.

        Parameters, their gradients and `slots` optimiser slots, and every layer's output with its gradient, those of
        the layers inside composites too.
        """
        require_number("Summary", "batch_size", batch_size, integer=True, low=1)
        require_number("Summary", "slots", slots, integer=True, low=0)
        return self.itemsize * ((2 + slots) * self.parameters + 2 * batch_size * self._outputs)

    def __str__(self) -> str:
        head = ("layer", "output shape", "parameters", "multiply-adds", "FLOPs")
        body = [
            (r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.multiply_adds:,}", f"{r.flops:,}")
            for r in self.rows
        ]
        total = ("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", f"{self.flops:,}")
        table = aligned(head, [("input", str(self.input_shape), "", "", ""), *body], total, text_columns=2)
        return f"{table}\nmemory of a training step, batch of 100: {self.memory(100) / 1e6:,.1f} MB"


def stored_outputs(layer: Layer, x_shape: Shape) -> int:
    """How many numbers of output a training step keeps for `layer`: its own, and those of the layers inside it.

    x_shape: the input's shape with a batch axis of 1. A `Sequential` puts out what its last layer does, once.
    """
    own = 0 if isinstance(layer, Sequential) else math.prod(layer.output_shape(x_shape))
    if not isinstance(layer, Composite):
        return own
    return own + sum(map(stored_outputs, layer.children, layer.child_shapes(x_shape)))


def aligned(
    head: Sequence[str], rows: Sequence[Sequence[str]], last: Sequence[str] | None = None, text_columns: int = 1
) -> str:
    """A table as plain text: the first `text_columns` columns to the left, numbers to the right, `last` under a rule.

    >>> print(aligned(("layer", "count"), [("Affine", "4"), ("ReLU", "12")]))
    layer   count
    -------------
    Affine      4
    ReLU       12
    """
    lines = [head, *rows, *([] if last is None else [last])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(
            c.ljust(w) if i < text_columns else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    rule = "-" * len(text[0])
    text.insert(1, rule)
    if last is not None:
        text.insert(-1, rule)
    return "\n".join(line.rstrip() for line in text)
