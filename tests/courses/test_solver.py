"""The solver: every random draw in its order, what is measured when, what is printed, written and restored."""

from __future__ import annotations

import types

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598
from chainrule.errors import ChainruleError

Solver = cs231n.edition(2020).solver.Solver
SOLVERS = [e.solver.Solver for e in (cs231n.edition(2016), eecs598.edition(2019), comp540.edition(2018))]
SOLVERS.append(cs189.edition(2018).solver.Solver)


class Linear:
    """Squared distance of scores from one-hot labels; remembers the rows it was asked about."""

    def __init__(self, features=3, classes=3):
        self.params = {"W1": np.zeros((features, classes)), "b1": np.zeros(classes)}
        self.asked = []

    def loss(self, X, y=None):
        self.asked.append((len(X), y is None))
        scores = X @ self.params["W1"] + self.params["b1"]
        if y is None:
            return scores
        gap = (scores - np.eye(3)[y]) / len(X)
        return 0.5 * len(X) * np.sum(gap**2), {"W1": X.T @ gap, "b1": gap.sum(axis=0)}


def problem(n=23, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n + 11, 3)), rng.integers(0, 3, n + 11)
    X[np.arange(len(y)), y] += 1
    return {"X_train": X[:n], "y_train": y[:n], "X_val": X[n:], "y_val": y[n:]}


