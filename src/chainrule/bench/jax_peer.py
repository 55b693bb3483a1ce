"""JAX's side: the whole step (forward, gradients, update) jitted into one call, channels last, state donated."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.bench.cases import Case
from chainrule.bench.program import Program, UnavailableError
from chainrule.bench.rows import BATCHES, Row, data, layers_of

_RATE, _MOMENTUM, _BETAS, _EPS = 1e-3, 0.9, (0.9, 0.999), 1e-8


def row_program(row: Row, job: dict[str, Any]) -> Program:
    """Steps over batches that were cut and laid out before; the last one is waited for."""
    jax = importlib.import_module("jax")
    jnp = jax.numpy
    X, y = data(row)
    if row.is_image:
        X = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
    batches = [
        (jnp.asarray(a), jnp.asarray(b)) for a, b in zip(np.split(X, BATCHES), np.split(y, BATCHES), strict=True)
    ]
    model = Model(jax, row)
    step = jax.jit(model.step, donate_argnums=(0,))
    state = model.start()
    taken = 0

    def train(count: int) -> None:
        nonlocal state, taken
        for _ in range(count):
            state, loss = step(state, *batches[taken % BATCHES])
            taken += 1
        loss.block_until_ready()

    return Program(train)


def layer_passes(case: Case, job: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Jitted alone, a layer would be measured with copies that XLA never makes inside a network."""
    raise UnavailableError("only whole steps are jitted")


class Model:
    """A row's layers as functions of JAX arrays (N, H, W, C)."""

    def __init__(self, jax: Any, row: Row) -> None:
        self.jax, self.np, self.row = jax, jax.numpy, row
        self.layers = layers_of(row)
        shape: tuple[int, ...] = (1, *row.input_shape)
        self.shapes = []
        for layer in self.layers:
            self.shapes.append(shape)
            shape = layer.output_shape(shape)

    def start(self) -> dict[str, Any]:
        """Parameters, running statistics, the rule's slots, the step and the key of the noise."""
        rng = np.random.default_rng(0)
        params, stats = [], []
        for layer, shape in zip(self.layers, self.shapes, strict=True):
            own: dict[str, Any] = {}
            running: dict[str, Any] = {}
            drawn = layer.init_params(shape, lambda i: rng)
            for name, value in drawn.items():
                array = np.asarray(value, np.float32)
                if layer.name == "Conv2D" and name == "W":
                    array = np.ascontiguousarray(array.transpose(2, 3, 1, 0))  # (HH, WW, C, F)
                (running if name in layer.buffers else own)[name] = self.np.asarray(array)
            params.append(own)
            stats.append(running)
        slots = 2 if self.row.rule == "adam" else 1
        zeros = self.jax.tree.map(self.np.zeros_like, params)
        return {
            "params": params,
            "stats": stats,
            "slots": [self.jax.tree.map(self.np.copy, zeros) for _ in range(slots)],
            "step": self.np.zeros((), self.np.int32),
        }

    def step(self, state: dict[str, Any], x: Any, y: Any) -> tuple[dict[str, Any], Any]:
        """One training step."""
        (loss, stats), grads = self.jax.value_and_grad(self.loss, has_aux=True)(
            state["params"], state["stats"], x, y, state["step"]
        )
        number = state["step"] + 1
        params, slots = self.update(state["params"], grads, state["slots"], number)
        return {"params": params, "stats": stats, "slots": slots, "step": number}, loss

    def loss(self, params: Any, stats: Any, x: Any, y: Any, step: Any) -> tuple[Any, Any]:
        """Mean cross-entropy, and the running statistics after it."""
        after = []
        for i, (layer, own, running) in enumerate(zip(self.layers, params, stats, strict=True)):
            x, running = self.apply(i, layer, x, own, running, step)
            after.append(running)
        log_p = self.jax.nn.log_softmax(x)
        return -self.np.mean(self.np.take_along_axis(log_p, y[:, None], axis=1)), after

    def apply(self, i: int, layer: Any, x: Any, params: Any, stats: Any, step: Any) -> tuple[Any, Any]:
        """One layer in training mode."""
        xp, lax = self.np, self.jax.lax
        if layer.name == "Affine":
            return x @ params["W"] + params["b"], stats
        if layer.name == "ReLU":
            return xp.maximum(x, 0), stats
        if layer.name == "Flatten":
            return x.reshape(len(x), -1), stats
        if layer.name == "Conv2D":
            p = layer.padding
            out = lax.conv_general_dilated(
                x, params["W"], (1, 1), ((p, p), (p, p)), dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            return out + params["b"], stats
        if layer.name == "MaxPool2D":
            window = (1, layer.size, layer.size, 1)
            return lax.reduce_window(x, -xp.inf, lax.max, window, window, "VALID"), stats
        if layer.name == "BatchNorm":
            axes = tuple(range(x.ndim - 1))
            mean, var = x.mean(axes), x.var(axes)
            keep = layer.momentum
            running = {
                "running_mean": keep * stats["running_mean"] + (1 - keep) * mean,
                "running_var": keep * stats["running_var"] + (1 - keep) * var,
            }
            return (x - mean) * (lax.rsqrt(var + layer.eps) * params["gamma"]) + params["beta"], running
        if layer.name == "Dropout":
            # XLA's own generator: several times as fast as JAX's default one.
            key = self.jax.random.fold_in(self.jax.random.key(i, impl="rbg"), step)
            kept = self.jax.random.bernoulli(key, 1 - layer.rate, x.shape)
            return xp.where(kept, x / (1 - layer.rate), 0), stats
        raise UnavailableError(f"no {layer.name}")

    def update(self, params: Any, grads: Any, slots: Any, number: Any) -> tuple[Any, Any]:
        """Adam, or momentum."""
        tree = self.jax.tree
        if self.row.rule != "adam":
            velocity = tree.map(lambda v, g: _MOMENTUM * v + g, slots[0], grads)
            return tree.map(lambda w, v: w - _RATE * v, params, velocity), [velocity]
        first = tree.map(lambda m, g: _BETAS[0] * m + (1 - _BETAS[0]) * g, slots[0], grads)
        second = tree.map(lambda r, g: _BETAS[1] * r + (1 - _BETAS[1]) * g * g, slots[1], grads)
        c1, c2 = (1 - beta**number for beta in _BETAS)
        stepped = tree.map(lambda w, m, r: w - _RATE * (m / c1) / (self.np.sqrt(r / c2) + _EPS), params, first, second)
        return stepped, [first, second]
