"""Both engines: the same numbers for a network and for a student's own model, and no step that half happened."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.engines import ENGINES, ForeignEngine, FunctionRule, ReferenceEngine, make_engine
from chainrule.errors import (
    ChainruleError,
    CheckpointError,
    ConfigError,
    DivergenceError,
    DTypeError,
    ShapeError,
)
from chainrule.initializers import Constant
from chainrule.layers import Affine, BatchNorm, Dropout, ReLU, Tanh
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import RULES, SGD, Adam, AdamW, Chain, Momentum, Step, UpdateRule

_spec = importlib.util.spec_from_file_location("student", Path(__file__).with_name("student.py"))
assert _spec is not None
assert _spec.loader is not None
student = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(student)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 4)), RNG.integers(0, 3, 8)
every_rule = pytest.mark.parametrize("rule", [*(cls() for cls in RULES), Chain(Adam(), l2=0.1, weight_decay=0.1)])


def twin(reg: float = 0.0, dtype: str = "float64") -> tuple[Network, Any]:
    """The student's network and the same one built of layers."""
    model = student.TwoLayerNet(reg=reg)
    network = Network([Affine(6), ReLU(), Affine(3)], input_shape=4, dtype=dtype, reg=reg)
    network.params.update(model.params)
    return network, model


def deep(dtype: str = "float64") -> Network:
    layers = [Affine(6), BatchNorm(), Tanh(), Dropout(0.25), Affine(5), BatchNorm(), ReLU(), Affine(3)]
    return Network(layers, input_shape=4, dtype=dtype, seed=3, reg=0.01)


# -- the numbers ----------------------------------------------------------------------------------------------------


@every_rule
def test_a_network_and_a_students_model_train_alike(rule: UpdateRule) -> None:
    network, model = twin(reg=0.05)
    ours, theirs = make_engine(network, rule), make_engine(model, rule)
    assert isinstance(ours, ReferenceEngine)
    assert isinstance(theirs, ForeignEngine)
    for step in range(6):
        rows = slice(step, step + 3)
        a, b = ours.step(X[rows], Y[rows], 0.9**step), theirs.step(X[rows], Y[rows], 0.9**step)
        assert a == pytest.approx(b, rel=1e-10)
        assert ours.step_number == theirs.step_number == step + 1
    for name, w in model.params.items():
        np.testing.assert_allclose(network.params[name], w, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    assert (
        ours.evaluate(X, Y).score == theirs.evaluate(X, Y, batch_size=3).score == np.mean(model.loss(X).argmax(1) == Y)
    )
    assert theirs.evaluate(X, Y).loss is None


def test_one_step_is_forward_backward_update_buffers() -> None:
    network, by_hand, rule = deep(), deep(), Adam(0.01)
    engine = ReferenceEngine(network, rule)
    slots = rule.init(by_hand.params.flat)
    for step in range(3):
        loss, gradients = by_hand.loss(X, Y, step=step)
        _, cache = by_hand.forward(X, train=True, step=step)
        u, slots = rule.update(gradients.flat, slots, by_hand.params.flat, Step(step + 1, 0.5, by_hand.decay))
        tensors = by_hand.body.update_buffers(by_hand.tensors, cache)
        by_hand.params.flat[:] += u
        by_hand.buffers.update(tensors)
        assert engine.step(X, Y, 0.5) == loss
        assert (network.params.flat == by_hand.params.flat).all()
        assert (network.buffers.flat == by_hand.buffers.flat).all()


def test_loss_and_gradients_are_those_of_the_next_step_and_change_nothing() -> None:
    engine = ReferenceEngine(deep(), SGD(0.1))
    engine.step(X, Y)
    before = engine.state()
    loss, gradients = engine.loss_and_gradients(X, Y)
    g = gradients["W1"].copy()
    assert_same(engine.state(), before)
    w = engine.network.params["W1"].copy()
    assert engine.step(X, Y) == loss
    np.testing.assert_allclose(engine.network.params["W1"], w - 0.1 * g, rtol=1e-12, atol=1e-15)


def test_evaluate_is_in_test_mode_without_the_regularisation_term() -> None:
    network = deep()
    engine = ReferenceEngine(network, SGD())
    scores = network.scores(X)
    loss, _ = network.loss_function(scores, Y)
    assert engine.evaluate(X, Y, batch_size=3).loss == pytest.approx(float(loss), rel=1e-12)
    assert engine.evaluate(X, Y).score == np.mean(scores.argmax(axis=1) == Y)


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
def test_every_engine_by_name(engine: str) -> None:
    network, model = twin(dtype="float32" if engine == "native" else "float64")
    made = make_engine(network, SGD(0.1), engine)
    loss, gradients = model.loss(X, Y)
    assert made.step(X, Y) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(network.params["W1"], model.params["W1"] - 0.1 * gradients["W1"], rtol=1e-5, atol=1e-6)


# -- rules that are bare functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "config", "rule"),
    [
        (student.sgd_momentum, {"learning_rate": 0.05, "momentum": 0.8}, Momentum(0.05, 0.8)),
        (student.adam, {"learning_rate": 0.05}, Adam(0.05)),
        (student.adam, None, Adam(1e-3)),
    ],
)
def test_a_function_does_what_the_rule_does(function: Any, config: dict[str, Any] | None, rule: UpdateRule) -> None:
    network, model = twin()
    expected, _ = twin()
    given = None if config is None else dict(config)
    engines = [make_engine(network, function, "auto", config), make_engine(model, function, "auto", config)]
    reference = make_engine(expected, rule)
    for step in range(5):
        losses = {round(e.step(X, Y, 1.0 if config is None else 0.5**step), 9) for e in engines}
        losses.add(round(reference.step(X, Y, 1.0 if config is None else 0.5**step), 9))
        assert len(losses) == 1
    for name, w in expected.params.items():
        np.testing.assert_allclose(network.params[name], w, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.params[name], w, rtol=1e-9, atol=1e-12)
    assert config == given  # the caller's dictionary is not written to
    kept = engines[0].rule.optim_configs["W1"]  # type: ignore[attr-defined]
    assert kept["learning_rate"] == rule.learning_rate  # not eaten by the schedule


