"""Numbers that are not finite: what stops training, what is left, and going back with a lower learning rate."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import LegacyBatches
from chainrule.engines.native import is_available
from chainrule.errors import CheckpointError, ConfigError, DivergenceError, DTypeError
from chainrule.solver import EMA, BackOff, Callback, EarlyStopping, KeepLast, Solver
from chainrule.solver.checkpoint import STATE, load_training, save_training
from chainrule.solver.divergence import has_exploded, is_good
from chainrule.solver.resumption import TrainingCheckpoints, checkpoints, resume_training

RNG = np.random.default_rng(7)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = (X @ RNG.standard_normal((4, 3)) + 0.1 * RNG.standard_normal((60, 3))).astype(np.float32)
DATA = {"X_train": X[:48], "y_train": Y[:48], "X_val": X[48:], "y_val": Y[48:]}
ENGINES = ["reference", *(["native"] if is_available() else [])]

#: Plain gradient descent on ½ mean squares of this data is stable below about 1.5; a good rate is 0.1.
TOO_FAST = 100 * 0.1


class StopAt(Callback):
    def __init__(self, *calls: int) -> None:
        self.calls, self.steps = calls, 0

    def on_step_end(self, solver: Solver) -> None:
        self.steps += 1
        solver.stop = solver.stop or self.steps in self.calls


class Told(Callback):
    def __init__(self) -> None:
        self.moments: list[str] = []

    def on_train_begin(self, solver: Solver) -> None:
        self.moments.append("begin")

    def on_rollback(self, solver: Solver) -> None:
        self.moments.append(f"back to {solver.engine.step_number}")

    def on_divergence(self, solver: Solver, error: DivergenceError) -> None:
        self.moments.append("divergence")


def network(*, norm: bool = False, noise: bool = False) -> cr.Network:
    layers = [cr.Affine(16), *([cr.BatchNorm()] if norm else []), cr.LeakyReLU(0.2)]
    layers += [cr.Dropout(0.1)] if noise else []
    return cr.Network([*layers, cr.Affine(3)], cr.SquaredError(), 4, seed=3)


def regression(engine: str = "auto", rate: float = TOO_FAST, rule: str = "sgd", **options: Any) -> Solver:
    options = {"batch_size": 8, "num_epochs": 12, "on_divergence": "back-off", "seed": 5, "verbose": False} | options
    model = options.pop("model", None)
    config = {"learning_rate": rate}
    model = network() if model is None else model
    return Solver(model, DATA, update_rule=rule, optim_config=config, engine=engine, **options)


def assert_same_state(a: Solver, b: Solver) -> None:
    for one, other in ((a.engine.state(), b.engine.state()), (a.best_params, b.best_params)):
        assert one.keys() == other.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)
    records = [[{**vars(e), "seconds": 0, "examples_per_second": 0} for e in s.history.epochs] for s in (a, b)]
    assert records[0] == records[1]
    kept = [{k: v for k, v in s.history.to_dict().items() if k != "epochs"} for s in (a, b)]
    assert kept[0] == kept[1]
    assert (a.epoch, a.best_val_acc) == (b.epoch, b.best_val_acc)


# -- what stops a step ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("poisoned", "layer", "tensor"),
    [
        ("X", "the input", "X"),
        ("y", "the loss (SquaredError)", "its value"),
        ("weight", "layer 3 (Affine)", "parameter W2"),
        ("statistic", "layer 1 (BatchNorm)", "running statistic running_var1"),
        ("slot", "layer 0 (Affine)", "slot 'm' of W1"),
        ("decay", "layer 0 (Affine)", "parameter"),
    ],
)
def test_no_step_is_taken_into_numbers_that_are_not_finite(engine: str, poisoned: str, layer: str, tensor: str) -> None:
    model = network(norm=poisoned != "decay")
    rule: cr.UpdateRule = cr.Adam(0.01)
    if poisoned == "decay":
        rule = cr.Chain(cr.SGD(0.01), weight_decay=1e9, clip_value=1e-30)
    data = {name: array.copy() for name, array in DATA.items()}
    made = Solver(model, data, update_rule=rule, engine=engine, batch_size=48, verbose=False)
    if poisoned == "X":
        made.X_train[5] = math.inf
    elif poisoned == "y":
        made.y_train[5] = 3e38
    elif poisoned == "decay":  # without inputs nothing depends on the weights, which grow ten-million-fold each step
        made.X_train[...] = made.X_val[...] = 0
    elif poisoned == "weight":
        model.params["W2"][1, 2] = math.nan
    elif poisoned == "statistic":  # the variance overflows, the normalised numbers do not: they become 0
        made.X_train[5] = 1e25
    elif poisoned == "slot":
        made.engine.slots["m"][3] = math.inf  # type: ignore[attr-defined]
    before = made.engine.state()
    with pytest.raises(DivergenceError) as caught:
        made.train()
    error = caught.value
    named = error.tensor.removeprefix("the updated ")
    assert (error.layer, named.split()[0] if poisoned == "decay" else named) == (layer, tensor)
    assert not math.isfinite(error.value)
    after = made.engine.state()
    assert error.step == len(made.loss_history) + 1
    if poisoned == "decay":  # some steps are taken while the weights grow
        assert made.engine.step_number == len(made.loss_history) > 0
        assert all(np.isfinite(array).all() for array in after.values())
    else:
        assert made.engine.step_number == 0
        for name, array in before.items():
            np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_an_engine_looks_at_statistics_before_it_changes_anything() -> None:
    model = network(norm=True)
    engine = cr.ReferenceEngine(model, cr.Adam(0.01))
    engine.step(X[:8], Y[:8])
    before = engine.state()
    wild = X[8:16].copy()
    wild[3] = 1e25
    with pytest.raises(DivergenceError, match=r"running statistic running_var1 of layer 1 \(BatchNorm\) holds inf"):
        engine.step(wild, Y[8:16])
    assert engine.step_number == 1
    for name, array in engine.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_slots_of_a_students_model_are_looked_at() -> None:
    class Line:
        params = {"w": np.ones(2)}

        def loss(self, x: np.ndarray, y: np.ndarray | None = None) -> Any:
            return x @ self.params["w"] if y is None else (1.0, {"w": np.full(2, 1e200)})

    data = {"X_train": np.ones((4, 2)), "y_train": np.ones(4, int), "X_val": np.ones((2, 2)), "y_val": np.ones(2, int)}
    made = Solver(Line(), data, update_rule="rmsprop", batch_size=4, verbose=False)
    with pytest.raises(DivergenceError, match=r"the updated slot 'cache' of w of the model holds inf"):
        made.train()
    assert made.engine.state()["slot.w.cache"].tolist() == [0, 0]


# -- going back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_a_hundred_times_too_high_is_lowered_until_training_converges(engine: str) -> None:
    with pytest.raises(DivergenceError):
        regression(engine, on_divergence="stop", num_epochs=200).train()
    made = regression(engine, num_epochs=30)
    made.train()
    rollbacks = made.history.rollbacks
    factors = [r.learning_rate_factor for r in rollbacks]
    assert factors == [0.5 ** (i + 1) for i in range(len(factors))]
    assert 3 <= len(factors) <= 8
    assert made.best_val_acc > 0.9
    assert len(made.loss_history) == made.engine.step_number == 30 * 6
    assert len(made.history.epochs) == 30
    assert made.history.epochs[-1].learning_rate_factor == factors[-1]


@pytest.mark.skipif(len(ENGINES) == 1, reason="chainrule was installed without the native engine")
def test_both_engines_decide_alike() -> None:
    reference, native = (regression(engine, num_epochs=20) for engine in ENGINES)
    reference.train()
    native.train()
    decisions = [[(r.to_step, r.learning_rate_factor) for r in s.history.rollbacks] for s in (reference, native)]
    assert decisions[0] == decisions[1] != []
    np.testing.assert_allclose(reference.model.params.flat, native.model.params.flat, rtol=2e-3, atol=1e-4)


def late(**options: Any) -> Solver:
    """Training that goes well for two epochs; then the rate is a thousand times higher."""

    class Jump(cr.Schedule):
        key = "jump"

        def __call__(self, when: Any) -> float:
            return 1.0 if when.epoch < 2 else 1000.0

    return regression(rate=0.02, schedule=Jump(), **options)


def test_the_state_gone_back_to_is_the_end_of_the_last_good_epoch() -> None:
    told = Told()
    made = late(num_epochs=4, callbacks=[told])
    made.train()
    assert {r.to_step for r in made.history.rollbacks} == {12}
    assert all(r.step > 13 for r in made.history.rollbacks)
    moments = ["begin"] + ["back to 12", "begin"] * len(made.history.rollbacks)
    assert told.moments == moments
    calm = late(num_epochs=2)
    calm.train()
    assert made.loss_history[:12] == calm.loss_history
    assert made.val_acc_history[:3] == calm.val_acc_history


def test_what_saves_is_told_once_and_of_the_new_good_state() -> None:
    seen: list[tuple[int, int]] = []

    class Saves(Callback):
        saves = True

        def on_epoch_end(self, solver: Solver) -> None:
            assert solver.good is not None
            seen.append((solver.epoch, solver.good.step_number))

    regression(rate=0.05, num_epochs=3, callbacks=[Saves()]).train()
    assert seen == [(1, 6), (2, 12), (3, 18)]


def test_it_ends_after_so_many_times_and_says_so() -> None:
    told = Told()
    made = regression(on_divergence=BackOff(0.9, times=2), num_epochs=200, callbacks=[told])
    with pytest.raises(DivergenceError, match=r"lowered 2 times, by 0\.81 in all"):
        made.train()
    assert told.moments == ["begin", "back to 0", "begin", "back to 0", "begin", "divergence"]
    assert len(made.history.rollbacks) == 2


def test_what_counts_as_good_and_as_exploded() -> None:
    assert is_good([2.0, 9.0], 4.0)
    assert not is_good([2.0], 4.1)
    assert is_good([-2.0], 0.0)
    assert not is_good([-2.0], 0.1)
    assert has_exploded([2.5], 2501.0)
    assert not has_exploded([2.5], 2499.0)
    assert not has_exploded([1e-6], 1.0)
    assert not has_exploded([-3.0], -9e9)


def test_one_line_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = regression(on_divergence="back-off", num_epochs=6, verbose=True, print_every=10**6)
    made.train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("diverged")]
    assert len(lines) == len(made.history.rollbacks) > 0
    assert "back to the state after step 0, learning rate × 0.5" in lines[0]


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ("go", ConfigError, r"on_divergence must be 'stop' or 'back-off', got 'go'"),
        (None, DTypeError, r"on_divergence must be 'stop', 'back-off' or a BackOff, got NoneType None"),
    ],
)
def test_wrong_policies(wrong: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        regression(on_divergence=wrong)
    for arguments in ({"factor": 1.0}, {"factor": 0}, {"times": 0}, {"factor": math.nan}):
        with pytest.raises(ConfigError, match="BackOff"):
            BackOff(**arguments)


# -- going on from a checkpoint -------------------------------------------------------------------------------------

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"rule": "sgd_momentum", "rate": 5.0},
    "average": {"callbacks": lambda: [EMA(0.9)]},
    "early stopping": {"callbacks": lambda: [EarlyStopping("val_loss", 4)]},
    "last": {"callbacks": lambda: [KeepLast()]},
    "noise and statistics": {"model": lambda: network(noise=True, norm=True), "rate": 100.0},
    "legacy batches": {"sampling": lambda: LegacyBatches(48, 8, np.random.RandomState(3))},
    "late": {"late": True},
}


def made_for(case: str, engine: str, *extra: Callback) -> Solver:
    options = {name: value() if callable(value) else value for name, value in CASES[case].items()}
    options["callbacks"] = [*options.get("callbacks", []), *extra]
    build = late if options.pop("late", False) else regression
    return build(engine=engine, num_epochs=5, **options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_a_run_stopped_anywhere_goes_back_to_the_same_bits(case: str, engine: str, tmp_path: Path) -> None:
    counted = StopAt()
    whole = made_for(case, engine, counted)
    whole.train()
    assert whole.history.rollbacks
    places = sorted({1, counted.steps, *np.random.default_rng(0).integers(2, counted.steps, 2).tolist()})
    for place in places:
        first = made_for(case, engine, StopAt(place))
        save = TrainingCheckpoints(tmp_path / str(place), seconds=1e6)
        first.callbacks.append(save)
        first.train()
        second = made_for(case, engine)
        if not checkpoints(tmp_path / str(place)):  # the stop was asked for at the last step
            assert place == counted.steps
            continue
        resume_training(tmp_path / str(place), second)
        second.train()
        assert_same_state(second, whole)


def test_checkpoints_of_steps_taken_back_are_removed(tmp_path: Path) -> None:
    made = late(num_epochs=4)
    made.callbacks.append(TrainingCheckpoints(tmp_path, seconds=0, keep=3))
    steps: list[list[str]] = []

    class Look(Callback):
        saves = True

        def on_rollback(self, solver: Solver) -> None:
            steps.append([path.name for path in checkpoints(tmp_path)])

    made.callbacks.append(Look())
    made.train()
    assert steps
    assert all(names[0] == "step-000000000012" for names in steps)
    again = late(num_epochs=4)
    assert resume_training(tmp_path, again).step == 24
    assert again.history.to_dict() == made.history.to_dict()


def test_a_stop_by_divergence_leaves_the_state_before_the_step(tmp_path: Path) -> None:
    made = regression(on_divergence="stop", num_epochs=200)
    made.callbacks.append(TrainingCheckpoints(tmp_path, seconds=1e6))
    with pytest.raises(DivergenceError) as caught:
        made.train()
    again = regression(on_divergence="stop", num_epochs=200)
    step = resume_training(tmp_path, again).step
    assert step == made.engine.step_number
    with pytest.raises(DivergenceError) as once_more:
        again.train()
    assert str(once_more.value) == str(caught.value)
    hopeless = regression(num_epochs=50)
    resume_training(tmp_path, hopeless)
    with pytest.raises(DivergenceError) as without_trying:  # the loss of this state is infinite at any rate
        hopeless.train()
    assert str(without_trying.value) == str(caught.value)


def test_an_earlier_checkpoint_is_gone_on_from_with_a_lower_rate(tmp_path: Path) -> None:
    made = late(on_divergence="stop", num_epochs=50)
    made.callbacks.append(TrainingCheckpoints(tmp_path, seconds=1e6))
    stop = StopAt(12)
    made.callbacks.append(stop)
    made.train()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000000012"]
    made.callbacks.remove(stop)
    with pytest.raises(DivergenceError):
        made.train()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000000012"]
    again = late(num_epochs=8)
    assert resume_training(tmp_path, again).step == 12
    again.train()
    assert again.history.rollbacks[0].to_step == 12


def test_data_that_are_not_finite_are_not_tried_again() -> None:
    made = regression(rate=0.05, num_train_samples=1)
    made.X_train = np.where(np.arange(48)[:, None] == 40, np.float32(np.nan), made.X_train)
    with pytest.raises(DivergenceError, match="X of the input") as caught:
        made.train()
    assert made.history.rollbacks == []
    assert "lowered" not in str(caught.value)


def test_a_checkpoint_never_holds_what_is_not_finite(tmp_path: Path) -> None:
    made = regression(rate=0.05, rule="sgd_momentum", num_epochs=1)
    made.train()
    save_training(tmp_path / "good", made)
    made.engine.slots["velocity"][2] = math.nan  # type: ignore[attr-defined]
    with pytest.raises(DivergenceError, match=r"slot 'velocity' of W1 of layer 0 \(Affine\) holds nan"):
        save_training(tmp_path / "bad", made)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"rollbacks": [{"step": 3}]},
        {"rollbacks": [dict.fromkeys(("step", "to_step", "learning_rate_factor", "layer", "tensor", "value"), 1)]},
        {"rollbacks": 3},
        {"good": {"step_number": 0}},
        {"good": dict.fromkeys(("step_number", "epoch", "losses", "accuracies", "epochs", "best_val_acc"), 10**6)},
        {"good": 5},
    ],
)
def test_damaged_records_of_returns_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    import chainrule.solver.checkpoint as module

    made = regression(num_epochs=3)
    made.train()
    save_training(tmp_path / "c", made)
    arrays, state = module.load_checkpoint(tmp_path / "c")
    state["history" if "rollbacks" in change else "good"] = (
        {**state["history"], **change} if "rollbacks" in change else change["good"]
    )
    module.save_checkpoint(tmp_path / "c", arrays, state)
    with pytest.raises(CheckpointError, match=STATE):
        load_training(tmp_path / "c", regression(num_epochs=3))


def test_a_history_is_plain_data() -> None:
    made = regression(num_epochs=3)
    plain = json.loads(json.dumps(made.train().to_dict()))
    assert plain["rollbacks"][0]["to_step"] == 0
    assert set(plain["rollbacks"][0]) == {"step", "layer", "tensor", "value", "to_step", "learning_rate_factor"}
