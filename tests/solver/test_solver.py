"""The solver: what it records, what it keeps, what it hands to the engine, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.arrays import Stream, generator
from chainrule.engines import Engine
from chainrule.engines.engine import StepByStep
from chainrule.errors import ChainruleError, ConfigError, DataError, DivergenceError, DTypeError, ShapeError
from chainrule.initializers import Normal
from chainrule.layers import Affine, BatchNorm, ReLU, Tanh
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import RULES, SGD, Adam, When
from chainrule.optim.schedules import Cosine, EpochDecay, ReduceOnPlateau
from chainrule.solver import Callback, EarlyStopping, Solver

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(3, 4))
LABELS = RNG.integers(0, 3, 90)
POINTS = CENTRES[LABELS] + 0.5 * RNG.normal(size=(90, 4))
DATA = {"X_train": POINTS[:60], "y_train": LABELS[:60], "X_val": POINTS[60:], "y_val": LABELS[60:]}


def network(seed: int = 0) -> Network:
    return Network([Affine(8), BatchNorm(), ReLU(), Affine(3)], input_shape=4, seed=seed, dtype="float64")


def solver(model: Any = None, data: Any = None, **options: Any) -> Solver:
    given = {"update_rule": Adam(0.01), "batch_size": 13, "num_epochs": 4, "verbose": False, **options}
    return Solver(network() if model is None else model, DATA if data is None else data, **given)


class Recorder(Callback):
    """Writes down every moment, and the weights at the end of every epoch."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.moments: list[str] = []
        self.weights: list[dict[str, Any]] = []
        self.stop_at = stop_at

    def on_train_begin(self, solver: Solver) -> None:
        self.moments.append("begin")

    def on_step_end(self, solver: Solver) -> None:
        self.moments.append("step")
        solver.stop = solver.engine.step_number == self.stop_at

    def on_epoch_end(self, solver: Solver) -> None:
        self.moments.append("epoch")
        self.weights.append(solver.engine.weights())

    def on_divergence(self, solver: Solver, error: DivergenceError) -> None:
        self.moments.append("divergence")

    def on_train_end(self, solver: Solver) -> None:
        self.moments.append("end")