def test_a_function_trains_a_network_with_its_dropout_and_running_statistics() -> None:
    by_function, by_rule = deep(), deep()
    a = make_engine(by_function, student.sgd_momentum, "reference", {"learning_rate": 0.05})
    b = make_engine(by_rule, Momentum(0.05, 0.9))
    for _ in range(4):
        assert a.step(X, Y) == pytest.approx(b.step(X, Y), rel=1e-10)
    np.testing.assert_allclose(by_function.buffers.flat, by_rule.buffers.flat, rtol=1e-10)
    assert not np.isclose(by_function.buffers.flat, deep().buffers.flat).all()


def test_a_function_gets_copies_that_it_may_keep_or_overwrite() -> None:
    def keeps_and_overwrites(w: Any, dw: Any, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        seen.append((dw, dw.copy(), w.copy()))
        config.setdefault("kept", dw)
        following = w - 0.1 * dw
        w[...] = 7.0
        return following, config

    for model in twin():
        seen: list[Any] = []
        engine = make_engine(model, keeps_and_overwrites)
        for _ in range(3):
            engine.step(X, Y)
        first = engine.rule.optim_configs["W1"]["kept"]  # type: ignore[attr-defined]
        assert (first == seen[0][1]).all()
        for own, as_given, w in seen:
            assert (own == as_given).all()
            assert (w != 7.0).all()


def test_a_learning_rate_that_the_function_sets_is_kept() -> None:
    def halves(w: Any, dw: Any, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        config["learning_rate"] *= 0.5
        return w - config["learning_rate"] * dw, config

    for model in twin():
        engine = make_engine(model, halves, "auto", {"learning_rate": 0.8})
        for _ in range(3):
            engine.step(X, Y)
        assert engine.rule.optim_configs["W1"]["learning_rate"] == 0.1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda w, dw, config: w, DTypeError, r"the function must return \(next_w, config\), got an array"),
        (lambda w, dw, config: (w, None), DTypeError, r"the function must return \(next_w, config\), got tuple"),
        (lambda w, dw, config: (None, {}), DTypeError, r"next_w of W1 must be an array of numbers, got NoneType"),
        (lambda w, dw, config: (w.T, {}), ShapeError, r"next_w of W1 must have shape \(4, 6\), got \(6, 4\)"),
    ],
)
def test_functions_that_return_something_else(
    function: Callable[..., Any], error: type[ChainruleError], message: str
) -> None:
    for model in twin():
        with pytest.raises(error, match=rf"update_rule: {message}"):
            make_engine(model, function).step(X, Y)


