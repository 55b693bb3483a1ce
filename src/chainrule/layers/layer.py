"""What a layer is: a frozen declaration with a pure `forward`, a pure `backward`, and its costs.

A layer file states its axes, its parameters and the two passes. From these come shape inference, parameter counts,
error messages, the generated tests, the documentation row and the benchmark case; nothing is declared twice.

    axes = "N D -> N M"        names for the input's and the output's axes; "..." stands for any number of axes
    sizes = {"M": "units"}     axes whose length is one of the layer's own fields
    params = {"W": Param("D M", he_normal, decay=True), "b": Param("M", zeros)}
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.arrays import Array, Shape, namespace
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe
from chainrule.initializers import Initializer

Cache = tuple[Any, ...]
Gradients = dict[str, Array]
Sizes = dict[str, Any]  # axis name -> length; "..." -> a tuple of lengths


@dataclass(frozen=True)
class Param:
    """A tensor that a layer owns: its axes, how it starts, and whether regularisation applies (weights only)."""

    axes: str
    init: Initializer
    decay: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.init, Initializer):
            raise DTypeError(f"init must be an initialiser such as he_normal or Normal(), got {describe(self.init)}")


class Cost(NamedTuple):
    """Arithmetic of one forward pass.

    `multiply_adds` counts the products that matrix products and convolutions accumulate, as published counts do;
    other layers have none. `flops` counts every multiplication, addition, comparison, division and elementary
    function as one.
    """

    multiply_adds: int = 0
    flops: int = 0

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(self.multiply_adds + other.multiply_adds, self.flops + other.flops)


class Layer:
    """Base of all layers. A subclass is a frozen dataclass that writes `axes`, `forward`, `backward`, `examples`."""

    axes: ClassVar[str]
    sizes: ClassVar[Mapping[str, str]] = {}
    #: True where the derivative jumps at points a test must keep away from (ReLU at 0).
    has_kinks: ClassVar[bool] = False
    #: The parameters that the input is multiplied with in matrix products, which mixed precision rounds.
    factors: ClassVar[tuple[str, ...]] = ()
    #: True where `forward` draws random numbers in training and so needs a `key`.
    uses_key: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the shape checks around the subclass's two passes, so that no layer can forget them."""
        super().__init_subclass__(**kwargs)
        if "forward" in cls.__dict__:
            cls.forward = _checked(cls.__dict__["forward"])  # type: ignore[method-assign]
        for name in ("backward", "parameter_gradients"):
            if name in cls.__dict__:
                setattr(cls, name, _checked_backward(cls.__dict__[name]))

    @property
    def params(self) -> Mapping[str, Param]:
        """The trainable tensors by name; a class attribute in most layers."""
        return {}

    @property
    def buffers(self) -> Mapping[str, Param]:
        """Tensors that are state but not trained (running statistics), passed to `forward` among `params`."""
        return {}

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """Return the output and what `backward` needs. Pure: `x` and `params` are not changed.

        `train` selects training behaviour (batch statistics, dropout); `key` is the integer from which randomness
        is drawn, so that the same key gives the same output.
        """
        raise NotImplementedError

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """Return ∂L/∂ of the input under "x" and of every parameter under its name, given `dout` = ∂L/∂output."""
        raise NotImplementedError

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """`backward` without "x", for the first layer of a network; overridden where "x" costs a product."""
        grads = self.backward(dout, cache)
        return {name: grads[name] for name in self.params}

    def update_buffers(self, params: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
        """The buffers after one training step, from their old values in `params` and that step's `cache`."""
        return {}

    def derived_sizes(self, sizes: Sizes) -> Sizes:
        """Axis lengths that have to be computed from others; override for layers such as convolution."""
        return {}

    def cost(self, x_shape: Shape) -> Cost:
        """Multiply-adds and FLOPs of one forward pass over an input of `x_shape` (batch axis included)."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """Pairs of a layer and an input shape from which every generated test, benchmark and page is made."""
        raise NotImplementedError

    # -- derived from the declaration ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The layer's class name, as recipes and messages use it."""
        return type(self).__name__

    def bind(self, x_shape: Shape) -> Sizes:
        """Match `x_shape` against the axes and return the length of every axis name.

        >>> from chainrule.layers import Affine
        >>> Affine(10).bind((32, 784))
        {'N': 32, 'D': 784, 'M': 10}
        """
        return _bind(self, tuple(x_shape))

    def output_shape(self, x_shape: Shape) -> Shape:
        """The shape of the output for an input of `x_shape`."""
        return _shape_of(self.axes.split("->")[1], self.bind(x_shape))

    def param_shapes(self, x_shape: Shape) -> dict[str, Shape]:
        """The shape of every parameter for an input of `x_shape`."""
        return {name: _shape_of(p.axes, self.bind(x_shape)) for name, p in self.params.items()}

    def buffer_shapes(self, x_shape: Shape) -> dict[str, Shape]:
        """The shape of every buffer for an input of `x_shape`."""
        return {name: _shape_of(p.axes, self.bind(x_shape)) for name, p in self.buffers.items()}

    def init_params(self, x_shape: Shape, rng: Callable[[int], np.random.Generator]) -> dict[str, Array]:
        """Initial parameters and buffers; `rng(i)` gives the generator of the i-th tensor."""
        shapes = self.param_shapes(x_shape) | self.buffer_shapes(x_shape)
        declared = {**self.params, **self.buffers}
        return {name: p.init(shapes[name], rng(i)) for i, (name, p) in enumerate(declared.items())}

    def param_count(self, x_shape: Shape) -> int:
        """How many trainable numbers the layer has for an input of `x_shape`."""
        return sum(math.prod(s) for s in self.param_shapes(x_shape).values())


def _tokens(axes: str) -> tuple[str, ...]:
    return tuple(axes.split())


def _shape_of(axes: str, sizes: Sizes) -> Shape:
    shape: list[int] = []
    for token in _tokens(axes):
        if token == "...":
            shape.extend(sizes["..."])
        else:
            shape.append(int(token) if token.isdigit() else sizes[token])
    return tuple(shape)


@functools.lru_cache(maxsize=4096)
def _bind(layer: Layer, x_shape: Shape) -> Sizes:
    sizes = axis_sizes(layer, x_shape)
    sizes.update(layer.derived_sizes(sizes))
    return sizes


def axis_sizes(layer: Layer, x_shape: Shape) -> Sizes:
    """Match `x_shape` against the input side of the layer's axes, and add the axes that are its own fields."""
    tokens = _tokens(layer.axes.split("->")[0])
    refusal = ShapeError(f"{layer.name}: x has axes ({', '.join(tokens)}), got shape {x_shape}")
    fixed = [t for t in tokens if t != "..."]
    if len(x_shape) < len(fixed) or ("..." not in tokens and len(x_shape) != len(fixed)):
        raise refusal
    sizes: Sizes = {}
    lengths = list(x_shape)
    if "..." in tokens:
        at = tokens.index("...")
        rest = len(x_shape) - len(fixed)
        sizes["..."] = x_shape[at : at + rest]
        if 0 in sizes["..."]:
            raise refusal
        lengths[at : at + rest] = []
    for token, length in zip(fixed, lengths, strict=True):
        if length < 1:
            raise ShapeError(f"{layer.name}: x has axes ({', '.join(tokens)}) of length >= 1, got shape {x_shape}")
        expected = int(token) if token.isdigit() else sizes.get(token, length)
        if length != expected:
            raise refusal
        sizes[token] = length
    for axis, field in layer.sizes.items():
        value = getattr(layer, field)
        if sizes.get(axis, value) != value:
            raise ShapeError(
                f"{layer.name}: axis {axis} of x must be {field} = {value}, got {sizes[axis]} in shape {x_shape}"
            )
        sizes[axis] = value
    return sizes


@functools.lru_cache(maxsize=4096)
def _expected_shapes(layer: Layer, x_shape: Shape) -> dict[str, Shape]:
    return layer.param_shapes(x_shape) | layer.buffer_shapes(x_shape)


def check_input(layer: Layer, x: Any, params: Any) -> None:
    """Raise a typed error unless `x` and `params` are arrays of the shapes that `layer` declares."""
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape is None or dtype is None:
        raise DTypeError(f"{layer.name}: x must be an array, got {describe(x)}")
    if not _is_inexact(dtype, x):
        raise DTypeError(f"{layer.name}: x must hold floating-point numbers, got dtype {dtype}")
    layer.bind(tuple(shape))  # the axes, also of layers without parameters
    for name, expected in _expected_shapes(layer, tuple(shape)).items():
        try:
            got = params[name].shape
        except (KeyError, TypeError, AttributeError):
            given = sorted(params) if isinstance(params, Mapping) else describe(params)
            raise ConfigError(
                f"{layer.name}: params must hold an array {name!r} of shape {expected}, got {given}"
            ) from None
        if tuple(got) != expected:
            axes = {**layer.params, **layer.buffers}[name].axes
            raise ShapeError(
                f"{layer.name}: {name} has axes ({', '.join(_tokens(axes))}) = {expected} for x of shape "
                f"{tuple(shape)}, got shape {tuple(got)}"
            )


def _is_inexact(dtype: Any, x: Array) -> bool:
    if isinstance(dtype, np.dtype):  # NumPy and JAX; bfloat16 and its kin report kind "V"
        return dtype.kind in "fcV"
    return bool(namespace(x).isdtype(dtype, ("real floating", "complex floating")))


def _checked(forward: Callable[..., tuple[Array, Cache]]) -> Callable[..., tuple[Array, Cache]]:
    @functools.wraps(forward)
    def wrapper(
        self: Layer,
        x: Array,
        params: Mapping[str, Array] | None = None,
        *,
        train: bool = False,
        key: int | None = None,
    ) -> tuple[Array, Cache]:
        given: Mapping[str, Array] = {} if params is None else params
        check_input(self, x, given)
        out, cache = forward(self, x, given, train=train, key=key)
        return out, _with_shape(cache, out)

    return wrapper


class _Cache(tuple[Any, ...]):
    """A layer's cache that knows the shape of the output it belongs to, so that `backward` can compare `dout`."""

    output_shape: Shape


def _with_shape(cache: Cache, out: Array) -> Cache:
    known = _Cache(cache)
    known.output_shape = tuple(out.shape)
    return known


def _checked_backward(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    @functools.wraps(backward)
    def wrapper(self: Layer, dout: Array, cache: Cache) -> Gradients:
        if getattr(dout, "shape", None) is None or getattr(dout, "dtype", None) is None:
            raise DTypeError(f"{self.name}: dout must be an array, got {describe(dout)}")
        if not isinstance(cache, tuple):
            raise DTypeError(f"{self.name}: cache must be what forward returned, got {describe(cache)}")
        if isinstance(cache, _Cache) and tuple(dout.shape) != cache.output_shape:
            got = tuple(dout.shape)
            raise ShapeError(f"{self.name}: dout must have the shape of the output, {cache.output_shape}, got {got}")
        return backward(self, dout, cache)

    return wrapper
