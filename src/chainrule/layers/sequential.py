"""Layers one after another.

    forward    y = fₖ(… f₂(f₁(x)))
    backward   ∂L/∂x = J₁ᵀ J₂ᵀ … Jₖᵀ ∂L/∂y

Composition is a loop; the chain rule is the same loop reversed: what comes out of one layer's backward pass is the
`dout` of the layer before it. A network is one `Sequential` and a loss; residual blocks and branches are made of them.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.5.2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.arrays import Array, Shape, Stream, derive_key
from chainrule.errors import ConfigError, DTypeError, describe, require_mapping, unknown
from chainrule.layers.affine import Affine
from chainrule.layers.layer import Cache, Cost, Gradients, Layer, Param, Sizes, axis_sizes, require_mode
from chainrule.layers.relu import ReLU

#: More than a network has composites: names forgotten would be made again at every level above.
_REMEMBERED = 1 << 15


def _draw(rng: Callable[[int], np.random.Generator], base: int, i: int) -> np.random.Generator:
    return rng(base + i)


@functools.lru_cache(maxsize=_REMEMBERED)
def parameter_names(layers: tuple[Layer, ...]) -> tuple[dict[str, str], ...]:
    """For each layer, its own tensor names and the names they have in the whole: W → W1, gamma → gamma1, W → W2.

    A new number begins where a name is taken already, so that a normalisation shares the number of the weights
    before it. Names from inside a composite keep their own number behind a dot: W2 of block 3 is W3.2.
    """
    index, taken, result = 0, set[str](), []
    for layer in layers:
        own = [name for kind in _own_names(layer) for name in kind]
        if own and (index == 0 or taken & {_stem(n) for n in own}):
            index, taken = index + 1, set()
        taken |= {_stem(n) for n in own}
        result.append({n: _numbered(n, index) for n in own})
    return tuple(result)


@functools.lru_cache(maxsize=_REMEMBERED)
def _own_names(layer: Layer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a layer's parameters and of its buffers; a composite's without a walk through all it holds."""
    if not isinstance(layer, Composite):
        return tuple(layer.params), tuple(layer.buffers)
    children = layer.children
    kinds = zip(*[_own_names(child) for child in children], strict=True)
    params, buffers = ([names[n] for names, own in zip(parameter_names(children), kind, strict=True) for n in own]
                       for kind in kinds)  # fmt: skip
    return tuple(params), tuple(buffers)


def _stem(name: str) -> str:
    return name.rstrip("0123456789.")


def _numbered(name: str, index: int) -> str:
    stem = _stem(name)
    inner = name[len(stem) :]
    return f"{stem}{index}" + (f".{inner}" if inner else "")


class Composite(Layer):
    """Base of layers that hold layers; what a composite declares is collected from its children."""

    axes = "N ... -> N ..."

    @property
    def children(self) -> tuple[Layer, ...]:
        """The layers inside, in the order in which their parameters are numbered."""
        raise NotImplementedError

    def child_shapes(self, x_shape: Shape) -> tuple[Shape, ...]:
        """The input shape of every child."""
        raise NotImplementedError

    @property
    def uses_key(self) -> bool:  # type: ignore[override]
        """Whether a child draws random numbers."""
        return any(child.uses_key for child in self.children)

    @property
    def has_kinks(self) -> bool:  # type: ignore[override]
        """Whether a child has kinks."""
        return any(child.has_kinks for child in self.children)

    @property
    def params(self) -> Mapping[str, Param]:
        """Every child's parameters under their numbered names."""
        return {names[n]: p for names, c in self._named() for n, p in c.params.items()}

    @property
    def buffers(self) -> Mapping[str, Param]:
        """Every child's buffers under their numbered names."""
        return {names[n]: p for names, c in self._named() for n, p in c.buffers.items()}

    def bind(self, x_shape: Shape) -> Sizes:
        """The axis lengths of the input; the children check what goes through them."""
        self.output_shape(tuple(x_shape))
        return axis_sizes(self, tuple(x_shape))

    def param_shapes(self, x_shape: Shape) -> dict[str, Shape]:
        """The shape of every child's parameters."""
        return {names[n]: s for names, c, xs in self._shaped(x_shape) for n, s in c.param_shapes(xs).items()}

    def buffer_shapes(self, x_shape: Shape) -> dict[str, Shape]:
        """The shape of every child's buffers."""
        return {names[n]: s for names, c, xs in self._shaped(x_shape) for n, s in c.buffer_shapes(xs).items()}

    def init_params(self, x_shape: Shape, rng: Callable[[int], np.random.Generator]) -> dict[str, Array]:
        """Initial tensors of all children, drawn in order."""
        values: dict[str, Array] = {}
        for names, child, shape in self._shaped(x_shape):
            drawn = child.init_params(shape, functools.partial(_draw, rng, len(values)))
            values.update({names[n]: v for n, v in drawn.items()})
        return values

    def cost(self, x_shape: Shape) -> Cost:
        """The sum over the children."""
        total = Cost()
        for _, child, shape in self._shaped(x_shape):
            total = total + child.cost(shape)
        return total

    def _named(self) -> Iterator[tuple[dict[str, str], Layer]]:
        return zip(parameter_names(self.children), self.children, strict=True)

    def _shaped(self, x_shape: Shape) -> Iterator[tuple[dict[str, str], Layer, Shape]]:
        return zip(parameter_names(self.children), self.children, self.child_shapes(x_shape), strict=True)


