"""The native engine against the reference engine: every layer, loss, rule and model, on every instruction set.

The bounds are relative to the largest entry of a tensor. Biases before a batch normalisation have gradients that are
zero but for rounding, so a floor of one takes the place of a largest entry below it, where the inputs are of size one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule.arrays import Shape
from chainrule.engines import NativeEngine, ReferenceEngine, make_engine
from chainrule.engines.native import blocks, is_available, memory
from chainrule.errors import ConfigError, DivergenceError, DTypeError, ShapeError
from chainrule.layers import (
    ELU,
    LAYERS,
    Affine,
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
    SpatialDropout,
    Squeeze,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.losses import LOSSES, SoftmaxCrossEntropy, SquaredError
from chainrule.network import Network
from chainrule.optim import RULES, SGD, Adam, Chain, UpdateRule

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")


def error(expected: Any, got: Any) -> float:
    """The largest difference, relative to the largest entry or to one."""
    expected, got = np.asarray(expected), np.asarray(got)
    return float(np.abs(expected - got).max() / max(np.abs(expected).max(), 1.0)) if expected.size else 0.0


def pair(layers: list[Layer], shape: Any, *, loss: Any = None, reg: float = 0.0, rule: UpdateRule | None = None,
         **options: Any) -> tuple[ReferenceEngine, NativeEngine]:  # fmt: skip
    networks = [Network(layers, loss, shape, seed=3, reg=reg) for _ in range(2)]
    rng = np.random.default_rng(5)
    for name, w in networks[0].params.items():  # away from zero, where whole gradients would vanish
        networks[0].params[name] = w + 0.1 * rng.standard_normal(w.shape)
    networks[1].params.flat[:] = networks[0].params.flat
    chosen = SGD(0.05) if rule is None else rule
    return ReferenceEngine(networks[0], chosen), NativeEngine(networks[1], chosen, **options)


def batch(engine: ReferenceEngine, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng, net = np.random.default_rng(seed), engine.network
    x = rng.standard_normal((n, *net.input_shape)).astype(np.float32)
    if isinstance(net.loss_function, SquaredError):
        return x, rng.standard_normal((n, *net.output_shape)).astype(np.float32)
    return x, rng.integers(0, net.output_shape[-1], n)


def assert_alike(engines: tuple[ReferenceEngine, NativeEngine], n: int, *, steps: int = 2, bound: float = 1e-5) -> None:
    """Losses, gradients, scores, and after some steps parameters, buffers and slots."""
    ours, native = engines
    x, y = batch(ours, n)
    (loss, expected), (got_loss, got) = (e.loss_and_gradients(x, y) for e in engines)
    assert got_loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
    for name in expected:
        assert error(expected[name], got[name]) < bound, name
    assert error(ours.predict(x), native.predict(x)) < bound
    for i in range(steps):
        x, y = batch(ours, n, seed=i + 1)
        assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-4, abs=1e-5)
    state, got_state = ours.state(), native.state()
    for name in state:
        assert error(state[name], got_state[name]) < 10 * bound, name
    assert error(ours.predict(x), native.predict(x)) < 10 * bound


@dataclass(frozen=True)
class OwnDropout(SpatialDropout):
    """A subclass may compute something else, so it runs by its own file."""


EXAMPLES = [
    pytest.param(layer, shape, id=f"{layer.name}-{i}")
    for cls in LAYERS
    for i, (layer, shape) in enumerate(cls.examples())
]


@pytest.mark.parametrize(("layer", "x_shape"), EXAMPLES)
def test_every_layer(layer: Layer, x_shape: Shape, instruction_set: str) -> None:
    n = int(np.prod(layer.output_shape(x_shape)[1:]))
    if n == 0:
        pytest.skip("a row without numbers")
    layers = [layer] if len(layer.output_shape(x_shape)) == 2 else [layer, Flatten()]
    engines = pair(layers, x_shape[1:], loss=SquaredError(), instruction_set=instruction_set)
    for rows in (x_shape[0], 1, 7):
        if rows > 1 or not isinstance(layer, BatchNorm):
            assert_alike(engines, rows)


@pytest.mark.parametrize(("layer", "x_shape"), EXAMPLES)
def test_every_layer_between_others(layer: Layer, x_shape: Shape, instruction_set: str) -> None:
    """Its input's gradient reaches a layer before it, in place or not, and its output feeds one after it."""
    shape = x_shape[1:]
    first: Layer = Conv2D(shape[0], 3, padding=1) if len(shape) == 3 else Tanh()
    engines = pair([first, layer, Tanh(), Flatten(), Affine(3)], shape, instruction_set=instruction_set)
    assert_alike(engines, 5, bound=3e-5)


