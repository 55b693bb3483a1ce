"""Random networks on the native engine against the reference: layers of all kinds, nested, on batches of changing size.

Case i is always the same network. Gradients that rounding may turn the other way (an input of a ReLU or of a maximum
next to its kink) are rare for inputs drawn from a density, and the seeds below meet none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.engines import NativeEngine, ReferenceEngine
from chainrule.engines.native import is_available
from chainrule.errors import ChainruleError
from chainrule.layers import (
    ELU,
    SELU,
    Affine,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePool,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    SpatialDropout,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.losses import SoftmaxCrossEntropy
from chainrule.network import Network
from chainrule.optim import SGD, Adam, Chain, Momentum, UpdateRule

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")

CASES = 40


class Draw:
    """A random network, layer by layer, each drawn again until it fits the shape it meets."""

    def __init__(self, case: int) -> None:
        self.rng = np.random.default_rng([case, 77])

    def one_of(self, *options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def size(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pair(self, low: int, high: int) -> Any:
        return self.one_of(self.size(low, high), (self.size(low, high), self.size(low, high)))

    def padding(self, most: int) -> Any:
        return self.one_of(self.size(0, most), tuple(self.size(0, most) for _ in range(4)))

    def activation(self) -> Layer:
        smooth = (Tanh(), Sigmoid(), SiLU(), ELU(0.7), SELU(), Softplus(), Softplus(beta=2.0), LeakyReLU(0.1))
        return self.one_of(ReLU(), ReLU(), ReLU(), self.one_of(*smooth))

    def layer(self, shape: tuple[int, ...], depth: int) -> Layer:
        kinds = ["activation", "norm", "dropout", "residual", "sequential", "branches", "product", "product"]
        kinds += ["max", "average"] if len(shape) == 3 else []
        kind = self.one_of(*(k for k in kinds if depth or k not in ("residual", "sequential", "branches")))
        if kind == "activation":
            return self.activation()
        if kind == "norm":
            return BatchNorm(
                momentum=self.one_of(0.9, 0.5), eps=0.1
            )  # less would magnify rounding where a feature is constant
        if kind == "dropout":
            return self.one_of(Dropout(self.one_of(0.0, 0.2, 0.6)), SpatialDropout(0.3))
        if kind == "sequential":
            return Sequential(self.layers(shape, depth - 1, self.size(1, 3)))
        if kind == "residual":
            shortcut = self.one_of((), self.layers(shape, depth - 1, 1))
            return Residual(self.layers(shape, depth - 1, self.size(1, 3)), shortcut)
        if kind == "branches":
            return Branches(tuple(self.layers(shape, depth - 1, self.size(1, 2)) for _ in range(self.size(1, 3))))
        rounding = self.one_of("floor", "ceil")
        if kind == "max":
            return MaxPool2D(self.pair(1, 3), self.one_of(None, self.pair(1, 3)), self.padding(1), rounding)
        if kind == "average":
            counts = self.one_of(True, False)
            pool = AveragePool2D(self.pair(1, 3), self.one_of(None, self.pair(1, 3)), self.padding(1), rounding, counts)
            return self.one_of(pool, pool, GlobalAveragePool())
        if len(shape) == 3:
            groups = self.one_of(1, 1, 2, 3)
            options = {"dilation": self.pair(1, 2), "groups": groups, "bias": self.one_of(True, False)}
            filters = groups * self.one_of(1, 2, 5, 17)
            at = (self.pair(1, 4), self.pair(1, 3), self.padding(2))
            same = Conv2D(self.one_of(shape[0], 4), 3, padding=1)  # which composites can join
            return self.one_of(same, Conv2D(filters, *at, rounding=rounding, **options))
        return Affine(self.one_of(1, 3, shape[0], 16, 33, 70), bias=self.one_of(True, False))

    def layers(self, shape: tuple[int, ...], depth: int, count: int) -> tuple[Layer, ...]:
        chosen: list[Layer] = []
        while len(chosen) < count:
            try:
                layer = self.layer(shape, depth)
                after = layer.output_shape((2, *shape))[1:]
            except ChainruleError:  # it does not fit
                continue
            if 0 < np.prod(after) < 4000:
                shape = after
                chosen.append(layer)
        return tuple(chosen)

    def network(self) -> tuple[list[Layer], tuple[int, ...]]:
        shape = self.one_of((self.size(1, 300),), (self.size(1, 6), self.size(1, 11), self.size(1, 11)))
        body = Sequential(self.layers(shape, 2, self.size(1, 6)))
        classes = self.one_of(2, 3, 10, 40)
        return [*body.layers, *self.one_of((), (Flatten(),)), Flatten(), Affine(classes)], shape


def alike(expected: Any, got: Any, bound: float) -> bool:
    """Equal within `bound` of the largest entry, or of one."""
    expected, got = np.asarray(expected), np.asarray(got)
    return bool(np.abs(expected - got).max(initial=0) <= bound * max(np.abs(expected).max(initial=0), 1.0))


def make(case: int) -> tuple[Draw, ReferenceEngine, NativeEngine]:
    draw = Draw(case)
    layers, shape = draw.network()
    classes = layers[-1].output_shape((1, 1))[1]
    weights = draw.one_of(None, tuple(float(w) for w in draw.rng.uniform(0.5, 2, classes)))
    loss = SoftmaxCrossEntropy(label_smoothing=draw.one_of(0.0, 0.1), class_weights=weights)
    rule: UpdateRule = draw.one_of(
        SGD(0.05), Momentum(0.02), Chain(SGD(0.05), weight_decay=0.01, clip_value=0.5), Adam(1e-3, epsilon=1e-2)
    )
    reg = draw.one_of(0.0, 0.01)
    networks = [Network(layers, loss, shape, seed=case, reg=reg) for _ in range(2)]
    noise = 0.1 * draw.rng.standard_normal(networks[0].params.flat.size)
    for network in networks:
        network.params.flat[:] += noise.astype(np.float32)  # away from zero, where whole gradients would vanish
    return draw, ReferenceEngine(networks[0], rule), NativeEngine(networks[1], rule, threads=draw.one_of(1, 2, 5))


def batch(draw: Draw, network: Network, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = draw.rng.standard_normal((n, *network.input_shape)).astype(draw.one_of("f4", "f8"))
    if draw.one_of(True, False):
        x = np.asfortranarray(x)
    classes = network.output_shape[0]
    if draw.one_of(True, False, False):
        y = draw.rng.uniform(0.05, 1, (n, classes))
        return x, y / y.sum(axis=1, keepdims=True)
    return x, draw.rng.integers(0, classes, n)


@pytest.mark.parametrize("case", range(CASES))
def test_random_network(case: int) -> None:
    draw, ours, native = make(case)
    for i in range(4):
        n = draw.one_of(2, 3, 7, 17, 40)  # plans are for the most rows so far
        x, y = batch(draw, ours.network, n)
        (loss, expected), (got_loss, got) = (e.loss_and_gradients(x, y) for e in (ours, native))
        assert got_loss == pytest.approx(loss, rel=1e-4)
        for name in expected:
            assert alike(expected[name], got[name], 1e-4), (i, name, ours.network.layers)
        factor = draw.one_of(1.0, 0.3)
        assert native.step(x, y, factor) == pytest.approx(ours.step(x, y, factor), rel=1e-4)
        assert alike(ours.predict(x), native.predict(x), 1e-3), (i, ours.network.layers)
        state = ours.state()
        for name, value in native.state().items():
            assert alike(state[name], value, 1e-3), (i, name, ours.network.layers)
        native.load_state(state, ours.step_number)  # rounding does not add up, and states pass between engines
    for name, value in ours.weights().items():
        assert np.array_equal(value, native.weights()[name]), name
