"""The native engine at its edges: what is not finite, odd targets, subclasses, copies, interruptions, odd arrays."""

from __future__ import annotations

import copy
import gc
import pickle
import signal
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule.engines import NativeEngine, ReferenceEngine
from chainrule.engines.native import is_available
from chainrule.errors import ChainruleError, ConfigError, DivergenceError, ShapeError
from chainrule.layers import (
    Affine,
    BatchNorm,
    Conv2D,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.losses import SoftmaxCrossEntropy
from chainrule.network import Network
from chainrule.optim import SGD, Adam

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")


def pair(layers: list[Layer], shape: Any, rule: Any = None, loss: Any = None, **options: Any) -> Any:
    rule = SGD(0.05) if rule is None else rule
    networks = [Network(layers, loss, shape, seed=3) for _ in range(2)]
    return ReferenceEngine(networks[0], rule), NativeEngine(networks[1], rule, **options)


def rows(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, *shape)).astype(np.float32)


# -- convolutions whose output is one pixel ---------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 48, 70, 130])
@pytest.mark.parametrize(
    ("kernel", "stride", "image"),
    [(3, 1, (3, 3)), (3, 2, (4, 4)), (1, 3, (2, 3)), ((1, 3), 2, (1, 4)), ((3, 1), 1, (3, 1)), (2, 2, (3, 3))],
)
def test_an_output_of_one_pixel(kernel: Any, stride: int, image: Any, channels: int, instruction_set: str) -> None:
    layers = [Conv2D(9, kernel, stride=stride, rounding="floor"), Flatten(), Affine(3)]
    ours, native = pair(layers, (channels, *image), instruction_set=instruction_set)
    x, y = rows(5, channels, *image), np.arange(5) % 3
    expected, got = ours.loss_and_gradients(x, y)[1], native.loss_and_gradients(x, y)[1]
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


# -- affine layers in batches of more rows than a piece of the weights' gradient takes ---------------------------


@pytest.mark.parametrize("n", [256, 257, 700])
@pytest.mark.parametrize(("D", "M"), [(301, 37), (6, 64), (450, 1)])
def test_the_gradient_of_an_affine_layer_over_many_rows(D: int, M: int, n: int, instruction_set: str) -> None:
    made = [
        pair([Affine(M), Tanh(), Affine(3)], D, Adam(1e-2), instruction_set=instruction_set, threads=t) for t in (1, 3)
    ]
    x, y = rows(n, D), np.arange(n) % 3
    ours, native = made[0]
    expected, got = ours.loss_and_gradients(x, y)[1], native.loss_and_gradients(x, y)[1]
    for name in expected:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-5 * scale, err_msg=name)
    for _, engine in made:
        engine.step(x, y)
    ours.step(x, y)
    moved = native.network.params.flat - ours.network.params.flat
    sure = np.abs(ours.network.gradients.flat) > 1e-4 * np.abs(ours.network.gradients.flat).max()
    assert np.abs(moved[sure]).max() < 1e-5  # Adam's first step is the sign of the gradient
    assert made[1][1].network.params.flat.tobytes() == native.network.params.flat.tobytes()


# -- what is not finite -----------------------------------------------------------------------------------------