# -- state ----------------------------------------------------------------------------------------------------------


def assert_same(state: dict[str, Any], other: dict[str, Any]) -> None:
    assert list(state) == list(other)
    for name in state:
        assert state[name].dtype == other[name].dtype
        assert np.array_equal(state[name], other[name], equal_nan=True), name


def engines() -> list[Any]:
    network, model = twin()
    return [
        make_engine(deep(), Adam(0.05)),
        make_engine(model, AdamW(0.05)),
        make_engine(network, student.adam),
        make_engine(student.TwoLayerNet(), student.sgd_momentum),
    ]


@pytest.mark.parametrize("i", range(4))
def test_state_continues_bit_for_bit(i: int) -> None:
    straight, broken, resumed = (engines()[i] for _ in range(3))
    for _ in range(3):
        straight.step(X, Y)
        broken.step(X, Y)
    state = broken.state()
    for array in state.values():
        array.setflags(write=False)
    resumed.load_state(state, 3)
    for rows in (slice(0, 5), slice(3, 8)):
        assert resumed.step(X[rows], Y[rows]) == straight.step(X[rows], Y[rows])
        assert resumed.step_number == straight.step_number
    assert_same(resumed.state(), straight.state())


@pytest.mark.parametrize("i", range(4))
def test_state_and_weights_are_copies(i: int) -> None:
    engine = engines()[i]
    engine.step(X, Y)
    state, weights = engine.state(), engine.weights()
    kept = {n: a.copy() for n, a in state.items()}, {n: a.copy() for n, a in weights.items()}
    engine.step(X, Y)
    assert_same(state, kept[0])
    assert_same(weights, kept[1])
    assert any((a != engine.weights()[n]).any() for n, a in weights.items())
    engine.load_weights(weights)
    assert_same(engine.weights(), weights)
    engine.step(X, Y)
    assert_same(weights, kept[1])  # training on does not write into what was loaded


@pytest.mark.parametrize("i", range(4))
def test_a_state_that_does_not_fit_changes_nothing(i: int) -> None:
    engine = engines()[i]
    engine.step(X, Y)
    good = engine.state()
    name = next(iter(good))
    for bad in (
        {},
        {n: a for n, a in good.items() if n != name},
        {**good, name: good[name][:1]},
        {**good, name: good[name].astype(np.float32)},
        {**good, "slot.stranger": np.zeros(3)},
    ):
        with pytest.raises(CheckpointError, match=r"state"):
            engine.load_state(bad, 5)
        assert_same(engine.state(), good)
        assert engine.step_number == 1


def test_a_state_of_another_rule_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"must hold buffers, params only, got 'slot.m' too"):
        make_engine(deep(), SGD()).load_state(make_engine(deep(), Adam()).state(), 1)
    engine = make_engine(student.TwoLayerNet(), student.adam)
    with pytest.raises(CheckpointError, match=r"state 'config.Q.t' belongs to none of the parameters"):
        engine.load_state({**engine.state(), "config.Q.t": np.array(1)}, 1)


# -- divergence -----------------------------------------------------------------------------------------------------


