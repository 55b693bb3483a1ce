"""Products in bfloat16: the operands of a layer that multiplies matrices are rounded, its sums are not.

    forward    y = f(r(x), r(W)) + b
    backward   ∂L/∂x, ∂L/∂W = the layer's own, of r(∂L/∂y), r(x), r(W)      ∂L/∂b = Σ ∂L/∂y

r rounds to the nearest bfloat16 (8 bits of significand, ties to even). Weights are kept, updated and checkpointed in
single precision; so are activations, sums, normalisation, losses and biases.
Source: Micikevicius et al., "Mixed precision training", 2018; Kalamkar et al., "A study of bfloat16", 2019.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.arrays import Array, Shape, namespace, round_to_bfloat16
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes


@dataclass(frozen=True)
class RoundedProducts(Layer):
    """`layer` with the operands of its products rounded; declarations, names and messages stay the layer's own."""

    layer: Layer

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def axes(self) -> str:  # type: ignore[override]
        """The layer's axes."""
        return self.layer.axes

    @property
    def params(self) -> Mapping[str, Param]:
        """The layer's parameters."""
        return self.layer.params

    def bind(self, x_shape: Shape) -> Sizes:
        """As the layer does."""
        return self.layer.bind(x_shape)

    def output_shape(self, x_shape: Shape) -> Shape:
        """As the layer does."""
        return self.layer.output_shape(x_shape)

    def param_shapes(self, x_shape: Shape) -> dict[str, Shape]:
        """As the layer does."""
        return self.layer.param_shapes(x_shape)

    def cost(self, x_shape: Shape) -> Cost:
        """As the layer does."""
        return self.layer.cost(x_shape)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """The layer's, of rounded inputs and weights."""
        factors = self.layer.factors
        operands = {n: round_to_bfloat16(p) if n in factors else p for n, p in params.items()}
        return self.layer.forward(round_to_bfloat16(x), operands, train=train, key=key)

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """The layer's, of the rounded gradient; the bias, which is in no product, is given the whole one."""
        return self._with_bias(self.layer.backward(round_to_bfloat16(dout), cache), dout)

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """The same without the input's."""
        return self._with_bias(self.layer.parameter_gradients(round_to_bfloat16(dout), cache), dout)

    def _with_bias(self, gradients: Gradients, dout: Array) -> Gradients:
        others = tuple(i for i in range(len(dout.shape)) if i != 1)
        return {**gradients, "b": namespace(dout).sum(dout, axis=others)} if "b" in gradients else gradients


def with_rounded_products(layer: Any) -> Any:
    """The layer, and every layer inside it, with the operands of products rounded."""
    if layer.factors:
        return RoundedProducts(layer)
    fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
    inside = {name: _rounded(value) for name, value in fields.items() if _holds_layers(value)}
    return dataclasses.replace(layer, **inside) if inside else layer


def _holds_layers(value: Any) -> bool:
    return any(_holds_layers(v) for v in value) if isinstance(value, tuple) else isinstance(value, Layer)


def _rounded(value: Any) -> Any:
    return tuple(_rounded(v) for v in value) if isinstance(value, tuple) else with_rounded_products(value)
