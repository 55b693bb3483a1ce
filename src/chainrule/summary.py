"""What a network costs, layer by layer: shapes, parameters, multiply-adds, FLOPs and memory, all from declarations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.arrays import Shape
from chainrule.errors import require_number
from chainrule.layers.layer import Layer


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
        for layer in layers:
            out, cost = layer.output_shape(shape), layer.cost(shape)
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

    def memory(self, batch_size: int, slots: int = 0) -> int:
        """Bytes a training step on `batch_size` examples keeps, by count of the numbers that must exist.

        Parameters, their gradients and `slots` optimiser slots, and every layer's output with its gradient.
        """
        require_number("Summary", "batch_size", batch_size, integer=True, low=1)
        require_number("Summary", "slots", slots, integer=True, low=0)
        outputs = math.prod(self.input_shape) + sum(math.prod(r.output_shape) for r in self.rows)
        return self.itemsize * ((2 + slots) * self.parameters + 2 * batch_size * outputs)

    def __str__(self) -> str:
        head = ("layer", "output shape", "parameters", "multiply-adds", "FLOPs")
        body = [
            (r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.multiply_adds:,}", f"{r.flops:,}")
            for r in self.rows
        ]
        total = ("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", f"{self.flops:,}")
        lines = [head, ("input", str(self.input_shape), "", "", ""), *body, total]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        text.insert(1, "-" * len(text[0]))
        text.insert(-1, "-" * len(text[0]))
        text.append(f"memory of a training step, batch of 100: {self.memory(100) / 1e6:,.1f} MB")
        return "\n".join(line.rstrip() for line in text)
