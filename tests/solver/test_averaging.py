"""Averages of weights: the closed formulas, the statistics that fit them, what is kept, and resumed runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.data.augment import HorizontalFlip
from chainrule.errors import CheckpointError, ConfigError, DTypeError
from chainrule.layers import Affine, BatchNorm, Dropout, Flatten, ReLU, Residual
from chainrule.network import Network
from chainrule.optim import Adam
from chainrule.solver import EMA, SWA, Callback, EarlyStopping, KeepLast, Solver, WeightAveraging, load_training

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 53)
POINTS = (RNG.normal(size=(3, 4))[LABELS] + RNG.normal(size=(53, 4))).astype(np.float32)
DATA = {"X_train": POINTS[:38], "y_train": LABELS[:38], "X_val": POINTS[38:], "y_val": LABELS[38:]}


class Trace(Callback):
    """The weights after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Any]] = []

    def on_step_end(self, solver: Solver) -> None:
        self.weights.append(solver.engine.weights())


def network(dtype: str = "float32") -> Network:
    layers = [Affine(6), BatchNorm(), ReLU(), Dropout(0.2), Residual((Affine(6), BatchNorm(0.8))), Affine(3)]
    return Network(layers, input_shape=4, seed=1, dtype=dtype)


def plain_network() -> Network:
    return Network([Affine(6), ReLU(), Affine(3)], input_shape=4, seed=1)


def solver(*callbacks: Callback, model: Any = None, epochs: int = 6, **options: Any) -> Solver:
    given = {"update_rule": Adam(0.03), "batch_size": 10, "verbose": False, "num_train_samples": 20, **options}
    return Solver(network() if model is None else model, DATA, num_epochs=epochs, callbacks=callbacks, **given)


def assert_close(got: dict[str, Any], expected: dict[str, Any], rtol: float = 1e-4) -> None:
    assert got.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=rtol, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.97])
def test_ema_is_the_weighted_mean_of_all_steps(engine: str, decay: float) -> None:
    trace, average = Trace(), EMA(decay)
    run = solver(trace, average, engine=engine)
    run.train()
    factors = decay ** np.arange(len(trace.weights))[::-1]
    expected = {
        name: np.tensordot(factors / factors.sum(), np.stack([w[name] for w in trace.weights]).astype(float), 1)
        for name in trace.weights[0]
    }
    assert average.count == 24 == len(trace.weights)
    assert_close(run.engine.weights(), expected)


@pytest.mark.parametrize(
    ("start", "every", "epochs"),
    [(0.5, 1, [3, 4, 5, 6]), (0.0, 1, [1, 2, 3, 4, 5, 6]), (0.4, 2, [3, 5]), (1.0, 3, [6])],
)
def test_swa_is_the_mean_over_the_epochs_that_count(start: float, every: int, epochs: list[int]) -> None:
    trace, average = Trace(), SWA(start, every)
    run = solver(trace, average, model=plain_network())
    run.train()
    chosen = [trace.weights[4 * epoch - 1] for epoch in epochs]
    assert average.count == len(epochs)
    assert_close(run.engine.weights(), {n: np.mean([w[n] for w in chosen], axis=0) for n in chosen[0]})


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_swa_measures_running_statistics_anew(engine: str) -> None:
    """Without dropout they do not depend on noise: recomputed here from the layers' own definition."""
    model = Network([Affine(6), BatchNorm(0.7), ReLU(), Affine(3)], input_shape=4, seed=1)
    run = solver(SWA(0.5), model=model, engine=engine, batch_size=38)  # one batch: all rows
    run.train()
    hidden = DATA["X_train"].astype(float) @ model.params["W1"] + model.params["b1"]
    assert_close(
        {"mean": model.buffers["running_mean1"], "var": model.buffers["running_var1"]},
        {"mean": hidden.mean(axis=0), "var": hidden.var(axis=0)},
    )


def test_statistics_are_the_mean_over_batches_weighted_by_their_rows() -> None:
    from chainrule.data import ShuffledBatches
    from chainrule.solver.statistics import measure_statistics

    model = Network([Affine(6), BatchNorm(0.7), ReLU(), Affine(3)], input_shape=4, seed=1)
    run = solver(model=model)
    before = run.engine.weights()
    batches = ShuffledBatches(38, 10, 0, drop_last=False)
    parts = [DATA["X_train"][batches.indices(i)] for i in range(4)]
    hidden = [x.astype(float) @ model.params["W1"] + model.params["b1"] for x in parts]
    measured = measure_statistics(run)
    expected = sum(len(h) * h.var(axis=0) for h in hidden) / 38
    np.testing.assert_allclose(measured["running_var1"], expected, rtol=1e-5)
    np.testing.assert_allclose(measured["running_mean1"], np.concatenate(hidden).mean(axis=0), rtol=1e-4, atol=1e-6)
    assert all((before[name] == array).all() for name, array in run.engine.weights().items())


def test_statistics_see_augmented_images() -> None:
    images = RNG.integers(0, 255, (20, 1, 2, 4)).astype(np.float32)
    data = {"X_train": images, "y_train": RNG.integers(0, 2, 20), "X_val": images, "y_val": RNG.integers(0, 2, 20)}

    def statistics(*augment: Any) -> Any:
        model = Network([Flatten(), BatchNorm(), Affine(2)], input_shape=(1, 2, 4), seed=0)
        given = {"num_epochs": 2, "batch_size": 20, "verbose": False}
        Solver(model, data, callbacks=[SWA(0.5)], augment=augment, **given).train()  # type: ignore[arg-type]
        return model.buffers["running_mean1"].reshape(2, 4)

    np.testing.assert_allclose(statistics(), images.mean(axis=0)[0], rtol=1e-5)
    np.testing.assert_allclose(statistics(HorizontalFlip(1.0)), images.mean(axis=0)[0, :, ::-1], rtol=1e-5)