def broken_network(kind: str) -> tuple[Network, np.ndarray, np.ndarray, str, str]:
    """A network and a batch on which training diverges, with the layer and the tensor that are to blame."""
    network, x, y = deep(), X.copy(), Y
    if kind == "NaN in the input":
        x[2, 1] = math.nan
        return network, x, y, "the input", "X"
    if kind == "infinite input":
        return network, np.where(np.arange(4) == 1, math.inf, X), y, "the input", "X"
    if kind == "input beyond float32":
        return deep("float32"), X * 1e300, y, "the input", "X"
    if kind == "inf in a parameter":
        network.params["gamma2"][1] = math.inf
        return network, x, y, "layer 5 (BatchNorm)", "parameter gamma2"
    if kind == "NaN in a weight":
        network.params["W2"][1, 1] = math.nan
        return network, x, y, "layer 4 (Affine)", "parameter W2"
    if kind == "overflow in a layer":
        network = Network([Affine(3), Affine(3, init=Constant(1e308)), Affine(2)], input_shape=4, dtype="float64")
        return network, np.full((8, 4), 1e10), Y % 2, "layer 1 (Affine)", "the output"
    if kind == "overflow in the loss":
        network = Network([Affine(3)], SquaredError(), 4, dtype="float64")
        return network, x, np.full((8, 3), 1e200), "the loss (SquaredError)", "its value"
    raise AssertionError(kind)


KINDS = ["NaN in the input", "infinite input", "input beyond float32", "inf in a parameter", "NaN in a weight"]
KINDS += ["overflow in a layer", "overflow in the loss"]


@pytest.mark.parametrize("rule", [Adam(0.01), student.sgd_momentum], ids=["rule", "function"])
@pytest.mark.parametrize("kind", KINDS)
def test_divergence_is_named_and_nothing_was_changed(kind: str, rule: Any) -> None:
    network, x, y, layer, tensor = broken_network(kind)
    engine = make_engine(network, rule)
    kept = {k: network.params[k].copy() for k in network.params}
    for name in network.params:  # two good steps first, with the broken number put aside
        network.params[name] = np.nan_to_num(kept[name], nan=0.5, posinf=0.5)
    good_x, good_y = (np.ones((8, 4)), np.zeros((8, 3))) if kind == "overflow in the loss" else (X * 1e-9, y)
    if kind != "overflow in a layer":
        for _ in range(2):
            engine.step(good_x, good_y)
    for name in network.params:
        network.params[name] = np.where(np.isfinite(kept[name]), network.params[name], kept[name])
    before, step = engine.state(), engine.step_number
    with pytest.raises(DivergenceError, match=r"No parameter was changed") as caught:
        engine.step(x, y)
    error = caught.value
    assert (error.step, error.layer, error.tensor) == (step + 1, layer, tensor)
    assert not math.isfinite(error.value)
    assert_same(engine.state(), before)
    assert engine.step_number == step


def test_a_gradient_that_is_not_finite_under_a_finite_loss() -> None:
    layers = [Affine(3, init=Constant(0.0)), Affine(2, init=Constant(1e150))]
    network = Network(layers, SquaredError(), 4, dtype="float64")
    engine = ReferenceEngine(network, Momentum(0.1))
    before = engine.state()
    with pytest.raises(DivergenceError) as caught:
        engine.step(np.full((2, 4), 1e200), np.array([[1e10, 0], [0, 1e10]]))
    assert (caught.value.layer, caught.value.tensor, caught.value.step) == ("layer 0 (Affine)", "the gradient of W1", 1)
    assert_same(engine.state(), before)


def test_large_finite_gradients_are_not_taken_for_infinite() -> None:
    """The fast test is a dot product, which overflows where the gradient itself does not."""
    network = Network([Affine(1, init=Constant(0.0))], SquaredError(), 1, dtype="float64")
    engine = ReferenceEngine(network, SGD(1e-200))
    engine.step(np.array([[1e100]]), np.array([[1e100]]))
    assert engine.step_number == 1
    assert network.params["W1"].item() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("loss", "name", "value", "tensor"),
    [
        (math.nan, None, None, "its value"),
        (math.inf, None, None, "its value"),
        *((1.0, n, v, f"the gradient of {n}") for n in ("W1", "b2") for v in (math.nan, -math.inf)),
    ],
)
def test_divergence_of_a_students_model(loss: float, name: str | None, value: float | None, tensor: str) -> None:
    model = student.TwoLayerNet()
    engine = make_engine(model, Adam(0.1))
    engine.step(X, Y)
    before, own = engine.state(), model.loss

    def broken(x: np.ndarray, y: np.ndarray | None = None) -> Any:
        _, gradients = own(x, y)
        if name is not None:
            gradients[name].flat[1] = value
        return loss, gradients

    model.loss = broken
    with pytest.raises(DivergenceError) as caught:
        engine.step(X, Y)
    assert (caught.value.step, caught.value.tensor) == (2, tensor)
    assert_same(engine.state(), before)
    assert engine.step_number == 1


