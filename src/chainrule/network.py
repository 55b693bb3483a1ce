"""A network: a list of layers and a loss. Forward is a loop, backward the loop reversed.

All trainable numbers live in one flat vector with named views (`network.params["W1"]`); so do the gradients, and the
buffers (running statistics), which a training step updates by one separate call.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.arrays import Array, Shape, Stream, derive_key, generator
from chainrule.config import from_config, layers_from_config, to_config
from chainrule.data.normalized import NormalizedRows
from chainrule.errors import (
    ChainruleError,
    ConfigError,
    DivergenceError,
    DTypeError,
    ShapeError,
    describe,
    require_bool,
    require_number,
    shown,
    unknown,
)
from chainrule.flat import FlatViews
from chainrule.initializers import require_generator
from chainrule.layers.layer import Cache, Layer
from chainrule.layers.rounded_products import with_rounded_products
from chainrule.layers.sequential import Sequential, as_layers
from chainrule.losses import Loss, SoftmaxCrossEntropy
from chainrule.require import as_numbers, require_array
from chainrule.summary import Summary

__all__ = ["Network"]

DTYPES = ("float32", "float64", "longdouble")
MIXED = "bfloat16"


class Network:
    """Layers trained against a loss, on inputs of one shape.

    layers: a list of layers. loss: what training minimises, softmax cross-entropy unless given. input_shape: the
    shape of one example, an integer for a vector. seed: from which initial weights and all noise are drawn.
    dtype: "float32", "float64", "longdouble", or "bfloat16": the operands of matrix products are rounded to bfloat16,
    all else, weights included, is kept in float32 (`RoundedProducts`). reg: λ of ½ λ ‖W‖² added to the loss, over
    weights only.
    rng: a NumPy generator to draw initial weights from, tensor after tensor, instead of the seed.

    >>> from chainrule.layers import Affine, ReLU
    >>> network = Network([Affine(5), ReLU(), Affine(3)], input_shape=4, seed=1)
    >>> list(network.params), network.params.flat.size
    (['W1', 'b1', 'W2', 'b2'], 43)
    >>> loss, gradients = network.loss(np.ones((2, 4)), np.array([0, 2]))
    >>> gradients["W1"].shape
    (4, 5)
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss | None = None,
        input_shape: int | Sequence[int] | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        *,
        reg: float = 0.0,
        rng: Any = None,
    ) -> None:
        self._declare(layers, loss, input_shape, seed, dtype, reg)
        self.initialize(rng)

    def _declare(self, layers: Any, loss: Any, input_shape: Any, seed: Any, dtype: Any, reg: Any) -> None:
        """Everything but the values of the tensors."""
        #: The layers, in order.
        self.layers = as_layers("Network", "layers", layers)
        #: Whether the operands of products are rounded to bfloat16.
        self.mixed = _is_mixed(dtype)
        body = Sequential(self.layers)
        self.body: Sequential = with_rounded_products(body) if self.mixed else body
        self.loss_function: Loss = SoftmaxCrossEntropy() if loss is None else loss
        if not isinstance(self.loss_function, Loss):
            raise DTypeError(f"Network: loss must be a loss such as SoftmaxCrossEntropy(), got {describe(loss)}")
        self.input_shape = _as_shape(input_shape)
        require_number("Network", "seed", seed, integer=True, low=0, high=2**64, open_high=True)
        require_number("Network", "reg", reg, low=0)
        self.seed, self.reg, self.dtype = int(seed), float(reg), _as_dtype("float32" if self.mixed else dtype)

        example = (1, *self.input_shape)
        self.output_shape = self.body.output_shape(example)[1:]
        self.params = FlatViews(self.body.param_shapes(example), self.dtype)
        self.gradients = FlatViews(self.params.shapes, self.dtype)
        self.buffers = FlatViews(self.body.buffer_shapes(example), self.dtype)
        #: One where an entry of `params.flat` belongs to a weight that regularisation applies to, else zero.
        self.decay = np.zeros_like(self.params.flat)
        for name, declared in self.body.params.items():
            self.decay[self.params.slices[name]] = declared.decay

    def initialize(self, rng: Any = None) -> None:
        """Draw all parameters anew, from the seed or from `rng`, and reset the buffers."""
        if rng is not None:
            require_generator("Network", rng)
        draw = (lambda i: generator(self.seed, Stream.INIT, layer=i)) if rng is None else (lambda i: rng)
        for name, value in self.body.init_params((1, *self.input_shape), draw).items():
            (self.params if name in self.params else self.buffers)[name] = value

    def _load(self, tensors: Mapping[str, Array]) -> None:
        """Set every parameter and buffer; `ConfigError` unless all of them, and nothing else, are given."""
        if not isinstance(tensors, Mapping):
            raise DTypeError(f"Network: tensors must be a table of arrays by name, got {describe(tensors)}")
        missing = [name for name in (*self.params, *self.buffers) if name not in tensors]
        if missing:
            raise ConfigError(f"Network: tensors must hold {missing[0]}, got {', '.join(map(str, tensors))}")
        for name, value in tensors.items():
            (self.buffers if name in self.buffers else self.params)[name] = value

    # -- the two passes ---------------------------------------------------------------------------------------------

    def forward(self, x: Array, *, train: bool = False, step: int = 0) -> tuple[Array, Cache]:
        """Scores for a batch of the network's dtype, and the caches that `backward` needs.

        `step` numbers the training step; dropout draws its masks from (seed, step, layer) and nothing else.
        """
        require_bool("Network", "train", train)
        require_number("Network", "step", step, integer=True, low=0)
        key = derive_key(self.seed, Stream.FORWARD, int(step)) if train and self.body.uses_key else None
        return self.body.forward(x, self.tensors, train=train, key=key)

    def backward(self, dscores: Array, cache: Cache) -> FlatViews:
        """Write the gradient of every parameter into `gradients`, and return it."""
        require_array("Network", "dscores", dscores)
        if getattr(dscores.dtype, "kind", None) == "c":
            raise DTypeError(f"Network: dscores must hold real numbers, got dtype {dscores.dtype}")
        expected = getattr(cache, "output_shape", None)
        if expected is not None and tuple(dscores.shape) != expected:
            raise ShapeError(f"Network: dscores must have the shape of the scores, {expected}, got {dscores.shape}")
        for name, gradient in self.body.parameter_gradients(dscores, cache).items():
            self.gradients[name] = gradient
        return self.gradients

    def loss(self, X: Array, y: Array | None = None, *, step: int = 0) -> Any:
        """Scores of `X` if `y` is None; otherwise the training loss of the batch and its gradients.

        The gradients are views into one vector that the next call overwrites. Running statistics stay as they are:
        an engine's training step updates them, by `update_buffers`.
        """
        x = self.as_input(X)
        if y is None:
            return self.scores(x)
        require_number("Network", "step", step, integer=True, low=0)
        scores, cache = self.forward(x, train=True, step=step)
        loss, dscores = self.loss_function(scores, as_array("y", y))
        gradients = self.backward(dscores, cache)
        return self.regularize(float(loss)), gradients

    def regularize(self, loss: float) -> float:
        """Add ½ λ ‖W‖² to `loss` and λ W to `gradients`."""
        if isinstance(loss, bool) or not isinstance(loss, (int, float)):  # it may be infinite
            raise DTypeError(f"Network: loss must be a number, got {describe(loss)}")
        if self.reg == 0.0:
            return loss
        pulled = self.params.flat * self.decay  # (P,), the weights, zero elsewhere
        self.gradients.flat += self.reg * pulled
        return loss + 0.5 * self.reg * float(pulled @ pulled)

    def update_buffers(self, cache: Cache) -> None:
        """Take the running statistics one training step further, given that step's `cache`."""
        self.buffers.update(self.new_buffers(cache))

    def new_buffers(self, cache: Cache) -> dict[str, Array]:
        """What `update_buffers` would make of the running statistics; nothing is changed."""
        if getattr(cache, "layer", None) != self.body.name:
            raise DTypeError(f"Network: cache must be what forward returned, got {describe(cache)}")
        return self.body.update_buffers(self.tensors, cache) if len(self.buffers) else {}

    # -- using a trained network ------------------------------------------------------------------------------------

    def scores(self, X: Array, batch_size: int = 1000) -> Array:
        """The last layer's output in test mode, computed `batch_size` rows at a time."""
        x = X if isinstance(X, NormalizedRows) else self.as_input(X)  # those are normalised a batch at a time
        require_number("Network", "batch_size", batch_size, integer=True, low=1)
        parts = [self._scores(self.as_input(x[i : i + batch_size])) for i in range(0, len(x), batch_size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def predict(self, X: Array, batch_size: int = 1000) -> Array:
        """The decision for each row of `X`: class labels for a classifier, values for a regression."""
        return self.loss_function.predict(self.scores(X, batch_size))

    def predict_proba(self, X: Array, batch_size: int = 1000) -> Array:
        """Class probabilities (N, C); a `ConfigError` if the loss defines none."""
        return self.loss_function.probabilities(self.scores(X, batch_size))

    def summary(self) -> Summary:
        """Shapes, parameters, multiply-adds, FLOPs and memory, layer by layer; print it for a table."""
        return Summary(self.layers, self.input_shape, self.dtype.itemsize)

    def _scores(self, x: Array) -> Array:
        for out in self.body.outputs(x, self.tensors):
            x = out
        return x

    # -- input, output, diagnosis -----------------------------------------------------------------------------------

    @property
    def tensors(self) -> dict[str, Array]:
        """Parameters and buffers together, by name, as layers take them."""
        return {**self.params, **self.buffers}

    def as_input(self, X: Array) -> Array:
        """`X` as an array (N, *input_shape) of the network's dtype, or a typed error."""
        x = as_array("X", X)
        if x.shape[1:] != self.input_shape or x.ndim == 0 or len(x) == 0:
            expected = ", ".join(["N", *map(str, self.input_shape)])
            hint = ""
            if (
                len(self.input_shape) == 3
                and x.ndim == 4
                and x.shape[1:] == (*self.input_shape[1:], self.input_shape[0])
            ):
                hint = "; channels come first: give X.transpose(0, 3, 1, 2)"
            elif x.ndim and len(x) and math.prod(x.shape[1:]) == math.prod(self.input_shape):
                hint = f"; reshape it to {(len(x), *self.input_shape)}"
            raise ShapeError(f"Network: X must have shape ({expected}) with N >= 1, got {x.shape}{hint}")
        return x.astype(self.dtype, copy=False)

    @property
    def dtype_name(self) -> str:
        """The dtype as it was declared: "bfloat16" where products are rounded, though numbers are kept in float32."""
        if self.mixed:
            return MIXED
        return self.dtype.name if self.dtype != np.dtype("longdouble") else "longdouble"

    def config(self) -> dict[str, Any]:
        """The declaration as plain data; `Network.from_config` builds the same network from it."""
        return {
            "layers": to_config(self.layers),
            "loss": to_config(self.loss_function),
            "input_shape": list(self.input_shape),
            "seed": self.seed,
            "dtype": self.dtype_name,
            "reg": self.reg,
        }

    @classmethod
    def from_config(cls, config: Any, *, tensors: Mapping[str, Array] | None = None) -> Network:
        """Build a network from what `config` returned; only registered layers can be named.

        tensors: the values of parameters and buffers by name, in place of initial ones, which are not drawn then.
        """
        declared = _declared(config)
        try:
            if tensors is None:
                return cls(**declared)
            network = cls.__new__(cls)
            network._declare(**declared)
            network._load(tensors)
            return network
        except ChainruleError as error:
            raise ConfigError(f"config: {error}") from None

    def diagnose(self, X: Array, y: Array, step: int) -> DivergenceError:
        """The error that names the first tensor which is not finite in the training step `step` on (X, y)."""
        require_number("Network", "step", step, integer=True, low=1)
        x, targets, train_step = self.as_input(X), as_array("y", y), int(step) - 1
        if (bad := _first_bad(x)) is not None:
            return DivergenceError(step, "the input", "X", bad)
        for name, value in self.params.items():
            if (bad := _first_bad(value)) is not None:
                return DivergenceError(step, self.owner(name), f"parameter {name}", bad)
        key = derive_key(self.seed, Stream.FORWARD, train_step) if self.body.uses_key else None
        for i, out in enumerate(self.body.outputs(x, self.tensors, train=True, key=key)):
            if (bad := _first_bad(out)) is not None:
                return DivergenceError(step, f"layer {i} ({self.layers[i].name})", "the output", bad)
        loss, gradients = self.loss(X, targets, step=train_step)
        if not math.isfinite(loss):
            return DivergenceError(step, f"the loss ({self.loss_function.name})", "its value", loss)
        for name in reversed(list(gradients)):
            if (bad := _first_bad(gradients[name])) is not None:
                return DivergenceError(step, self.owner(name), f"the gradient of {name}", bad)
        for name, value in self.new_buffers(self.forward(x, train=True, step=train_step)[1]).items():
            if (bad := _first_bad(value)) is not None:
                return DivergenceError(step, self.owner(name), f"running statistic {name}", bad)
        return DivergenceError(step, "the network", "a tensor", math.nan)

    def owner(self, name: str) -> str:
        """The layer that parameter `name` belongs to, as messages name it: `layer 2 (Affine)`."""
        i = self.body.owner(name)
        return f"layer {i} ({self.layers[i].name})"


def declared_shapes(config: Any) -> dict[str, Shape]:
    """The shape of every parameter and buffer of the network that `config` declares, before any memory is taken."""
    declared = _declared(config)
    try:
        body, example = Sequential(declared["layers"]), (1, *_as_shape(declared["input_shape"]))
        return {**body.param_shapes(example), **body.buffer_shapes(example)}
    except ChainruleError as error:
        raise ConfigError(f"config: {error}") from None


def _declared(config: Any) -> dict[str, Any]:
    """The arguments of `Network` in the plain data `config`, layers and loss built."""
    names = ("layers", "loss", "input_shape", "seed", "dtype", "reg")
    if not isinstance(config, Mapping):
        raise DTypeError(f"Network: config must be a table with {', '.join(names)}, got {describe(config)}")
    for name in config:
        if name not in names:
            raise unknown("entry of a network's config", name, names)
    missing = [name for name in names if name not in config]
    if missing:
        raise ConfigError(f"Network: config must hold {', '.join(names)}, got none of {', '.join(missing)}")
    if config["dtype"] not in (*DTYPES, MIXED):
        raise ConfigError(f"Network: dtype must be one of {', '.join((*DTYPES, MIXED))}, got {config['dtype']!r:.60}")
    built = {"layers": layers_from_config(config["layers"]), "loss": from_config("loss", config["loss"])}
    return {**config, **built}


def as_array(argument: str, value: Any) -> Array:
    """`value` as a NumPy array of numbers, or a typed error."""
    return as_numbers("Network", argument, value)


def _first_bad(array: Array) -> float | None:
    bad = ~np.isfinite(array)
    return float(array[bad][0]) if bad.any() else None


def _as_shape(shape: int | Sequence[int] | None) -> Shape:
    if shape is None:
        raise ConfigError("Network: input_shape must be given: the shape of one example, such as 784 or (1, 28, 28)")
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else shape
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Sequence):
        raise DTypeError(f"Network: input_shape must be an integer or a list of them, got {describe(shape)}")
    for size in sizes:
        require_number("Network", "input_shape", size, integer=True, low=1)
    return tuple(int(size) for size in sizes)


def _is_mixed(dtype: Any) -> bool:
    return (isinstance(dtype, str) and dtype == MIXED) or getattr(dtype, "name", None) == MIXED


def _as_dtype(dtype: Any) -> np.dtype[Any]:
    known = [np.dtype(name) for name in DTYPES]
    resolved = None
    if isinstance(dtype, (str, type, np.dtype)):
        with contextlib.suppress(Exception):  # a text or class of the caller's own making may raise anything
            resolved = np.dtype(dtype)
    if resolved is None or resolved not in known:
        raise ConfigError(f"Network: dtype must be one of {', '.join((*DTYPES, MIXED))}, got {shown(dtype)}")
    return resolved