@pytest.mark.parametrize("average", [EMA(0.9), SWA(0.5)], ids=["ema", "swa"])
def test_the_average_is_what_is_kept(average: WeightAveraging) -> None:
    run = solver(average)
    run.train()
    kept = run.engine.weights()
    assert all((kept[name] == array).all() for name, array in run.best_params.items())
    assert run.best_val_acc == run.check_accuracy(DATA["X_val"], DATA["y_val"])
    plain = solver()
    plain.train()
    assert run.loss_history == plain.loss_history  # training itself is not touched
    assert run.val_acc_history == plain.val_acc_history
    assert any((kept[name] != array).any() for name, array in plain.engine.weights().items())


def test_before_the_first_average_the_best_weights_stay() -> None:
    class Stop(Callback):
        def on_epoch_end(self, solver: Solver) -> None:
            solver.stop = solver.epoch == 2

    run, plain = solver(SWA(0.5), Stop()), solver(Stop())
    run.train()
    plain.train()
    assert all((plain.best_params[name] == array).all() for name, array in run.engine.weights().items())


def test_a_broken_off_epoch_does_not_count() -> None:
    class Stop(Callback):
        def on_step_end(self, solver: Solver) -> None:
            solver.stop = solver.engine.step_number == 18

    average = SWA(0.5)
    solver(average, Stop()).train()
    assert average.count == 2  # epochs 3 and 4, not the half of epoch 5


@pytest.mark.parametrize("make", [lambda: EMA(0.9), lambda: SWA(0.3)], ids=["ema", "swa"])
def test_a_resumed_run_is_the_unbroken_one(make: Any, tmp_path: Path) -> None:
    whole = solver(make(), checkpoint_name=tmp_path / "run")
    whole.train()
    for epoch in (1, 3, 5):
        again = solver(make())
        load_training(tmp_path / f"run_epoch_{epoch}", again)
        again.train()
        assert again.loss_history == whole.loss_history
        assert again.best_val_acc == whole.best_val_acc
        for name, array in whole.engine.weights().items():
            assert (again.engine.weights()[name] == array).all(), name


def test_runs_that_cannot_go_on_are_refused(tmp_path: Path) -> None:
    for name, callbacks in (("ema", [EMA(0.9)]), ("plain", [])):
        run = solver(*callbacks, epochs=1)
        run.train()
        run.save_checkpoint(tmp_path / name)
    for name, callbacks, message in (
        ("ema", [], "the checkpoint averages weights, the solver does not"),
        ("plain", [EMA(0.9)], "the solver averages weights, the checkpoint does not"),
        ("ema", [EMA(0.8)], r"was saved with averaging EMA\(decay=0.9\), the solver has EMA\(decay=0.8\)"),
        ("ema", [SWA(0.5)], "was saved with averaging EMA"),
    ):
        fresh = solver(*callbacks)
        before = fresh.engine.weights()
        with pytest.raises(CheckpointError, match=message):
            load_training(tmp_path / name, fresh)
        assert all((before[n] == a).all() for n, a in fresh.engine.weights().items())


def test_a_new_run_begins_a_new_average() -> None:
    average, alone = EMA(0.9), EMA(0.9)
    solver(average, epochs=2).train()
    second, fresh = solver(average, epochs=3), solver(alone, epochs=3)
    second.train()
    fresh.train()
    assert average.count == 12
    assert all((second.engine.weights()[n] == a).all() for n, a in fresh.engine.weights().items())


@pytest.mark.parametrize("other", [EarlyStopping(), KeepLast(), EMA()], ids=lambda c: type(c).__name__)
def test_only_one_may_choose_the_weights(other: Callback) -> None:
    with pytest.raises(ConfigError, match=f"SWA: callbacks must hold nothing else .* got {type(other).__name__} too"):
        solver(SWA(), other).train()


class Plain:
    """A model that is no network."""

    def __init__(self, dtype: Any = float) -> None:
        self.params = {"w": np.zeros(4, dtype)}

    def loss(self, X: Any, y: Any = None) -> Any:
        scores = X @ self.params["w"]
        if y is None:
            return np.stack([-scores, scores], axis=1)
        return float(np.mean((scores - y) ** 2)), {"w": 2 * X.T @ (scores - y) / len(X)}


@pytest.mark.parametrize("average", [EMA(0.5), SWA(0.0)], ids=["ema", "swa"])
def test_models_of_others(average: WeightAveraging) -> None:
    trace, model = Trace(), Plain()
    run = solver(trace, average, model=model, epochs=3, update_rule="sgd", optim_config={"learning_rate": 0.01})
    run.train()
    steps = np.stack([w["w"] for w in trace.weights])
    factors = 0.5 ** np.arange(12)[::-1]
    expected = factors @ steps / factors.sum() if isinstance(average, EMA) else steps[3::4].mean(axis=0)
    np.testing.assert_allclose(model.params["w"], expected, rtol=1e-10)


def test_bad_numbers() -> None:
    for make, message in (
        (lambda: EMA(1.0), "EMA: decay must be a number >= 0 and < 1, got 1.0"),
        (lambda: EMA(math.nan), "EMA: decay"),
        (lambda: SWA(1.5), "SWA: start must be a number >= 0 and <= 1, got 1.5"),
        (lambda: SWA(0.5, 0), "SWA: every must be an integer >= 1, got 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
    with pytest.raises(DTypeError, match=r"SWA: every must be an integer, got float 1\.5"):
        SWA(0.5, 1.5)  # type: ignore[arg-type]