NETWORKS: dict[str, tuple[list[Layer], Any]] = {
    "mlp": ([Affine(33), ReLU(), Affine(17), ReLU(), Affine(5)], 70),
    "norm after relu": ([Affine(9), ReLU(), BatchNorm(), Dropout(0.3), Affine(4)], 6),
    "overlapping pools": ([Conv2D(5, 3), ReLU(), MaxPool2D(3, stride=2), Flatten(), Affine(3)], (2, 9, 7)),
    "vgg": (
        [
            *(Conv2D(6, 3, padding=1), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.25)),
            *(Conv2D(19, 3, padding=1), BatchNorm(), ReLU(), MaxPool2D(2), Flatten()),
            *(Affine(8), BatchNorm(), ReLU(), Affine(3)),
        ],
        (3, 8, 12),
    ),
    "strides behind relu": (
        [
            *(Conv2D(4, 3, stride=2, padding=1, rounding="floor"), ReLU()),
            *(Conv2D(6, (2, 3), stride=(2, 1), padding=(1, 0), groups=2), Flatten(), Affine(4)),
        ],
        (3, 7, 9),
    ),
    "residual": (
        [
            *(Conv2D(4, 3, padding=1), ReLU()),
            Residual((Conv2D(4, 3, padding=1), BatchNorm(), ReLU(), Dropout(0.2))),
            Residual((Conv2D(6, 3, stride=2, padding=1),), (Conv2D(6, 1, stride=2),)),
            *(GlobalAveragePool(), Affine(3)),
        ],
        (2, 7, 5),
    ),
    "branches": (
        [
            Conv2D(4, 3, padding=1),
            Branches(((Conv2D(3, 1), ReLU()), (Conv2D(5, 3, padding=1), BatchNorm()), (MaxPool2D(3, 1, 1),))),
            Conv2D(6, 3),
            Flatten(),
            Affine(3),
        ],
        (3, 6, 9),
    ),
    "noise inside": (
        [Residual((Affine(6), Dropout(0.5), Residual((Affine(6), Dropout(0.4)))), (Dropout(0.2),)), Affine(3)],
        6,
    ),
    "layers without kernels": ([Conv2D(4, 3, padding=1), OwnDropout(0.4), ReLU(), Flatten(), Affine(3)], (2, 5, 5)),
}


@pytest.mark.parametrize("n", [1, 2, 13])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, n: int, instruction_set: str) -> None:
    layers, shape = NETWORKS[name]
    if n == 1 and any(isinstance(layer, BatchNorm) for layer in layers):
        n = 3  # with one row a batch-normalised feature is zero, and its gradient rounding alone
    assert_alike(pair(layers, shape, instruction_set=instruction_set), n, bound=3e-5)


@pytest.mark.parametrize("reg", [0.0, 0.05])
@pytest.mark.parametrize(
    "rule",
    [*(cls() for cls in RULES), Chain(Adam(), l2=0.1, weight_decay=0.1), Chain(SGD(), clip_value=0.01, clip_norm=0.1)],
    ids=lambda rule: rule.key,
)
def test_every_rule(rule: UpdateRule, reg: float) -> None:
    layers: list[Layer] = [Conv2D(3, 3), ReLU(), Flatten(), Affine(5), ReLU(), Affine(3)]
    ours, native = pair(layers, (2, 5, 5), reg=reg, rule=rule)
    for i in range(4):
        x, y = batch(ours, 6, seed=i)
        assert native.step(x, y, 0.7) == pytest.approx(ours.step(x, y, 0.7), rel=1e-4)
    for name, expected in ours.state().items():
        if expected.size == 0:
            continue
        # Where a squared gradient is near zero, rounding decides the direction of an adaptive step of fixed size.
        close = np.isclose(native.state()[name], expected, rtol=1e-3, atol=1e-4 * max(np.abs(expected).max(), 1e-3))
        assert close.mean() > 0.99, name