IMAGES: dict[str, list[Layer]] = {
    "relu": [ReLU(), Flatten(), Affine(3)],
    "affine relu": [Flatten(), Affine(4), ReLU(), Affine(3)],
    "convolution relu": [Conv2D(4, 3), ReLU(), Flatten(), Affine(3)],
    "block": [Conv2D(4, 3, padding=1), BatchNorm(), ReLU(), MaxPool2D(2), Flatten(), Affine(3)],
    "tiles": [MaxPool2D(2), Flatten(), Affine(3)],
    "tiles of three": [MaxPool2D(3), Flatten(), Affine(3)],
    "overlap": [MaxPool2D(3, stride=1), ReLU(), Flatten(), Affine(3)],
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("place", [(0, 0, 0), (0, 1, 1), (1, 3, 2), (1, 4, 4)])
def test_nan_in_the_input_is_never_lost(name: str, place: tuple[int, ...], instruction_set: str) -> None:
    for engine in pair(IMAGES[name], (2, 6, 6), instruction_set=instruction_set):
        x = rows(8, 2, 6, 6)
        x[(1, *place)] = np.nan
        assert not np.isfinite(engine.predict(x)[1]).any()
        with pytest.raises(DivergenceError, match="X"):
            engine.step(x, np.zeros(8, int))


def test_gradients_of_a_loss_that_is_not_finite_are_its_own() -> None:
    for engine in pair([Affine(4), ReLU(), Affine(3)], 5):
        engine.loss_and_gradients(rows(4, 5), np.zeros(4, int))
        with np.errstate(all="ignore"):
            loss, gradients = engine.loss_and_gradients(np.full((4, 5), np.inf), np.zeros(4, int))
        assert np.isnan(loss)
        assert np.isnan(gradients["W2"]).any()


@pytest.mark.parametrize("name", ["affine relu", "convolution relu", "block"])
def test_nan_in_a_parameter_is_never_lost(name: str) -> None:
    for engine in pair(IMAGES[name], (2, 6, 6)):
        engine.network.params["W1"].flat[0] = np.nan
        assert not np.isfinite(engine.predict(rows(8, 2, 6, 6))).any()
        with pytest.raises(DivergenceError, match="W1"):
            engine.step(rows(8, 2, 6, 6), np.zeros(8, int))


# -- targets ----------------------------------------------------------------------------------------------------

TARGETS = {
    "booleans": np.array([True, False] * 4),
    "floats": np.zeros(8),
    "a column": np.zeros((8, 1), int),
    "too few classes": np.full((8, 2), 0.5),
    "negative": np.tile([1.5, -0.5, 0.0], (8, 1)),
    "not one": np.full((8, 3), 0.5),
    "nan": np.full((8, 3), np.nan),
    "one-hot integers": np.eye(3, dtype=int)[np.arange(8) % 3],
    "large": np.full(8, 2**64 - 1, np.uint64),
    "big-endian": (np.arange(8) % 3).astype(">i2"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_taken_or_refused_as_by_the_reference(name: str) -> None:
    x, y = rows(8, 5), TARGETS[name]

    def outcome(train: Callable[[Any], Any], engine: Any) -> Any:
        try:
            return train(engine)
        except ChainruleError as error:
            return type(error), str(error)

    (ours, native), (_, other) = pair([Affine(3)], 5), pair([Affine(3)], 5)
    expected = outcome(lambda e: e.step(x, y), ours)
    for got in (outcome(lambda e: e.step(x, y), native), outcome(lambda e: e.steps(x, y, [np.arange(8)])[0], other)):
        assert got == (expected if isinstance(expected, tuple) else pytest.approx(expected, rel=1e-5))


def test_wrong_probabilities_stop_the_step_that_meets_them() -> None:
    y = np.full((8, 3), 1 / 3)
    y[7] = 0.5
    _, native = pair([Affine(3)], 5)
    with pytest.raises(ChainruleError, match="sum to 1"):
        native.steps(rows(8, 5), y, [np.arange(4), np.arange(3), np.arange(4, 8)])
    assert native.step_number == 2
    assert len(native.steps(rows(8, 5), y, [np.arange(4)])) == 1


def test_one_class_is_refused() -> None:
    for engine in pair([Affine(1)], 5):
        with pytest.raises(ShapeError, match="C >= 2"):
            engine.step(rows(2, 5), np.zeros(2, int))


def test_negative_rows_are_named() -> None:
    with pytest.raises(ConfigError, match="got -1"):
        pair([Affine(3)], 5)[1].steps(rows(4, 5), np.zeros(4, int), [np.array([-1, 2])])


# -- subclasses, which may compute something else ---------------------------------------------------------------


@dataclass(frozen=True)
class HalfAffine(Affine):
    def forward(self, x: Any, params: Any, **options: Any) -> Any:
        y, cache = super().forward(x, params, **options)
        return y / 2, cache

    def backward(self, dout: Any, cache: Any) -> Any:
        return super().backward(dout / 2, cache)


@dataclass(frozen=True)
class NegativeReLU(ReLU):
    def forward(self, x: Any, params: Any, **options: Any) -> Any:
        y, cache = super().forward(x, params, **options)
        return -y, cache

    def backward(self, dout: Any, cache: Any) -> Any:
        return super().backward(-dout, cache)


@dataclass(frozen=True)
class TestModeDropout(Dropout):
    __test__ = False

    def forward(self, x: Any, params: Any, *, train: bool = False, key: Any = None) -> Any:
        return super().forward(x, params, train=False)


@dataclass(frozen=True)
class DoubleLoss(SoftmaxCrossEntropy):
    def __call__(self, scores: Any, y: Any) -> Any:
        loss, gradient = super().__call__(scores, y)
        return 2 * loss, 2 * gradient


class Twice(SGD):
    def apply(self, w: Any, g: Any, slots: Any, step: Any) -> None:
        for _ in range(2):
            super().apply(w, g.copy(), slots, step)


@pytest.mark.parametrize("layer", [HalfAffine(4), NegativeReLU(), TestModeDropout(0.5)], ids=lambda layer: layer.name)
def test_subclasses_of_layers_run_by_their_own_file(layer: Layer) -> None:
    ours, native = pair([Affine(6), layer, Affine(3)], 5)
    x, y = rows(8, 5), np.arange(8) % 3
    for _ in range(2):
        assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-5)
    np.testing.assert_allclose(native.predict(x), ours.predict(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"loss": DoubleLoss()}, {"rule": Twice(0.05)}], ids=["loss", "rule"])
def test_subclasses_of_losses_and_rules_run_by_their_own_file(options: Any) -> None:
    ours, native = pair([Affine(6), Tanh(), Affine(3)], 5, **options)
    x, y = rows(8, 5), np.arange(8) % 3
    for _ in range(3):
        assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-5)


