"""What a layer is: a frozen declaration with a pure `forward`, a pure `backward`, and its costs.

A layer file states its axes, its parameters and the two passes. From these come shape inference, parameter counts,
error messages, the generated tests, the documentation row and the benchmark case; nothing is declared twice.

    axes = "N D -> N M"        names for the input's and the output's axes; "..." stands for any number of axes
    sizes = {"M": "units"}     axes whose length is one of the layer's own fields
    params = {"W": Param("D M", he_normal, decay=True), "b": Param("M", zeros)}
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import (
    ChainruleError,
    ConfigError,
    DTypeError,
    ShapeError,
    describe,
    require_bool,
    require_function,
    require_number,
    require_text,
)
from chainrule.initializers import Initializer, require_initializer
from chainrule.require import plain_fields, require_array

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
        require_text("Param", "axes", self.axes)
        require_initializer("Param", "init", self.init)
        require_bool("Param", "decay", self.decay)


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
        """Put the checks of arguments around the subclass's methods, so that no layer can forget them."""
        super().__init_subclass__(**kwargs)
        _check_methods(cls)
        plain_fields(cls)

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


# -- checks in front of what a layer offers ---------------------------------------------------------------------------


def check_input(layer: Layer, x: Any, params: Any) -> None:
    """Raise a typed error unless `x` and `params` are arrays of the shapes that `layer` declares."""
    require_array(layer.name, "x", x)
    shape = tuple(x.shape)
    layer.bind(shape)  # the axes, also of layers without parameters
    _check_tensors(layer, params, _expected_shapes(layer, shape), shape)


def _check_tensors(layer: Layer, params: Any, expected: Mapping[str, Shape], x_shape: Shape | None) -> None:
    if not isinstance(params, Mapping):
        raise ConfigError(_missing(layer, params, expected))
    for name, shape in expected.items():
        if name not in params:
            raise ConfigError(_missing(layer, params, {name: shape}))
        require_array(layer.name, name, params[name])
        got = tuple(params[name].shape)
        if got != shape:
            axes = {**layer.params, **layer.buffers}[name].axes
            of = f" for x of shape {x_shape}" if x_shape is not None else ""
            raise ShapeError(
                f"{layer.name}: {name} has axes ({', '.join(_tokens(axes))}) = {shape}{of}, got shape {got}"
            )


def _missing(layer: Layer, params: Any, expected: Mapping[str, Shape]) -> str:
    given = sorted(map(str, params)) if isinstance(params, Mapping) else describe(params)
    wanted = ", ".join(f"an array {name!r} of shape {shape}" for name, shape in expected.items())
    return f"{layer.name}: params must {f'hold {wanted}' if wanted else 'be a dictionary of arrays'}, got {given}"


def as_shape(owner: str, argument: str, shape: Any) -> Shape:
    """`shape` as a tuple of integers >= 0, or a typed error."""
    if type(shape) is tuple and all(type(size) is int for size in shape) and min(shape, default=0) >= 0:
        return shape
    if not isinstance(shape, (tuple, list)):
        raise DTypeError(f"{owner}: {argument} must be a tuple of integers, got {describe(shape)}")
    for size in shape:
        require_number(owner, f"each entry of {argument}", size, integer=True, low=0)
    return tuple(map(int, shape))


#: The methods whose only argument is the shape of the input.
_OF_SHAPE = ("bind", "output_shape", "param_shapes", "buffer_shapes", "child_shapes", "param_count")


def _check_methods(cls: type[Layer]) -> None:
    """Wrap what `cls` itself defines; what it inherits is wrapped where it is defined."""
    wrappers: dict[str, Callable[[Any], Any]] = {
        "forward": _checked,
        "backward": _checked_backward,
        "parameter_gradients": _checked_backward,
        "update_buffers": _checked_update,
        "init_params": _checked_init,
        "cost": _checked_cost,
        **dict.fromkeys(_OF_SHAPE, _checked_shape),
    }
    for name, wrap in wrappers.items():
        if name in cls.__dict__:
            setattr(cls, name, wrap(cls.__dict__[name]))


def _checked_shape(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(self: Layer, x_shape: Shape) -> Any:
        return method(self, as_shape(self.name, "x_shape", x_shape))

    return wrapper


def _checked_cost(cost: Callable[..., Cost]) -> Callable[..., Cost]:
    @functools.wraps(cost)
    def wrapper(self: Layer, x_shape: Shape) -> Cost:
        shape = as_shape(self.name, "x_shape", x_shape)
        self.bind(shape)
        return cost(self, shape)

    return wrapper


def _checked_init(init_params: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(init_params)
    def wrapper(self: Layer, x_shape: Shape, rng: Any) -> Any:
        require_function(self.name, "rng", rng)
        return init_params(self, as_shape(self.name, "x_shape", x_shape), rng)

    return wrapper


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
        require_mode(self, train, key)
        out, cache = forward(self, x, given, train=train, key=key)
        return out, _of_layer(self, cache, out)

    return wrapper


def require_mode(layer: Layer, train: Any, key: Any) -> None:
    """Raise a typed error unless `train` is a truth value and `key` an integer or None."""
    if train is not True and train is not False:
        require_bool(layer.name, "train", train)
    if key is None or type(key) is int:
        return
    words = isinstance(key, tuple) and len(key) == 2  # of a tracing library, whose values are not known yet
    if isinstance(key, bool) or not (words or isinstance(key, (int, np.integer))):
        raise DTypeError(f"{layer.name}: key must be an integer, such as derive_key gives, got {describe(key)}")


class _Cache(tuple[Any, ...]):
    """A layer's cache that knows whose it is and the shape of the output, so that `backward` can compare `dout`."""

    layer: str
    output_shape: Shape


def _of_layer(layer: Layer, cache: Cache, out: Array) -> Cache:
    known = _Cache(cache)
    known.layer, known.output_shape = layer.name, tuple(out.shape)
    return known


def _checked_backward(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    @functools.wraps(backward)
    def wrapper(self: Layer, dout: Array, cache: Cache) -> Gradients:
        require_array(self.name, "dout", dout)
        if not isinstance(cache, tuple):
            raise _not_a_cache(self, cache)
        if not isinstance(cache, _Cache):  # put together by the caller
            with _naming_the_cache(self, cache):
                return backward(self, dout, cache)
        if cache.layer != self.name:
            raise DTypeError(f"{self.name}: cache must be what its own forward returned, got that of {cache.layer}")
        if tuple(dout.shape) != cache.output_shape:
            got = tuple(dout.shape)
            raise ShapeError(f"{self.name}: dout must have the shape of the output, {cache.output_shape}, got {got}")
        return backward(self, dout, cache)

    return wrapper


def _checked_update(update: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(update)
    def wrapper(self: Layer, params: Mapping[str, Array], cache: Cache) -> Any:
        if not isinstance(params, Mapping) or any(name not in params for name in self.buffers):
            raise ConfigError(f"{self.name}: params must hold {', '.join(self.buffers)}, got {describe(params)}")
        for name in self.buffers:
            require_array(self.name, name, params[name])
        if not isinstance(cache, _Cache):
            raise _not_a_cache(self, cache)
        return update(self, params, cache)

    return wrapper


def _not_a_cache(layer: Layer, cache: Any) -> DTypeError:
    return DTypeError(f"{layer.name}: cache must be what forward returned, got {describe(cache)}")


@contextlib.contextmanager
def _naming_the_cache(layer: Layer, cache: Any) -> Iterator[None]:
    try:
        yield
    except ChainruleError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError):
        raise _not_a_cache(layer, cache) from None


_check_methods(Layer)