@pytest.mark.parametrize(
    ("loss", "shape", "targets"),
    [pytest.param(*e, id=f"{cls.__name__}-{i}") for cls in LOSSES for i, e in enumerate(cls.examples())],
)
def test_every_loss(loss: Any, shape: Shape, targets: Any) -> None:
    layers: list[Layer] = [Affine(1), Squeeze()]
    if len(shape) > 1:
        layers = [Affine(shape[1])] if len(shape) == 2 else [Conv2D(shape[1], 3, padding=1)]
    inputs = (2, *shape[2:]) if len(shape) == 4 else (4,)
    ours, native = pair(layers, inputs, loss=loss)
    rng = np.random.default_rng(0)
    y = targets(rng, shape)
    x = rng.standard_normal((len(y), *inputs)).astype(np.float32)
    (a, ga), (b, gb) = (e.loss_and_gradients(x, y) for e in (ours, native))
    assert b == pytest.approx(a, rel=1e-5)
    assert error(ga["W1"], gb["W1"]) < 1e-5
    assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-5)
    assert native.evaluate(x, y).loss == pytest.approx(ours.evaluate(x, y).loss, rel=1e-5)


# -- the same bits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    layers, shape = NETWORKS[name]
    states = []
    for threads in (1, 2, 3, 8):
        _, native = pair(layers, shape, rule=Adam(1e-2), reg=1e-3, threads=threads)
        for i in range(3):
            native.step(*batch(native, 29, seed=i))
        states.append({n: a.tobytes() for n, a in native.state().items()})
    assert all(state == states[0] for state in states)


def test_a_row_has_the_same_scores_in_any_batch() -> None:
    layers, shape = NETWORKS["vgg"]
    _, native = pair(layers, shape)
    x, _ = batch(native, 300)
    together = native.predict(x)
    for i in (0, 1, 127, 128, 299):
        assert native.predict(x[i : i + 1]).tobytes() == together[i : i + 1].tobytes()


@pytest.mark.parametrize("name", ["vgg", "mlp", "layers without kernels"])
def test_many_steps_at_once_are_the_same_steps(name: str) -> None:
    layers, shape = NETWORKS[name]
    (_, one), (_, many) = (pair(layers, shape, rule=Adam(1e-2)) for _ in range(2))
    X, y = batch(one, 40)
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, 40, size) for size in (8, 8, 3, 11, 8)]
    factors = [1.0, 0.5, 2.0, 1.0, 0.1]
    losses = [one.step(X[rows], y[rows], f) for rows, f in zip(batches, factors, strict=True)]
    assert many.steps(X, y, batches, factors) == losses
    assert many.step_number == one.step_number == 5
    assert all(a.tobytes() == many.state()[n].tobytes() for n, a in one.state().items())


# -- what goes wrong --------------------------------------------------------------------------------------------


def test_divergence_is_named_and_nothing_was_changed() -> None:
    ours, native = pair([Affine(4), ReLU(), Affine(3)], 5)
    x, y = batch(ours, 6)
    before = native.state()
    x[2, 1] = np.nan
    with pytest.raises(DivergenceError, match="X"):
        native.step(x, y)
    native.network.params["W2"][0, 0] = np.inf
    with pytest.raises(DivergenceError, match="W2"):
        native.steps(np.nan_to_num(x), y, [np.arange(6)])
    native.network.params["W2"][0, 0] = before["params"][native.network.params.slices["W2"].start]
    assert all(np.array_equal(a, native.state()[n]) for n, a in before.items())
    assert native.step_number == 0


def test_huge_but_finite_gradients_take_the_careful_path() -> None:
    ours, native = pair([Affine(4), Affine(3)], 5, loss=SquaredError(), rule=SGD(1e-20))
    x, y = batch(ours, 6)
    x *= 1e8
    assert native.step(x, y) == pytest.approx(ours.step(x, y), rel=1e-4)
    assert error(ours.network.params.flat, native.network.params.flat) < 1e-5