# -- memory, copies, threads, interruptions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "layers", [[Affine(4), ReLU(), Affine(3)], [Sequential((Tanh(), TestModeDropout(0.5))), Affine(3)]]
)
def test_memory_is_given_back_without_the_cycle_collector(layers: list[Layer]) -> None:
    _, native = pair(layers, 5)
    native.step(rows(4, 5), np.zeros(4, int))
    native.predict(rows(4, 5))
    kept = [weakref.ref(made.arena.base) for made in (native._train, native._test)]
    gc.disable()
    try:
        native.step(rows(9, 5), np.zeros(9, int))  # a larger plan takes the place of the first
        assert kept[0]() is None
        del native
        assert kept[1]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda engine: pickle.loads(pickle.dumps(engine))])
def test_copies_go_on_alone(copied: Callable[[Any], Any]) -> None:
    _, native = pair([Affine(4), ReLU(), Affine(3)], 5, rule=Adam(1e-2))
    x, y = rows(8, 5), np.arange(8) % 3
    native.step(x, y)
    other, before = copied(native), native.state()
    loss = other.step(x, y)
    assert all(np.array_equal(a, native.state()[n]) for n, a in before.items())
    assert native.step(x, y) == loss
    assert native.predict(x).tobytes() == other.predict(x).tobytes()