def by_hand(data, config, *, batch_size, num_epochs, lr_decay, num_train_samples, num_val_samples):
    """The same training written out for plain SGD, with its draws in their order."""
    model, n = Linear(), len(data["X_train"])
    lr, losses, accs, best = dict.fromkeys(model.params, config), [], [], (0, None)
    per_epoch = max(n // batch_size, 1)

    def accuracy(X, y, samples):
        if samples is not None and len(X) > samples:
            rows = np.random.choice(len(X), samples)
            X, y = X[rows], y[rows]
        return np.mean(np.argmax(model.loss(X), axis=1) == y)

    for t in range(num_epochs * per_epoch):
        rows = np.random.choice(n, batch_size)
        loss, grads = model.loss(data["X_train"][rows], data["y_train"][rows])
        losses.append(loss)
        for name in model.params:
            model.params[name] = model.params[name] - lr[name] * grads[name]
        if (t + 1) % per_epoch == 0:
            lr = {name: rate * lr_decay for name, rate in lr.items()}
        if t == 0 or (t + 1) % per_epoch == 0:
            train = accuracy(data["X_train"], data["y_train"], num_train_samples)
            val = accuracy(data["X_val"], data["y_val"], num_val_samples)
            accs.append((train, val))
            if val > best[0]:
                best = (val, {k: v.copy() for k, v in model.params.items()})
    return losses, accs, best, lr


@pytest.mark.parametrize(
    ("batch_size", "samples"), [(5, (10, 6)), (7, (None, None)), (40, (22, None)), (1, (100, 100))]
)
def test_training_is_what_it_always_was(batch_size, samples):
    data, options = problem(), {"batch_size": batch_size, "num_epochs": 4, "lr_decay": 0.5}
    options |= {"num_train_samples": samples[0], "num_val_samples": samples[1]}
    np.random.seed(1)
    losses, accs, best, lr = by_hand(data, 0.3, **options)
    following = np.random.rand()
    np.random.seed(1)
    model = Linear()
    solver = Solver(model, data, optim_config={"learning_rate": 0.3}, verbose=False, **options)
    assert solver.train() is None
    assert np.random.rand() == following
    np.testing.assert_allclose(solver.loss_history, losses, rtol=1e-12)
    assert list(zip(solver.train_acc_history, solver.val_acc_history, strict=True)) == accs
    assert solver.best_val_acc == best[0]
    for name, value in best[1].items():
        np.testing.assert_allclose(model.params[name], value, rtol=1e-12)
        assert solver.optim_configs[name]["learning_rate"] == pytest.approx(lr[name])
    assert model.params is solver.best_params
    assert solver.epoch == 4
    assert solver.optim_config == {"learning_rate": 0.3}


@pytest.mark.parametrize("solver_class", SOLVERS)
def test_defaults_and_attributes(solver_class):
    data, model = problem(), Linear()
    solver = solver_class(model, data)
    defaults = {"lr_decay": 1.0, "batch_size": 100, "num_epochs": 10, "print_every": 10, "verbose": True}
    defaults |= {"num_train_samples": 1000, "num_val_samples": None, "checkpoint_name": None, "optim_config": {}}
    for name, value in defaults.items():
        assert getattr(solver, name) == value
    assert isinstance(solver.update_rule, types.FunctionType)
    assert solver.update_rule.__name__ == "sgd"
    assert solver.model is model
    assert all(getattr(solver, name) is data[name] for name in data)
    assert (solver.epoch, solver.best_val_acc, solver.best_params) == (0, 0, {})
    assert solver.loss_history == solver.train_acc_history == solver.val_acc_history == []
    assert solver.optim_configs == {"W1": {}, "b1": {}}


def test_optim_configs_are_deep_copies():
    config = {"learning_rate": 0.1, "nested": [1]}
    solver = Solver(Linear(), problem(), optim_config=config)
    assert solver.optim_configs["W1"] is not solver.optim_configs["b1"]
    solver.optim_configs["W1"]["nested"].append(2)
    assert solver.optim_configs["b1"]["nested"] == config["nested"] == [1]


def test_a_default_dictionary_is_not_shared():
    Solver(Linear(), problem()).optim_config["learning_rate"] = 5
    assert Solver(Linear(), problem()).optim_config == {}


def test_slots_survive_from_step_to_step():
    solver = Solver(Linear(), problem(), update_rule="adam", batch_size=5, num_epochs=3, verbose=False)
    solver.train()
    assert solver.optim_configs["W1"]["t"] == 12
    assert solver.optim_configs["b1"]["m"].shape == (3,)


@pytest.mark.parametrize("solver_class", SOLVERS)
def test_unknown_arguments_and_rules(solver_class):
    with pytest.raises(ValueError, match=r'^Unrecognized arguments "batchsize", "epochs"$'):
        solver_class(Linear(), problem(), batchsize=3, epochs=4)
    for rule in ("nadam", "_update", "np", 3):
        with pytest.raises(ValueError, match=f'^Invalid update_rule "{rule}"'):
            solver_class(Linear(), problem(), update_rule=rule)


def test_other_errors_are_typed():
    with pytest.raises(ChainruleError, match="X_val"):
        Solver(Linear(), {"X_train": 1, "y_train": 2})
    for options in ({"batch_size": 0}, {"print_every": 0}):
        with pytest.raises(ChainruleError):
            Solver(Linear(), problem(), **options)


@pytest.mark.parametrize("solver_class", SOLVERS)
def test_prints(solver_class, capsys):
    np.random.seed(0)
    solver = solver_class(Linear(), problem(10), batch_size=5, num_epochs=2, print_every=3)
    solver.train()
    losses, train, val = solver.loss_history, solver.train_acc_history, solver.val_acc_history
    assert capsys.readouterr().out.splitlines() == [
        f"(Iteration 1 / 4) loss: {losses[0]:.6f}",
        f"(Epoch 0 / 2) train acc: {train[0]:.6f}; val_acc: {val[0]:.6f}",
        f"(Epoch 1 / 2) train acc: {train[1]:.6f}; val_acc: {val[1]:.6f}",
        f"(Iteration 4 / 4) loss: {losses[3]:.6f}",
        f"(Epoch 2 / 2) train acc: {train[2]:.6f}; val_acc: {val[2]:.6f}",
    ]


def test_silence(capsys):
    Solver(Linear(), problem(), num_epochs=2, batch_size=4, verbose=False).train()
    assert capsys.readouterr().out == ""


def test_accuracies_are_taken_once_where_the_first_step_ends_an_epoch():
    solver = Solver(Linear(), problem(), batch_size=23, num_epochs=3, verbose=False)
    solver.train()
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 3


class Scripted:
    """Predictions that make the validation accuracies of a script; parameters count the steps."""

    def __init__(self, accuracies):
        self.params = {"W1": np.zeros(1)}
        self.accuracies, self.measured = accuracies, 0

    def loss(self, X, y=None):
        if y is not None:
            return 1.0, {"W1": -np.ones(1)}
        if len(X) == 20:  # training rows
            return np.tile([1.0, 0.0], (len(X), 1))
        right = round(self.accuracies[self.measured] * len(X))
        self.measured += 1
        return np.array([[1.0, 0.0]] * right + [[0.0, 1.0]] * (len(X) - right))


@pytest.mark.parametrize("solver_class", SOLVERS)
def test_the_first_of_equally_good_parameters_is_kept(solver_class):
    """The steps are worth 1 each, so the restored parameter tells the step."""
    data = {"X_train": np.zeros((20, 1)), "y_train": np.zeros(20, int)}
    data |= {"X_val": np.zeros((10, 1)), "y_val": np.zeros(10, int)}
    model = Scripted([0.1, 0.5, 0.3, 0.5, 0.2])
    solver = solver_class(model, data, batch_size=20, num_epochs=5, optim_config={"learning_rate": 1.0}, verbose=False)
    solver.train()
    assert solver.val_acc_history == [0.1, 0.5, 0.3, 0.5, 0.2]
    assert model.params["W1"].tolist() == [2]


def test_the_best_parameters_are_copies():
    """A rule that changes w in place, as a student may write one, must not change what was kept."""

    class InPlace(Solver):
        rules = types.SimpleNamespace(step=lambda w, dw, config: (np.subtract(w, dw, out=w), config))

    data = {"X_train": np.zeros((20, 1)), "y_train": np.zeros(20, int)}
    data |= {"X_val": np.zeros((10, 1)), "y_val": np.zeros(10, int)}
    model = Scripted([0.1, 0.5, 0.3])
    options = {"optim_config": {"learning_rate": 1.0}, "batch_size": 20, "num_epochs": 3, "verbose": False}
    InPlace(model, data, update_rule="step", **options).train()
    assert model.params["W1"].tolist() == [2]


def test_a_model_that_is_never_right_keeps_its_parameters():
    model = Scripted([0.0] * 9)
    data = {"X_train": np.zeros((20, 1)), "y_train": np.ones(20, int)}
    data |= {"X_val": np.zeros((10, 1)), "y_val": np.zeros(10, int)}
    Solver(model, data, batch_size=20, num_epochs=2, verbose=False).train()
    assert list(model.params) == ["W1"]


def test_check_accuracy_in_batches():
    model, data = Linear(), problem()
    solver = Solver(model, data)
    model.asked.clear()
    X, y = np.zeros((250, 3)), np.zeros(250, int)
    assert solver.check_accuracy(X, y) == 1.0
    assert [n for n, _ in model.asked] == [100, 100, 50]
    model.asked.clear()
    solver.check_accuracy(X, y, num_samples=30, batch_size=20)
    assert [n for n, _ in model.asked] == [20, 10]
    model.asked.clear()
    solver.check_accuracy(X, y, num_samples=250)
    assert sum(n for n, _ in model.asked) == 250


def test_check_accuracy_of_one_score_a_row():
    class Binary:
        params = {"W1": np.zeros(1)}

        def loss(self, X, y=None):
            return X[:, 0]

    solver = eecs598.edition(2019).solver.Solver(Binary(), problem())
    X = np.array([[-1.0], [0.0], [2.0], [3.0]])
    assert solver.check_accuracy(X, np.array([0, 0, 1, 0])) == 0.75


def test_checkpoints(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = cs231n.edition(2020).fc_net.TwoLayerNet(input_dim=3, hidden_dim=2, num_classes=3)
    solver = Solver(model, problem(), batch_size=10, num_epochs=2, print_every=100, checkpoint_name="net")
    solver.train()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net_epoch_0.pkl", "net_epoch_1.pkl", "net_epoch_2.pkl"]
    assert 'Saving checkpoint to "net_epoch_2.pkl"' in capsys.readouterr().out
    import pickle

    written = pickle.loads((tmp_path / "net_epoch_2.pkl").read_bytes())  # our own file, of this test
    assert sorted(written) == sorted(
        [
            *("model", "update_rule", "lr_decay", "optim_config", "batch_size", "num_train_samples"),
            *("num_val_samples", "epoch", "loss_history", "train_acc_history", "val_acc_history"),
        ]
    )
    assert written["epoch"] == 2
    assert written["loss_history"] == solver.loss_history
    assert list(written["model"].params) == ["W1", "b1", "W2", "b2"]


def test_step_and_reset():
    solver = Solver(Linear(), problem(), update_rule="sgd_momentum", batch_size=4)
    solver._step()
    assert len(solver.loss_history) == 1
    assert "velocity" in solver.optim_configs["W1"]
    solver._reset()
    assert solver.loss_history == []
    assert solver.optim_configs == {"W1": {}, "b1": {}}
