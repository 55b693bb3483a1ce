"""Network: a loop and the loop reversed, one vector of parameters, seeds, regularisation, typed errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.errors import ChainruleError, ConfigError, DivergenceError, DTypeError, ShapeError
from chainrule.initializers import Constant, Normal, Ones
from chainrule.layers import LAYERS, Affine, BatchNorm, Branches, Dropout, Layer, ReLU, Residual, Sequential, Tanh
from chainrule.losses import LOSSES, Logistic, SoftmaxCrossEntropy, SquaredError
from chainrule.network import Network

EXAMPLES = [(layer, shape) for cls in LAYERS for layer, shape in cls.examples()]
X, Y = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])


def small(dtype: str = "float64", **options: Any) -> Network:
    layers = [Affine(6), BatchNorm(), Tanh(), Dropout(0.25), Residual((Affine(6), Tanh())), Affine(3)]
    return Network(layers, input_shape=4, dtype=dtype, seed=3, **options)


@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=[repr(e)[:90] for e in EXAMPLES])
def test_a_network_of_one_layer_is_that_layer(layer: Layer, shape: tuple[int, ...]) -> None:
    network = Network([layer], SquaredError(), shape[1:], dtype="float64", seed=2)
    x = np.random.default_rng(1).normal(size=shape)
    if type(layer).__name__ == "Embedding":
        x = np.zeros(shape)
    own = layer.param_shapes(shape) | layer.buffer_shapes(shape)
    assert sorted(network.tensors[n].shape for n in network.tensors) == sorted(own.values())
    assert network.params.flat.size == layer.param_count(shape) == network.summary().parameters
    assert network.output_shape == layer.output_shape(shape)[1:]
    scores, cache = network.forward(x, train=True, step=4)
    assert scores.shape == layer.output_shape(shape)
    y = np.random.default_rng(2).normal(size=scores.shape)
    loss, gradients = network.loss(x, y, step=4)
    assert loss == pytest.approx(float(np.mean((scores - y) ** 2)), rel=1e-12)
    assert set(gradients) == set(network.params)
    if gradients:
        dscores = 2 * (scores - y) / y.size
        for name, g in network.body.backward(dscores, cache).items():
            if name != "x":
                np.testing.assert_allclose(gradients[name], g, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=[repr(e)[:90] for e in EXAMPLES])
def test_regularisation_is_declared_for_weights_and_nothing_else(layer: Layer, shape: tuple[int, ...]) -> None:
    for name, declared in layer.params.items():
        assert declared.decay is (len(layer.param_shapes(shape)[name]) > 1), name
    assert not any(declared.decay for declared in layer.buffers.values())


def test_names_are_those_of_the_courses() -> None:
    network = Network([Affine(3), BatchNorm(), ReLU(), Affine(2)], input_shape=4)
    assert list(network.params) == ["W1", "b1", "gamma1", "beta1", "W2", "b2"]
    assert all(name.endswith("1") for name in network.buffers)
    owners = {"W1": "layer 0 (Affine)", "gamma1": "layer 1 (BatchNorm)", "b2": "layer 3 (Affine)"}
    assert {name: network.owner(name) for name in owners} == owners


def test_gradients_against_differences_of_the_loss() -> None:
    """Every coordinate of a deep network with reg, in extended precision, against central differences."""
    network = small("longdouble", reg=0.3)
    network.params.flat[:] += np.random.default_rng(4).normal(size=network.params.flat.size) * 0.1
    _, views = network.loss(X, Y, step=7)
    gradient = views.flat.copy()
    h = np.longdouble(2.0) ** -16
    flat = network.params.flat
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + h
        right, _ = exact_loss(network)
        flat[i] = kept - h
        left, _ = exact_loss(network)
        flat[i] = kept
        assert abs((right - left) / (2 * h) - gradient[i]) < 1e-8 * max(1, abs(gradient[i])), network.params.name_at(i)


def exact_loss(network: Network) -> tuple[Any, Any]:
    """The loss without the rounding to a Python float."""
    scores, cache = network.forward(network.as_input(X), train=True, step=7)
    loss, _ = network.loss_function(scores, Y)
    weights = network.params.flat * network.decay
    return loss + np.longdouble(network.reg) / 2 * (weights @ weights), cache


def test_regularisation_applies_to_weights_only() -> None:
    network = small()
    plain, views = network.loss(X, Y)
    before = views.flat.copy()
    network.reg = 0.5
    regularised, views = network.loss(X, Y)
    decayed = {n for n in network.params if (network.decay[network.params.slices[n]] == 1).all()}
    assert decayed == {n for n in network.params if n.startswith("W")}
    assert not network.decay[
        np.concatenate([np.r_[network.params.slices[n]] for n in network.params if n not in decayed])
    ].any()
    expected = sum(float(np.sum(network.params[n] ** 2)) for n in decayed)
    assert regularised == pytest.approx(plain + 0.25 * expected, rel=1e-12)
    np.testing.assert_allclose(views.flat - before, 0.5 * network.params.flat * network.decay, atol=1e-12)


def test_a_seed_fixes_everything_and_tensors_are_independent() -> None:
    assert (small().params.flat == small().params.flat).all()
    other = Network(small().layers, input_shape=4, dtype="float64", seed=4)
    assert not np.isclose(other.params["W1"], small().params["W1"]).any()
    twins = Network([Affine(4, init=Normal(1.0)), Affine(4, init=Normal(1.0))], input_shape=4, seed=0)
    assert not np.isclose(twins.params["W1"], twins.params["W2"]).any()
    longer = Network([Affine(4, init=Normal(1.0)), Affine(9)], input_shape=4, seed=0)
    assert (longer.params["W1"] == twins.params["W1"]).all()  # a later layer does not change an earlier one


def test_the_dtype_is_a_rounding_of_the_same_draw() -> None:
    wide, narrow = small("float64"), small("float32")
    assert (wide.params.flat.astype(np.float32) == narrow.params.flat).all()
    assert narrow.scores(X).dtype == np.float32
    assert narrow.loss(X, Y)[1].flat.dtype == np.float32
    assert small("longdouble").scores(X).dtype == np.longdouble


def test_initialize_starts_anew() -> None:
    network, fresh = small(), small()
    network.params.flat[:] = 7
    network.buffers.flat[:] = 7
    network.initialize()
    assert (network.params.flat == fresh.params.flat).all()
    assert (network.buffers.flat == fresh.buffers.flat).all()


def test_a_generator_may_draw_the_weights_tensor_after_tensor() -> None:
    network = Network(
        [Affine(3, init=Normal(1.0)), Affine(2, init=Normal(1.0))],
        input_shape=4,
        dtype="float64",
        rng=np.random.RandomState(0),
    )
    rng = np.random.RandomState(0)
    assert (network.params["W1"] == rng.normal(0, 1, (4, 3))).all()
    assert (network.params["W2"] == rng.normal(0, 1, (3, 2))).all()


def test_dropout_depends_on_seed_step_and_layer_only() -> None:
    network = Network([Dropout(0.5), Dropout(0.5)], SquaredError(), 50, dtype="float64")
    ones = np.ones((2, 50))
    once, _ = network.forward(ones, train=True, step=3)
    again, _ = network.forward(ones, train=True, step=3)
    other, _ = network.forward(ones, train=True, step=4)
    assert (once == again).all()
    assert (once != other).any()
    first = next(iter(network.body.outputs(ones, {}, train=True, key=1)))
    assert (first != 0).sum() > (once != 0).sum()  # the two layers drop different entries
    assert (network.scores(ones) == 1).all()


def test_forward_and_loss_change_nothing_but_the_gradients() -> None:
    network, x = small(), X.copy()
    params, buffers = network.params.flat.copy(), network.buffers.flat.copy()
    x.setflags(write=False)
    network.loss(x, Y, step=1)
    network.scores(x)
    network.predict(x)
    assert (network.params.flat == params).all()
    assert (network.buffers.flat == buffers).all()


def test_buffers_move_by_one_separate_call() -> None:
    network = small()
    before = network.buffers.copy()
    _, cache = network.forward(X, train=True)
    network.update_buffers(cache)
    assert any((network.buffers[n] != before[n]).any() for n in before)


def test_scores_in_batches_are_the_same_rows() -> None:
    network = small()
    np.testing.assert_allclose(network.scores(X, batch_size=2), network.scores(X), rtol=1e-12)
    assert network.scores(X, batch_size=2).shape == (5, 3)
    assert (network.loss(X) == network.scores(X)).all()


def test_predictions() -> None:
    network = small()
    assert (network.predict(X) == network.scores(X).argmax(axis=1)).all()
    np.testing.assert_allclose(network.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    regression = Network([Affine(1)], SquaredError(), 4)
    assert (regression.predict(X) == regression.scores(X)).all()
    with pytest.raises(ConfigError, match=r"SquaredError defines no probabilities"):
        regression.predict_proba(X)


def test_integers_and_other_dtypes_are_taken_as_numbers() -> None:
    network = Network([Affine(2)], input_shape=3)
    for x in ([[1, 2, 3]], np.array([[1, 2, 3]], np.uint8), np.array([[True, False, True]])):
        assert network.scores(x).dtype == np.float32


@pytest.mark.parametrize("cls", LOSSES)
def test_every_loss_trains(cls: Any) -> None:
    for loss, shape, targets in cls.examples():
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=shape), targets(rng, shape)
        layers = [Affine(shape[1], init=Ones())] if len(shape) == 2 else [Tanh()]
        network = Network(layers, loss, shape[1:], dtype="float64")
        value, _ = network.loss(x, y)
        assert math.isfinite(value)
        assert network.predict(x).shape[0] == shape[0]


# -- diagnosis ------------------------------------------------------------------------------------------------------


def diagnosed(network: Network, x: Any = X, y: Any = Y) -> DivergenceError:
    with np.errstate(all="ignore"):
        return network.diagnose(x, y, step=9)


def test_diagnosis_names_the_first_tensor_that_is_not_finite() -> None:
    bad = X.copy()
    bad[1, 2] = math.nan
    error = diagnosed(small(), bad)
    assert (error.step, error.layer, error.tensor) == (9, "the input", "X")
    assert math.isnan(error.value)

    network = small()
    network.params["beta1"][2] = -math.inf
    error = diagnosed(network)
    assert (error.layer, error.tensor, error.value) == ("layer 1 (BatchNorm)", "parameter beta1", -math.inf)

    deep = Network(
        [Affine(4, init=Constant(1e200)), Tanh(), Affine(4, init=Constant(1e200)), Affine(4), ReLU()] * 2,
        SquaredError(),
        4,
        dtype="float64",
    )
    deep.params["W2"][...] = 1e308
    error = diagnosed(deep, np.ones((2, 4)), np.ones((2, 4)))
    assert (error.layer, error.tensor, error.value) == ("layer 2 (Affine)", "the output", math.inf)

    loss = Network([Affine(2, init=Constant(1e170))], SquaredError(), 4, dtype="float64")
    error = diagnosed(loss, np.ones((2, 4)), np.zeros((2, 2)))
    assert (error.layer, error.tensor) == ("the loss (SquaredError)", "its value")


def test_diagnosis_of_a_gradient_that_is_not_finite_under_a_finite_loss() -> None:
    x = np.full((2, 4), 1e200)
    network = Network(
        [Affine(3, init=Constant(0.0)), Affine(2, init=Constant(1e150))], SquaredError(), 4, dtype="float64"
    )
    error = diagnosed(network, x, np.array([[1e10, 0], [0, 1e10]]))
    assert (error.layer, error.tensor) == ("layer 0 (Affine)", "the gradient of W1")
    message = str(error)
    assert "training diverged at step 9: the gradient of W1 of layer 0 (Affine) holds" in message
    assert "No parameter was changed by this step" in message


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((5, 3)), ShapeError, r"X must have shape \(N, 4\) with N >= 1, got \(5, 3\)"),
        (np.zeros(4), ShapeError, r"X must have shape \(N, 4\) with N >= 1, got \(4,\)"),
        (np.zeros((0, 4)), ShapeError, r"X must have shape \(N, 4\) with N >= 1, got \(0, 4\)"),
        (np.zeros((5, 2, 2)), ShapeError, r"got \(5, 2, 2\); reshape it to \(5, 4\)"),
        (3.0, ShapeError, r"X must have shape \(N, 4\) with N >= 1, got \(\)"),
        ([[1, 2, 3, 4], [1]], ShapeError, r"X must be an array, got rows of unequal lengths"),
        ([["a", "b", "c", "d"]], DTypeError, r"X must be an array of real numbers, got list"),
        (np.zeros((5, 4)) * 1j, DTypeError, r"X must be an array of real numbers, got an array .* complex128"),
        (None, DTypeError, r"X must be an array of real numbers, got NoneType None"),
        ({"a": 1}, DTypeError, r"X must be an array of real numbers, got dict"),
    ],
)
def test_bad_inputs(x: Any, error: type[ChainruleError], message: str) -> None:
    for call in (small().loss, small().scores, small().predict, small().predict_proba):
        with pytest.raises(error, match=message):
            call(x)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": "ReLU"}, DTypeError, r"layers must be a list of layers, got str 'ReLU'"),
        ({"layers": []}, ConfigError, r"layers must hold at least one layer"),
        ({"layers": [Affine]}, DTypeError, r"layers\[0\] is the class Affine; write Affine\(...\)"),
        ({"layers": [ReLU(), 3]}, DTypeError, r"layers\[1\] must be a layer, got int 3"),
        ({"loss": "softmax"}, DTypeError, r"loss must be a loss such as SoftmaxCrossEntropy\(\), got str"),
        ({"loss": SoftmaxCrossEntropy}, DTypeError, r"loss must be a loss such as SoftmaxCrossEntropy\(\), got"),
        ({"input_shape": None}, ConfigError, r"input_shape must be given"),
        ({"input_shape": 0}, ConfigError, r"input_shape must be an integer >= 1, got 0"),
        ({"input_shape": 2.5}, DTypeError, r"input_shape must be an integer or a list of them, got float"),
        ({"input_shape": (2, True)}, DTypeError, r"input_shape must be an integer, got bool True"),
        ({"input_shape": {3}}, DTypeError, r"input_shape must be an integer or a list of them, got set"),
        ({"input_shape": "784"}, DTypeError, r"input_shape must be an integer or a list of them, got str"),
        ({"input_shape": (2, 2)}, ShapeError, r"Affine: x has axes \(N, D\), got shape \(1, 2, 2\)"),
        ({"seed": -1}, ConfigError, r"seed must be an integer >= 0"),
        ({"seed": 1.0}, DTypeError, r"seed must be an integer, got float 1.0"),
        ({"seed": 2**64}, ConfigError, r"seed must be an integer >= 0 and < 1.84467e\+19"),
        ({"reg": -0.1}, ConfigError, r"reg must be a number >= 0, got -0.1"),
        ({"reg": math.nan}, ConfigError, r"reg must be a number >= 0, got nan"),
        ({"dtype": "float16"}, ConfigError, r"dtype must be one of float32, .*, bfloat16, got 'float16'"),
        ({"dtype": int}, ConfigError, r"dtype must be one of float32, .*, bfloat16, got <class 'int'>"),
        ({"dtype": None}, ConfigError, r"dtype must be one of float32, .*, bfloat16, got None"),
    ],
)
def test_bad_declarations(options: dict[str, Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=f"Network: {message}|^{message}"):
        Network(**{"layers": [Affine(3)], "input_shape": 4, **options})


def test_bad_targets() -> None:
    for y, error in ((Y[:3], ShapeError), (Y[:, None], ShapeError), (Y + 2, ChainruleError), (["a"] * 5, DTypeError)):
        with pytest.raises(error, match=r"y must "):
            small().loss(X, y)
    with pytest.raises(ShapeError, match=r"y must have the shape of scores, .* Squeeze\(\)"):
        Network([Affine(1)], SquaredError(), 4).loss(X, np.zeros(5))
    with pytest.raises(ShapeError, match=r"scores have axes \(N,\), got shape \(5, 3\)"):
        Network([Affine(3)], Logistic(), 4).loss(X, Y)


def test_bad_batch_size() -> None:
    for size, error in ((0, ConfigError), (2.5, DTypeError)):
        with pytest.raises(error, match=r"Network: batch_size must be an integer"):
            small().scores(X, batch_size=size)  # type: ignore[arg-type]


def test_nested_composites_have_one_set_of_names() -> None:
    inner = Sequential((Affine(4), BatchNorm(), Tanh()))
    network = Network(
        [Residual((inner, Affine(4))), Branches(((inner,), (Affine(2),))), Affine(3)], input_shape=4, reg=0.1
    )
    assert len(set(network.tensors)) == len(network.params) + len(network.buffers)
    assert network.params.flat.size == network.summary().parameters
    loss, gradients = network.loss(X, Y)
    assert math.isfinite(loss)
    assert all(gradients[n].any() for n in gradients if not n.startswith("b1."))