def test_labels_are_refused_as_by_the_loss() -> None:
    ours, native = pair([Affine(3)], 5)
    x, _ = batch(ours, 4)
    with pytest.raises(Exception, match="label") as expected:
        ours.step(x, np.array([0, 1, 3, 2]))
    with pytest.raises(type(expected.value), match="label"):
        native.step(x, np.array([0, 1, 3, 2]))
    with pytest.raises(ShapeError, match="y"):
        native.step(x, np.array([0, 1]))
    with pytest.raises(ShapeError, match="y"):
        native.step(x, np.array([[0, 1]]))


def test_bad_arguments() -> None:
    network = Network([Affine(3)], input_shape=5)
    with pytest.raises(ConfigError, match="threads"):
        NativeEngine(network, SGD(), threads=0)
    with pytest.raises(ConfigError, match="instruction set"):
        NativeEngine(network, SGD(), instruction_set="sse9")
    with pytest.raises(ConfigError, match="float32"):
        make_engine(Network([Affine(3)], input_shape=5, dtype="float64"), SGD(), "native")
    engine = NativeEngine(network, SGD())
    X, y = np.zeros((4, 5), np.float32), np.zeros(4, int)
    with pytest.raises(ConfigError, match="rows 0 to 3"):
        engine.steps(X, y, [np.array([0, 4])])
    with pytest.raises(DTypeError, match="row numbers"):
        engine.steps(X, y, [np.array([0.5])])
    with pytest.raises(ShapeError, match="factors"):
        engine.steps(X, y, [np.array([0])], [1.0, 2.0])
    assert engine.steps(X, y, []) == []


# -- the plan ---------------------------------------------------------------------------------------------------


def test_the_plan_is_explained() -> None:
    layers, shape = NETWORKS["layers without kernels"]
    _, native = pair(layers, shape)
    text = native.plan(10).explain()
    assert "run by the reference engine: 1 OwnDropout" in text
    assert "gradient + update rule" in text
    assert "softmax + cross-entropy + gradient" in text
    layers, shape = NETWORKS["vgg"]
    _, native = pair(layers, shape)
    assert "fused block" in native.plan(10).explain()
    assert "run by the reference" not in native.plan(10).explain()


def test_memory_is_shared_between_tensors_that_do_not_meet() -> None:
    layers: list[Layer] = [Affine(50), Tanh()] * 12
    _, native = pair([*layers, Affine(3)], 50)
    made = native._compiled(100, train=True)
    assert made.arena.size < sum(b.floats for b in {id(t.buffer): t.buffer for t in made.plan.tensors}.values())


def test_numbers_that_stand_in_two_languages_agree() -> None:
    from chainrule.engines import _native

    assert (_native.SPACE_BITS, _native.MOST_PARTS) == (memory.SPACE_BITS, blocks.MOST_PARTS)


def test_a_kernel_refuses_another_number_of_arguments() -> None:
    from chainrule.engines import _native

    program = _native.Program(_native.instruction_sets()[0], 1)
    with pytest.raises(ValueError, match="update takes 3 arguments, got 2"):
        program.add("update", "update", [0, 1])
    with pytest.raises(ValueError, match="pack takes 6 arguments or more, got 5"):
        program.add("forward", "pack", [0] * 5)
    with pytest.raises(ValueError, match="no kernel is called convolve"):
        program.add("forward", "convolve", [])


def test_whole_numbers_as_options() -> None:
    """They reach kernels as the doubles they stand for."""
    engines = pair([Affine(6), BatchNorm(eps=1, momentum=0), LeakyReLU(1), ELU(2), Affine(3)], 5, reg=1)
    assert_alike(engines, 9)


def test_operations_are_timed() -> None:
    _, native = pair([Affine(6), ReLU(), Affine(3)], 5)
    x, y = batch(native, 9)
    taken = native.time_operations(lambda: native.step(x, y), 9)
    assert [op for op, _ in taken] == native.plan(9).operations
    assert all((seconds > 0) == (op.phase != "gradients") for op, seconds in taken)


def test_auto_takes_the_native_engine_for_float32() -> None:
    assert isinstance(make_engine(Network([Affine(3)], SoftmaxCrossEntropy(), 5), SGD()), NativeEngine)
