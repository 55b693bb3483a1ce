"""What the courses' models share: a tape of functional layers, `loss(X, y)`, and L2 regularisation of the weights.

A model lists its forward steps once, in `scores`; the backward pass is the tape replayed from its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.courses.common.faces import as_float
from chainrule.courses.common.layers import affine_backward, affine_forward, relu_backward, relu_forward, softmax_loss
from chainrule.errors import ConfigError, ShapeError, require_number, shown
from chainrule.require import as_numbers

Forward = Callable[..., tuple[np.ndarray, Any]]
Params = dict[str, np.ndarray]
Grads = dict[str, np.ndarray]


class Tape:
    """Forward calls in order, with what replaying them backwards needs."""

    def __init__(self, params: Mapping[str, np.ndarray]) -> None:
        self.params = params
        self.calls: list[tuple[tuple[str, ...], Callable[..., Any], Any]] = []

    def run(
        self, forward: Forward, backward: Callable[..., Any], x: np.ndarray, names: Sequence[str] = (), *options: Any
    ) -> np.ndarray:
        """`forward(x, *parameters, *options)`, to be undone by `backward`, whose gradients are of x and `names`."""
        out, cache = forward(x, *(self.params[name] for name in names), *options)
        self.calls.append((tuple(names), backward, cache))
        return out

    def gradients(self, dout: np.ndarray) -> Grads:
        """The gradient of every parameter that was used, the last layer's first."""
        grads: Grads = {}
        for names, backward, cache in reversed(self.calls):
            result = backward(dout, cache)
            dout, *own = result if isinstance(result, tuple) else (result,)
            grads.update(zip(names, own, strict=True))
        return grads


class Model:
    """Base of the models: `params`, `reg`, and `loss(X, y)`. A subclass draws `params` and writes `scores`."""

    #: How the i-th layer's weights and biases are called.
    weight_key: ClassVar[str] = "W{}"
    bias_key: ClassVar[str] = "b{}"
    #: (scores, y) -> (loss, dscores).
    data_loss: Callable[..., tuple[Any, np.ndarray]] = staticmethod(softmax_loss)

    params: Params
    reg: float = 0.0
    dtype: Any = None
    #: (C, H, W) of the images; None where X is (N, d1, ..., dk) and read as (N, d1 ... dk).
    input_dim: tuple[int, int, int] | None = None

    def loss(self, X: Any, y: Any = None) -> Any:
        """Scores of X in test mode if y is None; otherwise the loss with ½ reg ‖W‖², and its gradients by name."""
        owner = type(self).__name__
        X = as_float(X, f"{owner}: X")
        if self.input_dim is not None and X.shape[1:] != self.input_dim:
            raise ShapeError(
                f"{owner}: X must have axes (N, C, H, W) with (C, H, W) = {self.input_dim}, got shape {X.shape}"
            )
        X = X if self.dtype is None else X.astype(self.dtype)
        y = None if y is None else as_numbers(owner, "y", y)
        tape = Tape(self.params)
        scores = self.scores(X, tape, train=y is not None)
        if y is None:
            return scores
        loss, dscores = self.data_loss(scores, y)
        grads = tape.gradients(dscores)
        reg = float(self.reg)  # may be a NumPy scalar, which would widen float32
        for name in self.weights():
            W = self.params[name]
            loss = loss + 0.5 * reg * np.sum(W * W)
            grads[name] = grads[name] + reg * W
        return loss, {name: grads[name] for name in self.params}

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """The scores of X, every step recorded on `tape`."""
        raise NotImplementedError

    def weights(self) -> list[str]:
        """The names of the parameters that regularisation applies to."""
        return [name for name, value in self.params.items() if value.ndim > 1]  # biases, γ and β are vectors

    def layer_names(self, i: int) -> tuple[str, str]:
        """The names of the i-th layer's weights and biases."""
        return self.weight_key.format(i), self.bias_key.format(i)

    def draw_affine(self, i: int, inputs: int, outputs: int, weight_scale: float) -> None:
        """W ~ N(0, weight_scale²) (inputs, outputs) from NumPy's legacy global generator, b = 0."""
        owner = type(self).__name__
        for size in (inputs, outputs):
            require_number(owner, "input_dim, hidden_dim and num_classes", size, integer=True, low=1, high=10**9)
        W, b = self.layer_names(i)
        self.params[W] = drawn(owner, (inputs, outputs), weight_scale)
        self.params[b] = np.zeros(outputs)

    def cast_params(self, dtype: Any) -> None:
        """All parameters in `dtype`, in which inputs are computed from now on."""
        if not isinstance(dtype, (str, type, np.dtype)) or dtype not in ("float32", "float64", np.float32, np.float64):
            raise ConfigError(f"{type(self).__name__}: dtype must be float32 or float64, got {shown(dtype)}")
        self.dtype = dtype
        self.params = {name: value.astype(dtype) for name, value in self.params.items()}


class AffineStack(Model):
    """{affine – ReLU} × (L − 1) – affine: W1, b1, ..., WL, bL, drawn in that order."""

    forward_activation: Forward = staticmethod(relu_forward)
    backward_activation: Callable[..., np.ndarray] = staticmethod(relu_backward)
    num_layers: int

    def draw(self, sizes: Sequence[int], weight_scale: float) -> None:
        """The parameters for layers of `sizes`: inputs, hidden layers, outputs."""
        sizes = as_sizes(type(self).__name__, "the layer sizes", sizes)
        self.params = {}
        self.num_layers = len(sizes) - 1
        for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
            self.draw_affine(i, inputs, outputs, weight_scale)

    def scores(self, X: np.ndarray, tape: Tape, *, train: bool) -> np.ndarray:
        """Affine and ReLU in turn; no ReLU after the last affine layer."""
        x = X
        for i in range(1, self.num_layers + 1):
            x = tape.run(affine_forward, affine_backward, x, self.layer_names(i))
            if i < self.num_layers:
                x = self.between(x, i, tape, train=train)
        return x

    def between(self, x: np.ndarray, i: int, tape: Tape, *, train: bool) -> np.ndarray:
        """What follows the i-th affine layer: the activation; more in a subclass."""
        return tape.run(self.forward_activation, self.backward_activation, x)


def drawn(owner: str, shape: tuple[int, ...], weight_scale: float) -> np.ndarray:
    """Weights ~ N(0, weight_scale²) of `shape` from NumPy's legacy global generator, or a typed error."""
    # Far beyond any use; what is drawn with a larger one may overflow in float32.
    require_number(owner, "weight_scale", weight_scale, low=0, high=1e30)
    try:
        return np.random.normal(0, weight_scale, shape)
    except (MemoryError, ValueError):
        raise ConfigError(f"{owner}: weights of shape {shape} must fit in memory; make the sizes smaller") from None


def each_size(owner: str, **sizes: Any) -> list[int]:
    """Sizes given by name, each an integer >= 1 that a layer can have, or a typed error."""
    for argument, size in sizes.items():
        require_number(owner, argument, size, integer=True, low=1, high=10**6)
    return [int(size) for size in sizes.values()]


def as_sizes(owner: str, argument: str, sizes: Sequence[int]) -> list[int]:
    """Sizes, each an integer >= 1, or a typed error; `typed` has made sure that they are a list."""
    for size in sizes:
        require_number(owner, argument, size, integer=True, low=1)
    return [int(size) for size in sizes]