class Spy(StepByStep):
    """Stands before an engine and writes down what it is given."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.factors, self.batches = engine, [], []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def step(self, x: Any, y: Any, factor: float = 1.0) -> float:
        self.factors.append(factor)
        self.batches.append((x, y))
        return self.engine.step(x, y, factor)


def spied(**options: Any) -> tuple[Solver, Spy]:
    made = solver(**options)
    made.engine = Spy(made.engine)  # type: ignore[assignment]
    return made, made.engine  # type: ignore[return-value]


# -- history --------------------------------------------------------------------------------------------------------


def test_lengths_of_the_histories() -> None:
    trained = solver(num_epochs=4, batch_size=13)  # ⌈60/13⌉ = 5 steps an epoch
    history = trained.train()
    assert history is trained.history
    assert len(trained.loss_history) == 4 * 5
    assert len(trained.train_acc_history) == len(trained.val_acc_history) == 1 + 4
    assert [e.epoch for e in history.epochs] == [1, 2, 3, 4]
    assert trained.epoch == 4
    assert trained.engine.step_number == 20
    for i, record in enumerate(history.epochs):
        assert record.loss == pytest.approx(np.mean(trained.loss_history[5 * i : 5 * i + 5]))
        assert record.train_acc == trained.train_acc_history[i + 1]
        assert record.val_acc == trained.val_acc_history[i + 1]
        assert record.seconds >= 0
        assert record.examples_per_second > 0
        assert record.learning_rate_factor == 1.0
        assert record.val_loss is not None
    assert trained.best_val_acc == max(trained.val_acc_history)


def test_history_is_plain_data() -> None:
    import json

    trained = solver(num_epochs=2)
    kept = json.loads(json.dumps(trained.train().to_dict()))
    assert kept["loss_history"] == trained.loss_history
    assert kept["epochs"][1]["epoch"] == 2


def test_it_learns() -> None:
    trained = solver(num_epochs=15)
    trained.train()
    assert trained.best_val_acc > 0.8 > trained.val_acc_history[0]
    assert trained.check_accuracy(DATA["X_val"], DATA["y_val"]) == trained.best_val_acc
    assert np.mean(trained.loss_history[-5:]) < 0.5 * np.mean(trained.loss_history[:5])


def test_no_epochs_is_no_training() -> None:
    model = network()
    before = model.params.flat.copy()
    trained = solver(model, num_epochs=0)
    assert trained.train().loss_history == []
    assert (model.params.flat == before).all()


def test_training_twice_goes_on_to_the_same_end() -> None:
    trained = solver(num_epochs=2)
    trained.train()
    trained.train()
    assert trained.engine.step_number == 10


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    a, b, c = solver(seed=1), solver(seed=1), solver(seed=2)
    for s in (a, b, c):
        s.train()
    assert a.loss_history == b.loss_history
    assert (a.model.params.flat == b.model.params.flat).all()
    assert a.loss_history != c.loss_history


# -- accuracy -------------------------------------------------------------------------------------------------------


def test_accuracy_is_measured_on_as_many_examples_as_asked() -> None:
    sizes = []
    made = solver(num_train_samples=17, num_val_samples=None, num_epochs=1)

    class Counting(Spy):
        def evaluate(self, x: Any, y: Any, batch_size: int = 1000) -> Any:
            sizes.append(len(x))
            return self.engine.evaluate(x, y, batch_size)

    made.engine = Counting(made.engine)  # type: ignore[assignment]
    made.train()
    assert sizes == [17, 30] * 2
    made.check_accuracy(DATA["X_val"], DATA["y_val"], num_samples=1000)
    assert sizes[-1] == 30


def test_check_accuracy_is_the_fraction_right() -> None:
    made = solver()
    right = made.model.predict(DATA["X_val"]) == DATA["y_val"]
    assert made.check_accuracy(DATA["X_val"], DATA["y_val"]) == right.mean()
    assert made.check_accuracy(DATA["X_val"], DATA["y_val"], batch_size=7) == right.mean()
    rows = generator(0, Stream.SUBSET, 0).choice(30, 11, replace=False)
    assert made.check_accuracy(DATA["X_val"], DATA["y_val"], num_samples=11) == right[rows].mean()


def test_validation_may_be_measured_on_a_part() -> None:
    made = solver(num_val_samples=10, num_epochs=3)
    made.train()
    assert all(round(10 * v, 9) % 1 == 0 for v in made.val_acc_history)


# -- the best weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.3, 0.05])
def test_the_weights_of_the_best_epoch_are_put_back(rate: float) -> None:
    recorder = Recorder()
    made = solver(update_rule=SGD(rate), num_epochs=8, callbacks=[recorder], seed=3)
    first = made.val_acc_history
    made.train()
    after_first_step, *epochs = first
    best = max(first)
    if after_first_step < best:
        kept = recorder.weights[epochs.index(best)]  # the first of equals
        for name, w in made.engine.weights().items():
            assert (w == kept[name]).all(), name
    assert made.check_accuracy(DATA["X_val"], DATA["y_val"]) == best == made.best_val_acc


def test_best_weights_are_a_copy_and_hold_running_statistics() -> None:
    made = solver(num_epochs=3)
    made.train()
    assert set(made.best_params) == set(made.model.tensors)
    made.model.params.flat[:] = 0
    assert any(w.any() for w in made.best_params.values())


def test_training_that_gets_worse_ends_with_the_best_and_not_the_last() -> None:
    """A learning rate that ruins the network after a good start."""
    made = solver(update_rule=Adam(0.01), num_epochs=10)

    class Ruin(Callback):
        def on_epoch_end(self, solver: Solver) -> None:
            if solver.epoch == 6:
                solver.model.params.flat[:] *= -1

    made.callbacks.append(Ruin())
    made.train()
    assert made.val_acc_history[7] < made.best_val_acc
    assert made.check_accuracy(DATA["X_val"], DATA["y_val"]) == made.best_val_acc


# -- early stopping and callbacks -----------------------------------------------------------------------------------


def test_callbacks_are_told_every_moment_in_order() -> None:
    recorder = Recorder()
    solver(num_epochs=2, batch_size=30, callbacks=[recorder]).train()
    assert recorder.moments == ["begin", "step", "step", "epoch", "step", "step", "epoch", "end"]


def test_a_callback_may_stop_in_the_middle_of_an_epoch() -> None:
    recorder = Recorder(stop_at=7)
    made = solver(num_epochs=4, callbacks=[recorder])
    made.train()
    assert made.engine.step_number == len(made.loss_history) == 7
    assert made.epoch == 1
    assert recorder.moments[-2:] == ["epoch", "end"]
    made.callbacks.clear()
    made.train()  # goes on from there
    assert made.engine.step_number == 20


@pytest.mark.parametrize("monitor", ["val_acc", "val_loss"])
def test_early_stopping_waits_and_restores_the_best(monitor: Any) -> None:
    stopping, recorder = EarlyStopping(monitor, patience=3), Recorder()
    made = solver(update_rule=SGD(0.5), num_epochs=200, callbacks=[stopping, recorder])
    made.train()
    epochs = made.history.epochs
    values = [e.val_acc if monitor == "val_acc" else -(e.val_loss or 0) for e in epochs]
    best = int(np.argmax(values))
    assert len(epochs) == best + 1 + 3 < 200
    assert stopping.best_epoch == best + 1
    for name, w in made.engine.weights().items():
        assert (w == recorder.weights[best][name]).all(), name


def test_early_stopping_counts_small_gains_as_none() -> None:
    class Replay(EarlyStopping):
        def on_epoch_end(self, solver: Solver) -> None:
            solver.history.epochs[-1].val_acc = 0.5 + 0.01 * solver.epoch
            super().on_epoch_end(solver)

    made = solver(num_epochs=20, callbacks=[Replay(patience=2, min_delta=0.05)])
    made.train()
    assert made.epoch == 3
    made = solver(num_epochs=6, callbacks=[Replay(patience=2, min_delta=0.009)])
    made.train()
    assert made.epoch == 6


def test_early_stopping_starts_anew_with_every_training() -> None:
    stopping = EarlyStopping(patience=1)
    for _ in range(2):
        made = solver(num_epochs=30, callbacks=[stopping])
        made.train()
        assert stopping.waited == 1
        assert made.epoch == stopping.best_epoch + 1


@pytest.mark.parametrize("monitor", ["val_acc", "val_loss"])
def test_early_stopping_does_not_go_on_past_its_stop(monitor: Any) -> None:
    made = solver(update_rule=SGD(0.5), num_epochs=200, callbacks=[EarlyStopping(monitor, patience=2)])
    made.train()
    steps, kept, best = made.engine.step_number, made.engine.weights(), made.best_val_acc
    made.train()
    assert made.engine.step_number == steps
    assert made.best_val_acc == best == made.check_accuracy(DATA["X_val"], DATA["y_val"])
    for name, w in made.engine.weights().items():
        assert (w == kept[name]).all()
        assert (w == made.best_params[name]).all()


def test_an_epoch_that_was_stopped_half_way_is_recorded_once() -> None:
    made = solver(num_epochs=4, callbacks=[Recorder(stop_at=7)])  # in the second epoch of 5 steps
    made.train()
    assert len(made.history.epochs) == 2
    made.callbacks.clear()
    made.train()
    assert [e.epoch for e in made.history.epochs] == [1, 2, 3, 4]
    assert len(made.val_acc_history) == len(made.train_acc_history) == 5
    assert made.history.epochs[1].loss == pytest.approx(np.mean(made.loss_history[5:10]))


def test_divergence_is_told_and_raised_and_the_model_is_whole() -> None:
    recorder = Recorder()
    model = Network([Affine(3, init=Normal(1.0)), Affine(3, init=Normal(1.0))], SquaredError(), 4, dtype="float64")
    data = {k: v if k[0] == "X" else np.ones((len(v), 3)) for k, v in DATA.items()}
    made = solver(model, data, update_rule=SGD(1e6), num_epochs=50, callbacks=[recorder])
    with pytest.raises(DivergenceError) as caught:
        made.train()
    assert recorder.moments[-1] == "divergence"
    assert "end" not in recorder.moments
    assert caught.value.step == made.engine.step_number + 1 == len(made.loss_history) + 1
    assert np.isfinite(model.params.flat).all()


@pytest.mark.parametrize("rate", [1e160, 1e308])
def test_divergence_by_the_last_update_is_raised_and_never_the_best(rate: float) -> None:
    recorder, model = Recorder(), Network([Affine(8), ReLU(), Affine(3)], input_shape=4, dtype="float64")
    made = solver(model, update_rule=SGD(rate), num_epochs=1, batch_size=60, callbacks=[recorder])
    before = {n: w.copy() for n, w in made.best_params.items()}
    with pytest.raises(DivergenceError):
        made.train()
    assert recorder.moments[-1] == "divergence"
    assert made.best_val_acc == -math.inf
    assert all((made.best_params[n] == w).all() for n, w in before.items())
    assert np.isfinite(model.params.flat).all()


# -- schedules and sampling -----------------------------------------------------------------------------------------


def test_lr_decay_multiplies_after_every_epoch() -> None:
    made, spy = spied(lr_decay=0.5, num_epochs=3)
    made.train()
    assert spy.factors == [1.0] * 5 + [0.5] * 5 + [0.25] * 5
    assert [e.learning_rate_factor for e in made.history.epochs] == [1.0, 0.5, 0.25]
    assert made.schedule == EpochDecay(0.5)


def test_a_schedule_is_asked_at_every_step() -> None:
    made, spy = spied(schedule=Cosine(0.1), num_epochs=3)
    made.train()
    assert spy.factors == [Cosine(0.1)(When(s, 5, 15)) for s in range(15)]


def test_a_schedule_sees_the_validation_scores() -> None:
    seen = []

    class Watching(ReduceOnPlateau):
        def __call__(self, when: When) -> float:
            seen.append(list(when.metrics))
            return super().__call__(when)

    made = solver(schedule=Watching(), num_epochs=3)
    made.train()
    scores = [e.val_acc for e in made.history.epochs]
    assert [len(m) for m in seen] == [0] * 5 + [1] * 5 + [2] * 5
    assert seen[-1] == scores[:2]


def test_an_epoch_shows_every_example_once() -> None:
    made, spy = spied(num_epochs=2)
    made.train()
    for epoch in (0, 1):
        rows = np.concatenate([x for x, _ in spy.batches[5 * epoch : 5 * epoch + 5]])
        assert sorted(map(tuple, rows)) == sorted(map(tuple, DATA["X_train"]))
    x, y = spy.batches[3]
    for row, label in zip(x, y, strict=True):  # inputs and labels stay together
        assert label == DATA["y_train"][np.flatnonzero((DATA["X_train"] == row).all(axis=1))[0]]


def test_sampling_with_replacement() -> None:
    made, spy = spied(sampling="replacement", num_epochs=2)
    made.train()
    assert len(made.loss_history) == 2 * (60 // 13)
    assert all(len(x) == 13 for x, _ in spy.batches)
    assert len({tuple(r) for x, _ in spy.batches[:4] for r in x}) < 4 * 13


def test_a_stream_of_batches_of_ones_own() -> None:
    class First:
        steps_per_epoch = 3

        def indices(self, step: int) -> np.ndarray:
            return np.array([step, step])

    made, spy = spied(sampling=First(), num_epochs=2)
    made.train()
    assert [x[0].tolist() for x, _ in spy.batches] == [DATA["X_train"][s].tolist() for s in range(6)]


def test_a_batch_larger_than_the_data() -> None:
    made, spy = spied(batch_size=1000, num_epochs=2)
    made.train()
    assert [len(x) for x, _ in spy.batches] == [60, 60]


# -- models, rules, printing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", RULES)
def test_rules_by_name_with_their_configuration(cls: Any) -> None:
    made = solver(update_rule=cls.key, optim_config={"learning_rate": 0.02}, num_epochs=1)
    assert made.update_rule == cls(learning_rate=0.02)
    assert made.optim_config == {"learning_rate": 0.02}
    made.train()
    assert solver(update_rule=cls.key).update_rule == cls()


def test_a_regression_is_scored_by_r_squared() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 4))
    y = (x @ rng.normal(size=(4, 2)) + 0.01 * rng.normal(size=(80, 2))) * 3
    data = {"X_train": x[:60], "y_train": y[:60], "X_val": x[60:], "y_val": y[60:]}
    model = Network([Affine(8), Tanh(), Affine(2)], SquaredError(), 4)
    made = solver(model, data, num_epochs=60, update_rule=Adam(0.02))
    made.train()
    scores = model.scores(x[60:])
    r2 = 1 - ((scores - y[60:]) ** 2).sum(axis=0) / ((y[60:] - y[60:].mean(axis=0)) ** 2).sum(axis=0)
    assert made.best_val_acc == pytest.approx(r2.mean(), rel=1e-6)
    assert made.best_val_acc > 0.8


def test_printing(capsys: pytest.CaptureFixture[str]) -> None:
    solver(num_epochs=2, verbose=True, print_every=4).train()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(")")[0] for line in lines] == [
        "(Iteration 1 / 10",
        "(Iteration 5 / 10",
        "(Epoch 1 / 2",
        "(Iteration 9 / 10",
        "(Epoch 2 / 2",
    ]
    assert " loss: " in lines[0]
    assert " train acc: " in lines[2]
    assert "; val_acc: " in lines[2]
    solver(num_epochs=2).train()
    assert capsys.readouterr().out == ""


# -- bad input ------------------------------------------------------------------------------------------------------


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in DATA.items() if k != key}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"update_rule": "adamm"}, ConfigError, r"unknown update rule 'adamm'; did you mean 'adam'"),
        ({"update_rule": 3}, DTypeError, r"update_rule must be a name, an update rule or a function, got int 3"),
        ({"update_rule": Adam}, DTypeError, r"update_rule must be a name, an update rule or a function, got"),
        ({"update_rule": "sgd", "optim_config": {"lr": 1}}, ConfigError, r"unknown optim_config entry of sgd 'lr'"),
        (
            {"update_rule": Adam(), "optim_config": {"beta1": 0.5}},
            ConfigError,
            r"optim_config goes with a rule given by",
        ),
        ({"update_rule": "sgd", "optim_config": {"learning_rate": -1}}, ConfigError, r"sgd: learning_rate must be"),
        ({"batch_size": 0}, ConfigError, r"Solver: batch_size must be an integer >= 1, got 0"),
        ({"batch_size": 2.0}, DTypeError, r"Solver: batch_size must be an integer, got float 2.0"),
        ({"print_every": 0}, ConfigError, r"Solver: print_every must be an integer >= 1, got 0"),
        ({"num_epochs": -1}, ConfigError, r"Solver: num_epochs must be an integer >= 0, got -1"),
        ({"seed": "0"}, DTypeError, r"Solver: seed must be an integer, got str '0'"),
        ({"seed": 2**64}, ConfigError, r"seed must be an integer >= 0"),
        ({"lr_decay": -0.5}, ConfigError, r"Solver: lr_decay must be a number >= 0, got -0.5"),
        ({"num_train_samples": 0}, ConfigError, r"Solver: num_train_samples must be an integer >= 1, got 0"),
        ({"num_val_samples": True}, DTypeError, r"Solver: num_val_samples must be an integer, got bool True"),
        ({"schedule": "cosine"}, DTypeError, r"Solver: schedule must be a schedule, got str 'cosine'"),
        ({"callbacks": [print]}, DTypeError, r"Solver: callbacks must be a list of callbacks, got builtin"),
        ({"engine": "gpu"}, ConfigError, r"unknown engine 'gpu'"),
        ({"sampling": "random"}, ConfigError, r"unknown sampling 'random'"),
        ({"sampling": 3}, DTypeError, r"sampling must be a name or a stream of batches, got int 3"),
        ({"data": [1, 2]}, DTypeError, r"Solver: data must be a dictionary with X_train, .* got list"),
        (
            {"data": without("X_val")},
            ConfigError,
            r"Solver: data must hold 'X_val', got \['X_train', 'y_train', 'y_val'\]",
        ),
        ({"data": {**DATA, "y_train": LABELS[:5]}}, ShapeError, r"X_train and y_train must hold the same number"),
        ({"data": {**DATA, "X_val": POINTS[:0], "y_val": LABELS[:0]}}, ShapeError, r"the same number \(>= 1\) of rows"),
        (
            {"data": {**DATA, "X_train": [["a"]] * 60}},
            DTypeError,
            r"data\['X_train'\] must be an array of real numbers, got list",
        ),
        ({"data": {**DATA, "X_train": [[1, 2], [3]]}}, ChainruleError, r"data\['X_train'\] must"),
        ({"optim_config": [1]}, DTypeError, r"Solver: optim_config must be a dictionary, got list"),
        ({"model": "network"}, DTypeError, r"model must have a dictionary `params`"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message):
        solver(**options)


def test_callbacks_must_be_a_list() -> None:
    with pytest.raises(DTypeError, match=r"Solver: callbacks must be a list of callbacks, got"):
        solver(callbacks=EarlyStopping())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"y_train": LABELS[:60] + 5}, DataError),
        ({"y_train": LABELS[:60] * 1.0}, DTypeError),
        ({"y_train": LABELS[:60, None]}, ShapeError),
        ({"X_train": POINTS[:60, :3]}, ShapeError),
        ({"X_train": POINTS[:60] * np.nan}, DivergenceError),
    ],
)
def test_data_that_does_not_fit_the_network(change: dict[str, Any], error: type[ChainruleError]) -> None:
    made = solver(data={**DATA, **change})
    before = made.model.params.flat.copy()
    with pytest.raises(error):
        made.train()
    assert (made.model.params.flat == before).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"monitor": "loss"}, ConfigError, r"EarlyStopping: monitor must be 'val_acc' or 'val_loss', got 'loss'"),
        ({"patience": 0}, ConfigError, r"EarlyStopping: patience must be an integer >= 1, got 0"),
        ({"min_delta": math.nan}, ConfigError, r"EarlyStopping: min_delta must be a number >= 0, got nan"),
    ],
)
def test_bad_early_stopping(options: dict[str, Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message):
        EarlyStopping(**options)


class Rows:
    """A stream that gives the same rows every step."""

    steps_per_epoch = 2

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def indices(self, step: int) -> Any:
        return self.rows


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: solver(sampling=Rows(np.array([0, 60]))).train(), ConfigError, r"rows 0 to 59, got row 60"),
        (lambda: solver(sampling=Rows(np.array([0, -1]))).train(), ConfigError, r"rows 0 to 59, got row -1"),
        (lambda: solver(sampling=Rows(np.array([0.5]))).train(), DTypeError, r"a vector of row numbers"),
        (lambda: solver(engine=[1]), DTypeError, r"engine must be a name, got list"),
        (lambda: solver(lr_decay=0.5, schedule=Cosine()), ConfigError, r"lr_decay must be 1 where a schedule"),
        (lambda: solver(checkpoint_name=""), ConfigError, r"checkpoint_name must be a name"),
        (lambda: solver(checkpoint_name=3), DTypeError, r"checkpoint_name must be a string or a path, got int 3"),
        (lambda: solver(lr_decay=1e200, update_rule=SGD(0.0)).train(), ConfigError, r"factor must be finite, got inf"),
        (lambda: solver().check_accuracy(POINTS, LABELS, 0), ConfigError, r"num_samples must be an integer >= 1"),
        (lambda: solver().check_accuracy(POINTS, LABELS, batch_size=0), ConfigError, r"batch_size must be an integer"),
        (lambda: solver().check_accuracy(POINTS, LABELS[1:]), ShapeError, r"equally many rows"),
        (
            lambda: solver().check_accuracy("abc", LABELS),
            DTypeError,
            r"X must be an array of real numbers, got str 'abc'",
        ),
    ],
)
def test_what_used_to_pass_or_fail_without_a_name(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


class EveryStep(Callback):
    """Asks to be told of each step, and notes the losses it is told of."""

    def __init__(self, every_step: bool) -> None:
        self.every_step = every_step  # type: ignore[misc]
        self.losses: list[float] = []
        self.lengths: list[int] = []

    def on_step_end(self, solver: Solver) -> None:
        self.losses.append(solver.loss_history[-1])
        self.lengths.append(len(solver.loss_history))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("sampling", ["shuffled", "replacement"])
def test_steps_taken_together_are_the_same_steps(engine: str, sampling: str) -> None:
    solvers = []
    for every_step in (True, False):
        network = cr.Network([cr.Affine(9), cr.ReLU(), cr.Dropout(0.3), cr.Affine(3)], input_shape=5, seed=1)
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((208, 5)).astype(np.float32), rng.integers(0, 3, 208)
        data = {"X_train": X, "y_train": y, "X_val": X[:20], "y_val": y[:20]}
        options: dict[str, Any] = {"engine": engine, "sampling": sampling, "lr_decay": 0.9, "verbose": False}
        callback = EveryStep(every_step)
        solver = Solver(network, data, update_rule="adam", batch_size=4, num_epochs=4, callbacks=[callback], **options)
        solver.train()
        solvers.append((solver, callback))
    (one, each), (many, some) = solvers
    assert each.losses == one.loss_history
    assert each.lengths == list(range(1, 209))
    assert len(some.losses) < 150  # several at a time
    assert set(some.lengths) >= {1, 52, 104, 156, 208}  # never across the end of an epoch
    assert one.loss_history == many.loss_history
    assert one.val_acc_history == many.val_acc_history
    np.testing.assert_array_equal(one.model.params.flat, many.model.params.flat)


def test_divergence_among_steps_taken_together() -> None:
    network = cr.Network([cr.Affine(3)], input_shape=2, seed=1)
    X, y = np.ones((400, 2), np.float32), np.zeros(400, int)
    X[-1] = np.inf
    data = {"X_train": X, "y_train": y, "X_val": X[:2], "y_val": y[:2]}
    solver = Solver(network, data, batch_size=1, num_epochs=1, num_train_samples=1, verbose=False)
    with pytest.raises(cr.DivergenceError, match="the input") as caught:
        solver.train()
    assert caught.value.step == len(solver.loss_history) + 1 == solver.engine.step_number + 1


def test_printing_with_steps_taken_together(capsys: pytest.CaptureFixture[str]) -> None:
    network = cr.Network([cr.Affine(3)], input_shape=2, seed=1)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 2)).astype(np.float32), rng.integers(0, 3, 300)
    data = {"X_train": X, "y_train": y, "X_val": X[:9], "y_val": y[:9]}
    solver = Solver(network, data, batch_size=2, num_epochs=1, print_every=7)
    solver.train()
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("(Iteration")]
    assert printed == [f"(Iteration {i + 1} / 150) loss: {solver.loss_history[i]:f}" for i in range(0, 150, 7)]
