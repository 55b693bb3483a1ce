"""Kernels of single layers and losses: accuracy, odd sizes, borders, sums of branches, what is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.engines import NativeEngine, ReferenceEngine
from chainrule.engines.native import is_available
from chainrule.errors import ChainruleError, DivergenceError
from chainrule.layers import (
    ELU,
    GELU,
    LAYERS,
    SELU,
    Affine,
    BatchNorm,
    Branches,
    Conv2D,
    ConvTranspose2D,
    Dropout,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Pad,
    PadChannels,
    PReLU,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Squeeze,
    Tanh,
)
from chainrule.layers.layer import Layer
from chainrule.losses import LOSSES, BinaryHinge, Logistic, MultiClassHinge, SoftmaxCrossEntropy, SquaredError
from chainrule.network import Network
from chainrule.optim import SGD, Adam

pytestmark = pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")


def pair(layers: list[Layer], shape: Any, loss: Any = None, **options: Any) -> tuple[ReferenceEngine, NativeEngine]:
    networks = [Network(layers, loss, shape, seed=3) for _ in range(2)]
    noise = 0.1 * np.random.default_rng(5).standard_normal(networks[0].params.flat.size)
    for network in networks:
        network.params.flat[:] += noise.astype(np.float32)
    return ReferenceEngine(networks[0], SGD(0.05)), NativeEngine(networks[1], SGD(0.05), **options)


def rows(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, *shape)).astype(np.float32)


def assert_alike(engines: Any, n: int, y: Any = None, bound: float = 2e-5) -> None:
    """Loss, gradients and scores; no layer is left to the reference."""
    ours, native = engines
    x = rows(n, *ours.network.input_shape)
    if y is None:
        y = np.arange(n) % ours.network.output_shape[0]
    (loss, expected), (got_loss, got) = (e.loss_and_gradients(x, y) for e in (ours, native))
    assert got_loss == pytest.approx(loss, rel=1e-5)
    for name in expected:
        scale = max(np.abs(expected[name]).max(), 1.0)
        assert np.abs(expected[name] - got[name]).max() <= bound * scale, name
    scores = ours.predict(x)
    assert np.abs(scores - native.predict(x)).max() <= bound * max(np.abs(scores).max(), 1.0)
    assert not native.plan(n).fallbacks


# -- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_no_layer_is_left_to_the_reference(cls: type[Layer]) -> None:
    for layer, shape in cls.examples():
        native = NativeEngine(Network([layer], SquaredError(), shape[1:]), SGD())
        assert not native.plan(shape[0]).fallbacks
        assert not native.plan(shape[0], train=False).fallbacks


def scoring(shape: tuple[int, ...]) -> tuple[list[Layer], tuple[int, ...]]:
    """Layers whose scores have this shape, and their input's."""
    if len(shape) == 1:
        return [Affine(1), Squeeze()], (4,)
    return ([Affine(shape[1])], (4,)) if len(shape) == 2 else ([Conv2D(shape[1], 3, padding=1)], (2, *shape[2:]))


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_no_loss_is_left_to_the_reference(cls: Any) -> None:
    for loss, shape, _ in cls.examples():
        layers, inputs = scoring(shape)
        assert not NativeEngine(Network(layers, loss, inputs), SGD()).plan(2).fallbacks


IMAGE_LAYERS = [
    pytest.param(layer, shape, id=f"{layer.name}-{i}")
    for cls in LAYERS
    for i, (layer, shape) in enumerate(cls.examples())
    if len(shape) == len(layer.output_shape(shape)) == 4 and not isinstance(layer, Softmax)
]
SAME_SIZE = [p for p in IMAGE_LAYERS if p.values[0].output_shape(p.values[1])[2:] == p.values[1][2:]]  # type: ignore


@pytest.mark.parametrize(("layer", "shape"), IMAGE_LAYERS)
def test_images_behind_and_before_borders(layer: Layer, shape: Any, instruction_set: str) -> None:
    """The input has a border of zeros as a convolution reads it too, the output has one for the next."""
    first = Conv2D(shape[1], 3, padding=1)
    layers = [first, Branches(((layer,), (Sequential((layer, Tanh())),))), Conv2D(3, 3, padding=2), Flatten()]
    assert_alike(pair([*layers, Affine(3)], shape[1:], instruction_set=instruction_set), 3)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("layer", "shape"), SAME_SIZE)