def test_threads_may_predict_with_one_engine() -> None:
    _, native = pair([Affine(40), ReLU(), Affine(3)], 5)
    parts = [rows(100, 5) * (i + 1) for i in range(4)]
    expected = [native.predict(x).tobytes() for x in parts]
    wrong: list[int] = []

    def work(i: int) -> None:
        wrong.extend(i for _ in range(200) if native.predict(parts[i]).tobytes() != expected[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_engines_may_train_in_threads_of_their_own() -> None:
    """They share helpers of the compiled module, one program at a time."""
    x, y = rows(64, 5), np.arange(64) % 3
    engines = [pair([Affine(70), Tanh(), Affine(3)], 5, rule=Adam(1e-2), threads=3)[1] for _ in range(5)]

    def work(engine: Any) -> None:
        for _ in range(100):
            engine.step(x, y)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(engines[0])
    assert len({engine.network.params.flat.tobytes() for engine in engines}) == 1


def test_a_batch_beyond_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="must fit in memory"):
        pair([Affine(3)], 5)[1].plan(10**13)


def test_many_steps_can_be_interrupted() -> None:
    """The signal is answered between steps, long before all are done; what is done is counted."""
    _, native = pair([Affine(300), Tanh(), Affine(300), Tanh(), Affine(3)], 100)
    X, y = rows(200, 100), np.zeros(200, int)
    native.step(X, y)

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            native.steps(X, y, [np.arange(200)] * 50_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 1 <= native.step_number < 50_000
    native.step(X, y)


def test_a_row_of_many_features_has_the_same_scores_in_any_batch() -> None:
    _, native = pair([Affine(33), ReLU(), Affine(3)], 784)
    x = rows(300, 784)
    together = native.predict(x)
    for i in (0, 127, 128, 299):
        assert native.predict(x[i : i + 1]).tobytes() == together[i : i + 1].tobytes()


def test_regularisation_may_change_between_steps() -> None:
    ours, native = pair([Affine(6), Tanh(), Affine(3)], 5)
    x, y = rows(8, 5), np.arange(8) % 3
    for reg in (0.0, 0.5, 0.5, 0.1, 0.0):
        ours.network.reg = native.network.reg = reg
        assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-5)
    assert np.allclose(native.network.params.flat, ours.network.params.flat, atol=1e-5)


# -- odd arrays -------------------------------------------------------------------------------------------------


def test_odd_arrays_are_the_numbers_they_hold() -> None:
    plain = (rows(4, 5) * 8).round() / 8
    buffer = np.frombuffer(b"\0" + plain.tobytes(), np.uint8)[1:]
    odd = [plain.astype(t) for t in (">f4", "f2", "f8", np.longdouble)]
    odd += [np.asfortranarray(plain), np.repeat(np.repeat(plain, 2, 0), 2, 1)[::2, ::2], plain[::-1].copy()[::-1]]
    odd.append(buffer.view(np.float32).reshape(4, 5))  # at an odd address
    odd.append(plain.tolist())
    expected = pair([Affine(3)], 5)[1]
    scores, loss = expected.predict(plain), expected.step(plain, np.arange(4) % 3)
    for x in odd:
        _, native = pair([Affine(3)], 5)
        assert native.predict(x).tobytes() == scores.tobytes()
        assert native.step(x, np.arange(4) % 3) == loss


class OwnNorm(BatchNorm):
    """A layer that the compiled plan does not know: it calls the reference for it."""


@pytest.mark.parametrize("norm", [BatchNorm(), OwnNorm()], ids=["kernel", "fallback"])
def test_a_variance_that_overflows_is_told_before_its_step_also_among_several(instruction_set, norm):
    network = Network([norm, Affine(3)], SoftmaxCrossEntropy(), 4)
    engine = NativeEngine(network, SGD(), instruction_set=instruction_set)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    X[20:] *= np.float32(1e25)  # of rows like these the scores and gradients are finite
    one = Network([norm, Affine(3)], SoftmaxCrossEntropy(), 4)
    NativeEngine(one, SGD(), instruction_set=instruction_set).step(X[:20], y[:20])
    assert bool(engine.plan(20).fallbacks) == isinstance(norm, OwnNorm)
    losses = []
    with pytest.raises(DivergenceError, match=r"step 2: running statistic running_var1 of layer 0"):
        engine.steps(X, y, [np.arange(20), np.arange(20, 40)], losses=losses)
    assert len(losses) == 1
    np.testing.assert_array_equal(network.params.flat, one.params.flat)
    for name, value in one.buffers.items():
        np.testing.assert_array_equal(network.buffers[name], value)