def test_wrong_labels_change_nothing() -> None:
    engine = make_engine(deep(), Adam())
    before = engine.state()
    for x, y in ((X, Y + 3), (X[:, :2], Y), (X, Y[:2])):
        with pytest.raises(ChainruleError):
            engine.step(x, y)
    assert_same(engine.state(), before)


# -- models that are not what they should be ------------------------------------------------------------------------


class Model:
    """A model with one parameter whose `loss` returns what the test says."""

    def __init__(self, result: Any = None, params: Any = None) -> None:
        self.params = {"W": np.ones((2, 2))} if params is None else params
        self.result = result

    def loss(self, X: Any, y: Any = None) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (object(), r"model must have a dictionary `params` and a method `loss\(X, y\)`, got object"),
        (Model(params=[1]), r"model must have a dictionary `params`"),
        (Model(params={"W": [1.0]}), r"model.params\['W'\] must be an array of floating-point numbers, got list"),
        (Model(params={"W": np.ones(2, int)}), r"model.params\['W'\] must be an array of floating-point numbers"),
        (Affine(3), r"model must have a dictionary `params`"),
        (None, r"model must have a dictionary `params`"),
    ],
)
def test_models_without_params_or_loss(model: Any, message: str) -> None:
    with pytest.raises(DTypeError, match=message):
        make_engine(model, SGD())


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (None, DTypeError, r"model.loss\(X, y\) must return \(loss, gradients by name\), got NoneType"),
        (1.0, DTypeError, r"must return \(loss, gradients by name\), got float 1.0"),
        ((1.0, [1]), DTypeError, r"must return \(loss, gradients by name\), got tuple"),
        ((1.0, {}, 3), DTypeError, r"must return \(loss, gradients by name\), got tuple"),
        (("a", {"W": np.ones((2, 2))}), DTypeError, r"must return a number as the loss, got str 'a'"),
        ((np.ones(2), {"W": np.ones((2, 2))}), DTypeError, r"must return a number as the loss, got an array"),
        ((1.0, {"w": np.ones((2, 2))}), ConfigError, r"gave no gradient for 'W', only \['w'\]"),
        ((1.0, {"W": np.ones((2, 1))}), ShapeError, r"the gradient of 'W' must have shape \(2, 2\), got \(2, 1\)"),
        ((1.0, {"W": None}), DTypeError, r"the gradient of 'W' must be an array of real numbers, got NoneType"),
        ((1.0, {"W": [[1, 2], [3]]}), ShapeError, r"the gradient of 'W' must be an array, got rows of unequal lengths"),
    ],
)
def test_losses_that_return_something_else(result: Any, error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message):
        make_engine(Model(result), SGD()).step(X, Y)


@pytest.mark.parametrize("result", [np.ones((7, 3)), np.ones((8, 3, 1)), 1.0])
def test_scores_of_another_shape(result: Any) -> None:
    with pytest.raises(ShapeError, match=r"model.loss\(X\) must return scores \(8, C\) or \(8,\), got"):
        make_engine(Model(result), SGD()).evaluate(X, Y)
    with pytest.raises(DTypeError, match=r"what model.loss\(X\) returns must be an array of real numbers"):
        make_engine(Model(["a"] * 8), SGD()).predict(X)


def test_accuracy_of_binary_scores() -> None:
    scores = np.array([1.0, -2.0, 3.0, -4.0])
    engine = make_engine(Model(scores), SGD())
    assert engine.evaluate(X[:4], np.array([1, 0, 0, 0])).score == 0.75
    assert engine.evaluate(X[:4], np.array([1, -1, 1, 1])).score == 0.75
    with pytest.raises(ShapeError, match=r"y must have shape \(4,\), one label a row, got \(4, 1\)"):
        engine.evaluate(X[:4], np.ones((4, 1)))