def test_gradients_of_branches_add_up(layer: Layer, shape: Any, order: int) -> None:
    paths = ((layer,), (Conv2D(2, 3, padding=1),))[::order]
    layers = [Conv2D(shape[1], 3, padding=1), Tanh(), Branches(paths), Flatten(), Affine(3)]
    assert_alike(pair(layers, shape[1:]), 4)


# -- functions --------------------------------------------------------------------------------------------------

FUNCTIONS = [Tanh(), Sigmoid(), ELU(0.7), SELU(), SiLU(), Softplus(), Softplus(4.0), GELU(), GELU("tanh")]
GRID = np.concatenate([np.linspace(-12, 12, 4001), np.geomspace(1e-7, 80, 500), -np.geomspace(1e-7, 80, 500), [0.0]])


@pytest.mark.parametrize("layer", FUNCTIONS, ids=repr)
def test_functions_are_accurate(layer: Layer, instruction_set: str) -> None:
    """Value and slope within 1e-6 relative of those in double precision, where single precision has such numbers.

    The cubic of GELU's approximation is rounded before it meets exp, in the reference too.
    """
    bound = 1e-5 if layer == GELU("tanh") else 1e-6
    x = GRID.astype(np.float32)
    exact, cache = layer.forward(x.astype(np.float64))
    slope = layer.backward(np.ones_like(exact), cache)["x"]
    network = Network([Affine(x.size), layer], SquaredError(), 1)
    network.params["W1"][...] = 0
    network.params["b1"][...] = x
    native = NativeEngine(network, SGD(), instruction_set=instruction_set)
    zero = np.zeros((1, 1), np.float32)
    value = native.predict(zero)
    wide = np.abs(exact) > 1e-30
    np.testing.assert_allclose(value[0, wide], exact[wide], rtol=bound)
    assert np.abs(value[0, ~wide]).max(initial=0) <= 1e-30
    _, gradients = native.loss_and_gradients(zero, value - np.float32(x.size / 2))  # ∂L/∂y = 1 up to a rounding
    np.testing.assert_allclose(gradients["b1"], slope, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.75, 1.0, 1.3, 3.0])
@pytest.mark.parametrize("k", [1e-30, 2.0])
def test_powers_are_accurate(beta: float, k: float, instruction_set: str) -> None:
    layer = LocalResponseNorm(1, alpha=1.0, beta=beta, k=k)
    x = np.geomspace(1e-12, 1e12, 999).astype(np.float32)[None, :]
    exact = layer.forward(x.astype(np.float64))[0]
    native = NativeEngine(Network([layer], SquaredError(), 999), SGD(), instruction_set=instruction_set)
    fits = (exact > 1e-30) & (exact < 1e30)
    assert fits.sum() > 400
    np.testing.assert_allclose(native.predict(x)[fits], exact[fits], rtol=1e-6)


def test_powers_of_zero_and_beyond() -> None:
    layer = LocalResponseNorm(2, alpha=1.0, beta=0.75, k=1e-30)
    x = np.array([[0, 0, 1, np.inf, 1e30, 0, 0, np.nan, 1, 0]], np.float32)
    with np.errstate(all="ignore"):
        expected = layer.forward(x)[0]
    got = NativeEngine(Network([layer], SquaredError(), 10), SGD()).predict(x)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("layer", [*FUNCTIONS, Softmax(), PReLU(), LayerNorm(), RMSNorm(), SELU()], ids=repr)
def test_values_that_are_not_finite(layer: Layer) -> None:
    for special in (
        [np.nan, 0, 1],
        [np.inf, 0, 1],
        [-np.inf, 0, 1],
        [1e20, -1e20, 1],
        [-np.inf] * 3,
        [np.inf, -np.inf, 1],
    ):
        network = Network([layer], SquaredError(), 3)
        x = np.array([special, [1, 2, 3]], np.float32)
        with np.errstate(all="ignore"):
            expected = ReferenceEngine(network, SGD()).predict(x)
        got, finite = NativeEngine(network, SGD()).predict(x), np.isfinite(expected)
        assert (np.isfinite(got) == finite).all()  # −∞ times 0 may be told either way
        assert np.isnan(got[np.isnan(x)]).all()
        np.testing.assert_allclose(got[finite], expected[finite], rtol=1e-5, atol=1e-15)


# -- sizes ------------------------------------------------------------------------------------------------------