@dataclass(frozen=True)
class Sequential(Composite):
    """The layers of `layers`, each fed with the output of the one before.

    >>> import numpy as np
    >>> Sequential((Affine(4), ReLU(), Affine(2))).output_shape((5, 3))
    (5, 2)
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.name, "layers", self.layers))

    @property
    def children(self) -> tuple[Layer, ...]:
        """The layers themselves."""
        return self.layers

    def output_shape(self, x_shape: Shape) -> Shape:
        """What the last layer puts out."""
        return self.layers[-1].output_shape(self.child_shapes(x_shape)[-1])

    def child_shapes(self, x_shape: Shape) -> tuple[Shape, ...]:
        """Each layer's input shape: the output shape of the one before."""
        shapes = [tuple(x_shape)]
        for layer in self.layers[:-1]:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    def forward(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> tuple[Array, Cache]:
        """The loop; each layer's random numbers have a key of their own."""
        caches = []
        for i, (layer, own) in enumerate(self.split(params)):
            x, cache = layer.forward(x, own, train=train, key=child_key(layer, key, i))
            caches.append(cache)
        return x, tuple(caches)

    def outputs(
        self, x: Array, params: Mapping[str, Array], *, train: bool = False, key: int | None = None
    ) -> Iterator[Array]:
        """The output of every layer in turn; caches are dropped as soon as they are made."""
        require_mode(self, train, key)
        for i, (layer, own) in enumerate(self.split(params)):
            x, _ = layer.forward(x, own, train=train, key=child_key(layer, key, i))
            yield x

    def backward(self, dout: Array, cache: Cache) -> Gradients:
        """The loop reversed."""
        return self._backward(dout, cache, input_gradient=True)

    def parameter_gradients(self, dout: Array, cache: Cache) -> Gradients:
        """The loop reversed, without the gradient of the first layer's input."""
        return self._backward(dout, cache, input_gradient=False)

    def _backward(self, dout: Array, cache: Cache, *, input_gradient: bool) -> Gradients:
        names = parameter_names(self.layers)
        grads: Gradients = {}
        for i in reversed(range(len(self.layers))):
            layer, last = self.layers[i], i == 0 and not input_gradient
            own = layer.parameter_gradients(dout, cache[i]) if last else layer.backward(dout, cache[i])
            dout = None if last else own["x"]
            grads.update({names[i][n]: g for n, g in own.items() if n != "x"})
        return {"x": dout, **grads} if input_gradient else grads

    def split(self, params: Mapping[str, Array]) -> Iterator[tuple[Layer, dict[str, Array]]]:
        """Each layer with its own parameters and buffers under its own names."""
        return split_params(self.layers, params)

    def owner(self, name: str) -> int:
        """The index of the layer that the parameter or buffer `name` belongs to."""
        for i, names in enumerate(parameter_names(self.layers)):
            if isinstance(name, str) and name in names.values():
                return i
        raise unknown("parameter name", name, [*self.params, *self.buffers])

    def update_buffers(self, params: Mapping[str, Array], cache: Cache) -> dict[str, Array]:
        """Every layer's buffers after a training step."""
        return updated_buffers(self.layers, params, cache)

    @classmethod
    def examples(cls) -> Sequence[tuple[Layer, Shape]]:
        """A small network, and one inside another."""
        inner = cls((Affine(3), ReLU()))
        return [(cls((Affine(4), ReLU(), Affine(2))), (3, 5)), (cls((inner, Affine(2), inner)), (1, 2))]


# -- what all composites share ---------------------------------------------------------------------------------------


def as_layers(owner: str, argument: str, layers: object) -> tuple[Layer, ...]:
    """`layers` as a tuple, or a typed error that names the first thing in it that is not a layer."""
    if not isinstance(layers, (list, tuple)):
        raise DTypeError(f"{owner}: {argument} must be a list of layers, got {describe(layers)}")
    if not layers:
        raise ConfigError(f"{owner}: {argument} must hold at least one layer, got an empty list")
    for i, layer in enumerate(layers):
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise DTypeError(f"{owner}: {argument}[{i}] is the class {layer.__name__}; write {layer.__name__}(...)")
        if not isinstance(layer, Layer):
            raise DTypeError(f"{owner}: {argument}[{i}] must be a layer, got {describe(layer)}")
    return tuple(layers)


def split_params(layers: tuple[Layer, ...], params: Mapping[str, Array]) -> Iterator[tuple[Layer, dict[str, Array]]]:
    """Each layer with its own part of `params` under its own names."""
    require_mapping("Sequential", "params", params, "arrays")
    for layer, names in zip(layers, parameter_names(layers), strict=True):
        lacking = [whole for whole in names.values() if whole not in params]
        if lacking:
            raise ConfigError(f"{layer.name}: params must hold {', '.join(lacking)}, got {sorted(params)}")
        yield layer, {own: params[whole] for own, whole in names.items()}


def child_key(layer: Layer, key: int | None, i: int) -> int | None:
    """The key of the i-th child, derived from the composite's; None where none is used."""
    return derive_key(key, Stream.FORWARD, layer=i) if layer.uses_key and key is not None else None


def updated_buffers(layers: tuple[Layer, ...], params: Mapping[str, Array], caches: Cache) -> dict[str, Array]:
    """The new buffers of all `layers` under their numbered names."""
    names = parameter_names(layers)
    return {
        names[i][n]: value
        for i, (layer, own) in enumerate(split_params(layers, params))
        for n, value in layer.update_buffers(own, caches[i]).items()
    }
