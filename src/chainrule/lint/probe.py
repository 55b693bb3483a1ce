"""Looking into a network at work: its activations and gradients on one batch, and a few steps of training a copy."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chainrule.arrays import Array, Stream, derive_key
from chainrule.engines import ReferenceEngine
from chainrule.errors import DivergenceError
from chainrule.layers import Layer, Sequential
from chainrule.layers.sequential import Composite, child_key, split_params
from chainrule.network import Network
from chainrule.optim import Schedule, UpdateRule, When

BUDGET = 1e9  # multiply-adds of one forward pass: some tenths of a second
TRIAL_STEPS = 10


class Output(NamedTuple):
    """What a layer made of a batch: where it stands, the layer, its input and its output."""

    where: str
    layer: Layer
    x: Array
    out: Array


@dataclass(eq=False)
class Probe:
    """A network on a batch. stage: "before training" or "after training". train: whether layers behave as in training.

    Before training the running statistics of a batch normalisation mean nothing yet, so those of the batch are used.
    """

    stage: str
    network: Network
    x: Array
    y: Array
    train: bool

    @functools.cached_property
    def outputs(self) -> list[Output]:
        """The output of every layer, also of those inside of others, in order."""
        net = self.network
        key = derive_key(net.seed, Stream.FORWARD, 0) if self.train and net.body.uses_key else None
        found: list[Output] = []
        with np.errstate(all="ignore"):
            self._record(net.body, net.as_input(self.x), net.tensors, key, "", found)
        return found

    @functools.cached_property
    def scores(self) -> Array:
        """What the loss gets, (N, ...)."""
        return self.outputs[-1].out

    @functools.cached_property
    def _loss(self) -> tuple[float, dict[str, Array]]:
        net = self.network
        with np.errstate(all="ignore"):
            value, _ = net.loss_function(self.scores, self.y)
            _, gradients = net.loss(self.x, self.y)
        return float(value), {name: np.array(g, np.float64) for name, g in gradients.items()}

    @property
    def loss(self) -> float:
        """The loss of the batch without the regularisation."""
        return self._loss[0]

    @property
    def gradients(self) -> dict[str, Array]:
        """The gradient of every parameter as a training step sees it, that of the regularisation with it."""
        return self._loss[1]

    def _record(
        self, layer: Layer, x: Array, params: dict[str, Array], key: int | None, where: str, found: list[Output]
    ) -> Array:
        """The output of `layer`; it and those of the layers inside it are added to `found`."""
        inner = (
            layer.layers if isinstance(layer, Sequential) else layer.children if isinstance(layer, Composite) else ()
        )
        out = x
        for i, (child, own) in enumerate(split_params(tuple(inner), params)):
            place = f"{where}{', ' if where else 'layer '}{i} ({child.name})"
            made = self._record(
                child, out if isinstance(layer, Sequential) else x, own, child_key(child, key, i), place, found
            )
            out = made if isinstance(layer, Sequential) else out
        if not isinstance(layer, Sequential):
            out, _ = layer.forward(x, params, train=self.train, key=key)
            found.append(Output(where, layer, x, out))
        return out


def rows_within_budget(network: Network, most: int) -> int:
    """How many rows a forward pass may have to stay quick: from 8 to `most`."""
    cost = max(network.summary().multiply_adds, 1)
    return int(min(max(BUDGET / cost, 8), most))


class Trial(NamedTuple):
    """The first steps of training a copy. losses: of the steps. error: why it ended early, if it did."""

    losses: list[float]
    error: str = ""

    @classmethod
    def run(
        cls,
        network: Network,
        rule: UpdateRule,
        schedule: Schedule,
        rows: tuple[Array, Array],
        batch_size: int,
        per_epoch: int,
        total: int,
    ) -> Trial:
        """Train a copy of `network` for up to ten steps, with the schedule's factors at the start of `total` steps."""
        engine = ReferenceEngine(copy_of(network), rule)
        x, y = rows
        losses: list[float] = []
        for step in range(min(TRIAL_STEPS, total)):
            at = np.arange(step * batch_size, (step + 1) * batch_size) % len(y)
            try:
                losses.append(engine.step(x[at], y[at], float(schedule(When(step, per_epoch, total)))))
            except DivergenceError as error:
                return cls([*losses, math.inf], str(error))
        return cls(losses)


def copy_of(network: Network) -> Network:
    """A network of its own memory with the same layers and numbers."""
    made = Network(
        network.layers, network.loss_function, network.input_shape, network.seed, network.dtype, reg=network.reg
    )
    for ours, theirs in ((made.params, network.params), (made.buffers, network.buffers)):
        ours.flat[...] = theirs.flat
    made.decay[...] = network.decay
    return made


def is_untrained(network: Network) -> bool:
    """Whether the numbers are those that initialisers give: the first step changes what starts at a constant.

    Where nothing starts at a constant, the weights are compared with those that the network's own seed draws.
    """
    example = (1, *network.input_shape)

    def drawn(seed: int) -> dict[str, Array]:
        values = network.body.init_params(example, lambda i: np.random.default_rng((seed, i)))
        return {name: values[name] for name in network.params}

    one, other = drawn(0), drawn(1)
    constant = [name for name in one if np.array_equal(one[name], other[name])]
    if constant:
        return all(np.array_equal(network.params[n], one[n].astype(network.dtype)) for n in constant)
    fresh = copy_of(network)
    fresh.initialize()
    return bool(np.array_equal(fresh.params.flat, network.params.flat))


def weight_gradients(probe: Probe) -> Iterator[tuple[str, float]]:
    """The name of each matrix of weights and the root mean square of its gradient, from the first layer to the last."""
    for name, declared in probe.network.body.params.items():
        if declared.decay:
            yield name, float(np.sqrt(np.mean(np.square(probe.gradients[name]))))