ANY_SHAPE = [
    *(GELU(), GELU("tanh"), Softplus(2.0), PReLU(), LayerNorm(), LayerNorm(eps=0.1), RMSNorm(), Softmax()),
    *(LocalResponseNorm(5, alpha=0.5), LocalResponseNorm(4, alpha=1.0, beta=0.6, k=2.0), LocalResponseNorm(100, 3.0)),
    *(PadChannels(3, 18), SpatialDropout(0.4), Dropout(0.4), BatchNorm(eps=0.1), GroupNorm(1)),
]
SHAPES = [(1,), (2,), (17,), (70,), (6, 1), (1, 6), (5, 33), (19, 4), (3, 4, 5), (17, 7, 9), (33, 1, 2), (3, 2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layer", ANY_SHAPE, ids=repr)
def test_odd_sizes(layer: Layer, shape: Any, instruction_set: str) -> None:
    if isinstance(layer, GroupNorm) and math.prod(shape) == 1:
        pytest.skip("refused by the layer")
    first = [BatchNorm(eps=0.1)] if len(shape) > 1 else [Affine(shape[0])]
    layers = [*first, Tanh(), Residual((layer,)) if not isinstance(layer, PadChannels) else layer, Flatten(), Affine(3)]
    for n in (1, 6) if not isinstance(layer, BatchNorm) and len(shape) == 1 else (6,):
        assert_alike(pair(layers, shape, instruction_set=instruction_set), n)


@pytest.mark.parametrize("channels", [2, 12, 34])
@pytest.mark.parametrize("image", [(), (3,), (5, 9), (16, 16)], ids=str)
def test_groups_of_channels(channels: int, image: Any, instruction_set: str) -> None:
    choices = [GroupNorm(g, eps=0.1) for g in (1, 2, channels // 2, channels) if channels // g * math.prod(image) > 1]
    choices += [InstanceNorm(eps=0.1), InstanceNorm(affine=False, eps=0.1)] if math.prod(image) > 1 else []
    for layer in choices:
        for first in ([], [Tanh()]):  # without an input's gradient, and with one
            layers = [*first, layer, Tanh(), Flatten(), Affine(3)]
            assert_alike(pair(layers, (channels, *image), instruction_set=instruction_set), 5)


def test_normalisation_far_from_zero() -> None:
    """Sums do not lose the small differences between large numbers, nor those of many pixels."""
    for layer, shape in ((LayerNorm(), (3000,)), (GroupNorm(2), (4, 90, 90)), (LayerNorm(), (3, 2, 1000))):
        x = rows(2, *shape) + 300
        exact = layer.forward(x.astype(np.float64), layer.init_params(x.shape, lambda i: np.random.default_rng(0)))[0]
        got = NativeEngine(Network([layer], SquaredError(), shape), SGD()).predict(x)
        assert np.abs(got - exact).max() < 5e-5 * np.abs(exact).max()  # a float near 300 has digits down to 3e-5


CONVOLUTIONS: list[dict[str, Any]] = [
    {"kernel": 1},
    {"kernel": 2, "padding": 1},
    {"kernel": 3},
    {"kernel": 3, "padding": 1},
    {"kernel": 3, "padding": (2, 0, 1, 3), "bias": False},
    {"kernel": 3, "stride": 2, "padding": 1, "rounding": "floor"},
    {"kernel": 3, "stride": (1, 3), "padding": 1, "rounding": "floor"},
    {"kernel": 3, "dilation": 2, "padding": 2},
    {"kernel": (1, 5), "padding": (0, 2)},
    {"kernel": (5, 2), "stride": (3, 2), "padding": 2, "rounding": "floor"},
    {"kernel": 5, "stride": 2, "padding": 2, "rounding": "floor"},
    {"kernel": 7, "padding": 3},
    {"kernel": 2, "stride": 3, "rounding": "floor"},
]


@pytest.mark.parametrize("channels", [2, 8, 21, 40])
@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_depthwise_convolutions(options: dict[str, Any], channels: int, instruction_set: str) -> None:
    layer = Conv2D(channels, groups=channels, **options)
    image = (channels, 9, 13)
    for layers in ([layer], [Conv2D(channels, 1), ReLU(), layer, ReLU()], [Tanh(), Residual((ReLU(),)), layer]):
        made = pair([*layers, Flatten(), Affine(3)], image, instruction_set=instruction_set)
        assert_alike(made, 3)
        assert any(op.kernel == "correlate_channels_weights" for op in made[1].plan(3).operations)


def test_depthwise_gradients_add_up() -> None:
    layer = Conv2D(9, 3, stride=1, padding=1, groups=9)
    assert_alike(pair([Tanh(), Branches(((layer,), (layer, ReLU()), (Tanh(),))), Flatten(), Affine(3)], (9, 5, 7)), 4)
    assert_alike(pair([Conv2D(9, 1), ReLU(), Residual((layer,)), Flatten(), Affine(3)], (9, 5, 7)), 4)


TRANSPOSED: list[dict[str, Any]] = [
    {"kernel": 1},
    {"kernel": 3, "padding": 1},
    {"kernel": 4, "stride": 2, "padding": 1},
    {"kernel": (2, 3), "stride": (3, 1), "output_padding": (2, 0)},
    {"kernel": 3, "stride": 2, "padding": (2, 0, 1, 2), "dilation": (1, 2), "output_padding": 1, "bias": False},
    {"kernel": 1, "stride": 3},
    {"kernel": 3, "padding": "full"},
    {"kernel": 3, "stride": 2, "padding": "same"},
]


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed_convolutions(options: dict[str, Any], groups: int, instruction_set: str) -> None:
    layer = ConvTranspose2D(groups * 7, groups=groups, **options)
    for layers in ([layer], [Conv2D(12, 1), ReLU(), layer, ReLU()], [Tanh(), layer, Conv2D(2, 3, padding=2)]):
        assert_alike(pair([*layers, Flatten(), Affine(3)], (12, 4, 5), instruction_set=instruction_set), 3)


def test_transposed_gradients_add_up() -> None:
    layer = ConvTranspose2D(6, 3, padding=1)
    assert_alike(pair([Tanh(), Branches(((layer,), (Tanh(),), (layer, ReLU()))), Flatten(), Affine(3)], (4, 5, 7)), 4)


# -- the same bits ----------------------------------------------------------------------------------------------

DEEP: list[Layer] = [
    *(Conv2D(24, 3, padding=1), PReLU(), GroupNorm(3), GELU(), Conv2D(24, 3, padding=1, groups=24), InstanceNorm()),
    *(LocalResponseNorm(5, alpha=0.5), SpatialDropout(0.2), Pad(1), PadChannels(2, 6), ConvTranspose2D(8, 3, stride=2)),
    *(LayerNorm(), RMSNorm(), Softmax(), Flatten(), Affine(40), LayerNorm(), RMSNorm(), PReLU(), Affine(4)),
]


@pytest.mark.parametrize(
    "loss",
    [SoftmaxCrossEntropy(), SoftmaxCrossEntropy(0.1), MultiClassHinge(), SquaredError()],
    ids=lambda loss: loss.name,
)
def test_bits_do_not_depend_on_threads(loss: Any) -> None:
    states = []
    x, y = rows(37, 3, 9, 10), rows(37, 4) if isinstance(loss, SquaredError) else np.arange(37) % 4
    for threads in (1, 2, 5):
        native = NativeEngine(Network(DEEP, loss, (3, 9, 10), seed=1), Adam(1e-3), threads=threads)
        losses = [native.step(x, y) for _ in range(2)]
        assert not native.plan(37).fallbacks
        states.append((losses, {n: a.tobytes() for n, a in native.state().items()}))
    assert all(state == states[0] for state in states)


def test_a_row_has_the_same_scores_in_any_batch() -> None:
    native = NativeEngine(Network(DEEP, input_shape=(3, 9, 10), seed=1), SGD())
    x = rows(140, 3, 9, 10)
    together = native.predict(x)
    for i in (0, 1, 127, 128, 139):
        assert native.predict(x[i : i + 1]).tobytes() == together[i : i + 1].tobytes()


@pytest.mark.parametrize("at", range(11), ids=lambda i: DEEP[i].name)
def test_nan_is_never_lost(at: int, instruction_set: str) -> None:
    shape = Network(DEEP[:at], SquaredError(), (24, 4, 5)).output_shape if at > 4 else (24, 4, 5)
    layers: list[Layer] = [DEEP[at], Flatten(), Affine(3)]
    x = rows(4, *shape)
    x[(1, *(0 for _ in shape))] = np.nan
    for engine in pair(layers, shape, instruction_set=instruction_set):
        scores = engine.predict(x)
        assert np.isnan(scores[1]).all()
        assert np.isfinite(scores[[0, 2, 3]]).all()
        with pytest.raises(DivergenceError, match="X"):
            engine.step(x, np.zeros(4, int))


# -- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_losses_on_many_rows(cls: Any, instruction_set: str) -> None:
    rng = np.random.default_rng(2)
    for loss, shape, targets in cls.examples():
        for n in (1, 50, 2049):
            layers, inputs = scoring(shape)
            y = targets(rng, (n, *shape[1:]))
            assert_alike(pair(layers, inputs, loss, instruction_set=instruction_set), n, y)


@pytest.mark.parametrize("classes", [2, 7, 8, 9, 16, 40])
@pytest.mark.parametrize("loss", [MultiClassHinge(), MultiClassHinge(0.3), SoftmaxCrossEntropy()], ids=repr)
def test_losses_of_many_classes(loss: Any, classes: int) -> None:
    assert_alike(pair([Affine(classes)], 4, loss), 33)


LABELS = {
    "zero one": np.arange(8) % 2,
    "signs": np.arange(8) % 2 * 2 - 1,
    "booleans": np.arange(8) % 2 == 1,
    "floats": np.arange(8) % 2 * 1.0,
    "small": (np.arange(8) % 2).astype(np.uint8),
    "two kinds": np.arange(8) % 3 - 1,
    "others": np.arange(8) % 2 * 2,
    "nan": np.full(8, np.nan),
    "a column": np.ones((8, 1)),
    "too many": np.ones((8, 2), int),
    "classes": np.arange(8) % 3,
    "too large": np.arange(8) % 4,
    "negative": np.arange(8) % 3 - 1,
    "numbers": np.linspace(-1, 1, 24).reshape(8, 3),
    "infinite": np.full((8, 3), np.inf),
    "beyond single precision": np.full((8, 3), 1e300),
    "a number a row": np.linspace(-1, 1, 8),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(
    ("loss", "layers"),
    [
        (BinaryHinge(), [Affine(1), Squeeze()]),
        (Logistic(), [Affine(1), Squeeze()]),
        (MultiClassHinge(), [Affine(3)]),
        (SquaredError(), [Affine(3)]),
        (SquaredError(), [Affine(1), Squeeze()]),
        (SquaredError(), [Affine(1)]),
        (Logistic(), [Affine(1)]),
        (MultiClassHinge(), [Affine(1)]),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else str(len(value)),
)
def test_targets_are_taken_or_refused_as_by_the_reference(loss: Any, layers: list[Layer], labels: str) -> None:
    x, y = rows(8, 5), LABELS[labels]

    def outcome(train: Any, engine: Any) -> Any:
        try:
            return train(engine)
        except ChainruleError as error:
            return type(error), str(error)

    (ours, native), (_, other) = pair(layers, 5, loss), pair(layers, 5, loss)
    expected = outcome(lambda e: e.step(x, y), ours)
    for got in (outcome(lambda e: e.step(x, y), native), outcome(lambda e: e.steps(x, y, [np.arange(8)])[0], other)):
        assert got == (expected if isinstance(expected, tuple) else pytest.approx(expected, rel=1e-5))


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_many_steps_at_once_are_the_same_steps(cls: Any) -> None:
    """Rows of a set in any order: each meets its own target."""
    rng = np.random.default_rng(3)
    for loss, shape, targets in cls.examples():
        layers, inputs = scoring(shape)
        X, y = rows(30, *inputs), targets(rng, (30, *shape[1:]))
        (_, one), (_, many) = pair(layers, inputs, loss), pair(layers, inputs, loss)
        batches = [rng.integers(0, 30, size) for size in (7, 2, 9)]
        assert many.steps(X, y, batches) == [one.step(X[b], y[b]) for b in batches]
        assert many.network.params.flat.tobytes() == one.network.params.flat.tobytes()


def test_scores_beyond_numbers_diverge() -> None:
    for loss, layers in (
        (Logistic(), [Affine(1), Squeeze()]),
        (MultiClassHinge(), [Affine(3)]),
        (SquaredError(), [Affine(3)]),
    ):
        for engine in pair(layers, 5, loss):
            y = np.zeros((4, 3)) if isinstance(loss, SquaredError) else np.zeros(4, int)
            with pytest.raises(DivergenceError):
                engine.step(np.full((4, 5), 3e38), y)
            x = rows(4, 5)
            x[2, 2] = np.nan
            with pytest.raises(DivergenceError, match="X"):
                engine.step(x, y)