def test_engines_by_unknown_or_unfit_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown engine 'referense'; did you mean 'reference'"):
        make_engine(deep(), SGD(), "referense")
    with pytest.raises(
        ConfigError, match=r"engine must be 'auto' for a model that runs by its own loss, got 'reference'"
    ):
        make_engine(student.TwoLayerNet(), SGD(), "reference")
    for name in ENGINES:
        if name != "reference":
            with pytest.raises(
                ConfigError, match=r"engine must be 'auto' or 'reference' for a rule that is a function"
            ):
                make_engine(deep(), student.adam, name)


def test_gradients_of_a_narrower_dtype_are_widened() -> None:
    model = Model((1.0, {"W": np.ones((2, 2), np.float32)}))
    make_engine(model, SGD(0.5)).step(X, Y)
    assert model.params["W"].dtype == np.float64
    assert (model.params["W"] == 0.5).all()


def test_function_rule_keeps_numbers_and_arrays_only() -> None:
    rule = FunctionRule(student.adam, {"note": "text", "learning_rate": 0.5}, ["a", "a.b"])
    rule.update("a.b", np.ones(2), np.ones(2), 1.0)
    state = rule.state()
    assert "config.a.b.note" not in state
    assert state["config.a.b.t"] == 1
    other = FunctionRule(student.adam, {"note": "text", "learning_rate": 0.5}, ["a", "a.b"])
    other.load_state(state)
    assert other.optim_configs["a.b"]["t"] == 1
    assert type(other.optim_configs["a.b"]["t"]) is int
    assert other.optim_configs["a.b"]["note"] == "text"
    assert other.optim_configs["a"] == {"note": "text", "learning_rate": 0.5}


@pytest.mark.parametrize("rule", [*(cls(1e300) for cls in (SGD, Momentum, Adam)), student.sgd_momentum])
@pytest.mark.parametrize("i", [0, 1])
def test_an_update_that_overflows_is_undone(rule: Any, i: int) -> None:
    engine = make_engine(twin()[i], rule, "auto", None if isinstance(rule, UpdateRule) else {"learning_rate": 1e300})
    engine.step(X, Y, 1e-302)
    before = engine.state()
    with pytest.raises(DivergenceError, match=r"No parameter was changed") as caught:
        engine.step(X, Y, 1e200)
    assert caught.value.step == 2
    assert caught.value.layer == ("layer 0 (Affine)", "the model")[i]
    assert caught.value.tensor == "the updated parameter W1"
    assert not math.isfinite(caught.value.value)
    assert_same(engine.state(), before)
    assert engine.step_number == 1
    engine.step(X, Y, 1e-302)
    assert engine.step_number == 2


def test_scores_that_are_not_finite_count_as_no_accuracy() -> None:
    for model in twin():
        engine = make_engine(model, SGD())
        for bad in (math.nan, math.inf):
            assert engine.evaluate(np.where(np.arange(4) == 1, bad, X), Y).score == -math.inf

    class LogProbabilities(student.TwoLayerNet):  # type: ignore[misc,name-defined]
        def loss(self, X: Any, y: Any = None) -> Any:
            return np.where(np.arange(3) == 1, -math.inf, super().loss(X)) if y is None else super().loss(X, y)

    assert make_engine(LogProbabilities(), SGD()).evaluate(X, Y).score >= 0


def test_models_without_parameters_and_scores_in_one_column() -> None:
    model = student.TwoLayerNet()
    model.params = {}
    with pytest.raises(ConfigError, match=r"model.params must hold at least one array"):
        make_engine(model, SGD())

    class Column(student.TwoLayerNet):  # type: ignore[misc,name-defined]
        def loss(self, X: Any, y: Any = None) -> Any:
            return super().loss(X)[:, :1]

    with pytest.raises(ShapeError, match=r"got \(8, 1\); .* return scores of shape \(8,\)"):
        make_engine(Column(), SGD()).evaluate(X, Y)
