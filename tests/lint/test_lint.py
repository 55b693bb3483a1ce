"""`lint` of every kind of subject, and the command."""

import json
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import ChainruleError, CheckpointError, ConfigError, DataError, DTypeError, ShapeError
from chainrule.lint import RULES, lint
from chainrule.lint.examples import clusters, hidden, parts
from chainrule.recipes import apply_overrides, build, list_recipes, load_recipe
from chainrule.recipes.run import finish, load_run, train
from chainrule.solver import Callback, Solver, save_network

KEYS = [rule.key for rule in RULES]


def recipe(*overrides):
    return apply_overrides(load_recipe("digits-mlp"), overrides)


def run(folder, *overrides, callbacks=()):
    folder.mkdir()
    experiment = build(recipe("train.epochs=3", "model.layers.1.units=32", *overrides))
    solver = experiment.solver(list(callbacks))
    train(experiment, solver, folder)
    finish(experiment, folder, solver, seconds=1.0, status="finished")
    return folder


@pytest.fixture(scope="module")
def sound_run(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "digits")


def test_a_sound_recipe():
    report = lint("digits-mlp")
    assert report.ok
    assert report.findings == []
    assert set(report.checked) | set(report.skipped) == set(KEYS)
    assert not set(report.checked) & set(report.skipped)
    assert "overfitting" in report.skipped  # nothing was trained


def test_shipped_recipes_declare_nothing_wrong_but_what_they_say():
    flawed = {}
    for name in list_recipes():
        found = lint(name, static=True)
        flawed |= {name: [f.rule for f in found.alarms]} if found.alarms else {}
    for name, rules in flawed.items():
        said = load_recipe(name)
        expected = ["softmax-before-loss"] if said.model.double_softmax else []
        assert set(rules) <= {*expected, "flipped-characters"}, name


def test_static_reads_only():
    report = lint("digits-mlp", static=True)
    assert "unrelated-labels" in report.skipped
    assert "softmax-before-loss" in report.checked
    nowhere = recipe("data.folder=/nowhere")
    assert lint(nowhere, static=True).ok
    with pytest.raises(DataError):
        lint(nowhere)


def test_no_warning_beside_the_finding():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = lint(recipe('data.augment=["HorizontalFlip"]'))
    assert report.rules == ["flipped-characters"]


def test_what_a_recipe_ignores(tmp_path):
    chosen = recipe('data.augment=["HorizontalFlip"]', 'lint.ignore=["flipped-characters"]', "lint.reason=a lesson")
    report = lint(chosen)
    assert report.ok
    assert report.ignored == {"flipped-characters": "a lesson"}
    with pytest.raises(ConfigError, match=r"lint\.reason must say why lint\.ignore holds flipped-characters"):
        recipe('lint.ignore=["flipped-characters"]')
    with pytest.raises(ConfigError, match="did you mean 'flipped-characters'"):
        lint(recipe('lint.ignore=["fliped-characters"]', "lint.reason=a lesson"))


def test_experiment_before_and_after_training():
    experiment = build(recipe("train.epochs=2"))
    assert "dead-units" in lint(experiment).checked
    assert "huge-scores" in lint(experiment).skipped
    experiment.solver().train()
    report = lint(experiment)
    assert report.ok
    assert "huge-scores" in report.checked


def test_nothing_is_changed():
    experiment = build(recipe("train.epochs=2"))
    before = experiment.network.params.flat.copy()
    first, second = lint(experiment), lint(experiment)
    assert first == second
    np.testing.assert_array_equal(experiment.network.params.flat, before)


def test_a_sound_run(sound_run):
    report = lint(sound_run)
    assert report.ok, report
    assert report.skipped == {}
    assert lint(load_run(sound_run)) == report
    assert set(lint(sound_run, static=True).checked) >= {"overfitting", "best-weights-lost", "high-dropout"}


def test_a_run_that_diverged(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(cr.DivergenceError), np.errstate(all="ignore"):
        run(folder, "train.update_rule=sgd", "train.weight_decay=0", "train.optim_config.learning_rate=1e20")
    report = lint(folder)
    assert "diverged" in report.rules
    assert "trained network" in report.skipped["huge-scores"]


def test_a_run_that_was_killed(sound_run, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    for name in ("recipe.toml", "history.json"):
        (folder / name).write_text((sound_run / name).read_text())
    assert [f.why for f in lint(folder).findings if f.rule == "unfinished"] == ["the run is unfinished"]


def test_a_run_without_its_best_weights(tmp_path):
    class Worse(Callback):
        def on_train_end(self, solver):
            solver.model.params.flat[...] *= -1

    report = lint(run(tmp_path / "run", callbacks=[Worse()]))
    assert report.rules == ["best-weights-lost"]


@pytest.mark.parametrize("text", ["{", "[]", '{"loss_history": 3}', '{"loss_history": [], "epochs": [1]}'])
def test_damaged_run(sound_run, tmp_path, text):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text((sound_run / "recipe.toml").read_text())
    (folder / "history.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"history\.json"):
        lint(folder, static=True)


def test_network_with_and_without_data():
    network = cr.Network([*hidden(), cr.Softmax()], input_shape=8)
    assert lint(network).rules == ["softmax-before-loss"]
    assert "dead-units" in lint(network).skipped
    report = lint(network, data=parts())
    assert report.rules == ["softmax-before-loss"]
    assert {"dead-units", "unrelated-labels", "leaked-rows"} <= set(report.checked)


def test_network_of_its_own_random_weights_is_untrained():
    network = cr.Network(hidden(), input_shape=8, rng=np.random.RandomState(3))
    assert "initial-loss" in lint(network, data=parts()).checked
    network.params["b1"] = np.ones(16)
    assert "initial-loss" in lint(network, data=parts()).skipped
    bare = cr.Network([cr.Affine(3, bias=False)], input_shape=8)
    assert "initial-loss" in lint(bare, data=parts()).checked
    bare.params.flat[...] *= 2
    assert "initial-loss" in lint(bare, data=parts()).skipped


def test_a_saved_network(tmp_path):
    save_network(tmp_path / "net", cr.Network([*hidden(), cr.Dropout(0.5)], input_shape=8))
    assert lint(tmp_path / "net").rules == ["dropout-on-scores"]


def test_solver_with_a_model_of_ones_own():
    class Model:
        """A linear classifier that normalises with the batch, also at test time."""

        def __init__(self):
            self.params = {"W": np.random.default_rng(0).normal(0, 0.01, (8, 3))}

        def loss(self, X, y=None):
            x = (X - X.mean(axis=0)) / X.std(axis=0)
            scores = x @ self.params["W"]
            if y is None:
                return scores
            loss, dscores = cr.SoftmaxCrossEntropy()(scores, y)
            return loss, {"W": x.T @ dscores}

    solver = Solver(Model(), parts(), verbose=False, num_epochs=10, optim_config={"learning_rate": 0.1})
    assert lint(solver).rules == ["batch-dependent-at-test"]
    solver.train()
    report = lint(solver)
    assert report.rules[0] == "batch-dependent-at-test"
    assert "best-weights-lost" in report.checked


def test_solver_before_and_after():
    network = cr.Network(hidden(), input_shape=8)
    solver = Solver(network, parts(), verbose=False, num_epochs=20, optim_config={"learning_rate": 0.1}, batch_size=20)
    assert lint(solver).ok
    solver.train()
    report = lint(solver)
    assert report.ok, report
    assert report.skipped == {}


def test_solver_of_augmented_bytes():
    experiment = build(recipe('data.augment=[{transform="RandomCrop", padding=1}]'))
    report = lint(experiment.solver())
    assert report.ok, report
    assert {"leaked-rows", "unscaled-inputs", "first-steps"} <= set(report.checked)


def test_few_rows_and_no_parameters():
    data = {"X_train": np.ones((1, 3)), "y_train": np.array([1])}
    report = lint(cr.Network([cr.ReLU()], input_shape=3), data=data)
    assert "missing-classes" in report.rules


def test_soft_labels():
    data = parts()
    soft = {f"y_{part}": np.eye(3)[data[f"y_{part}"]] for part in ("train", "val", "test")}
    assert lint(net(), data=data | soft).ok


def test_regression():
    X, _ = clusters(400)
    y = X @ np.arange(8.0) + 0.1 * np.random.default_rng(0).normal(size=400)
    data = {"X_train": X[:300], "y_train": y[:300], "X_val": X[300:], "y_val": y[300:]}
    network = cr.Network([*hidden(classes=1), cr.Squeeze()], cr.SquaredError(), input_shape=8)
    assert lint(network, data=data).ok
    shuffled = data | {"y_train": np.random.default_rng(1).permutation(y[:300])}
    assert lint(network, data=shuffled).rules == ["unrelated-labels"]


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: lint(3), DTypeError, "the subject must be a recipe"),
        (lambda: lint("no-such"), ConfigError, "unknown recipe"),
        (lambda: lint("digits-mlp", ignore="dead-units"), DTypeError, "ignore must be a list"),
        (lambda: lint("digits-mlp", ignore=["dead"]), ConfigError, "unknown lint rule 'dead'"),
        (lambda: lint("digits-mlp", data=parts()), ConfigError, "data goes with a Network"),
        (lambda: lint(net(), data=3), ConfigError, "data must be a dictionary with X_train and y_train"),
        (lambda: lint(net(), data={"X_train": 1}), ConfigError, "X_train and y_train"),
        (lambda: lint(net(), data=parts(X_train=np.ones((3, 8)))), ShapeError, "same number"),
        (lambda: lint(net(), data=parts(X_train=np.ones((300, 7)))), ShapeError, "X must have shape"),
        (lambda: lint(net(), data=parts(y_val=np.full(100, 3))), DataError, "labels from 0 to 2"),
        (lambda: lint(net(), data=parts(X_val=np.full((100, 8), np.nan))), DataError, "must be finite"),
        (lambda: lint(net(), data={k: v for k, v in parts().items() if k != "y_val"}), ConfigError, "must hold y_val"),
    ],
)
def test_bad_arguments(call, kind, said):
    with pytest.raises(kind) as caught:
        call()
    assert said in str(caught.value)
    assert isinstance(caught.value, ChainruleError)


def net():
    return cr.Network(hidden(), input_shape=8)


class TestCommand:
    def test_sound(self, capsys):
        assert main(["lint", "digits-mlp"]) == 0
        assert "recipe digits-mlp: nothing found" in capsys.readouterr().out

    def test_faults_and_how_to_mend_them(self, capsys):
        assert main(["lint", "digits-mlp", "--static", "--set", 'data.augment=["HorizontalFlip"]']) == 1
        out = capsys.readouterr().out
        assert "warning  data.augment: HorizontalFlip mirrors characters" in out
        assert "mend: take the flip out of augment" in out

    def test_ignored(self, capsys):
        words = ["lint", "digits-mlp", "--static", "--set", 'data.augment=["HorizontalFlip"]']
        assert main([*words, "--ignore", "flipped-characters"]) == 0
        assert "ignored: flipped-characters (asked for)" in capsys.readouterr().out

    def test_json(self, capsys, sound_run):
        assert main(["lint", str(sound_run), "--json"]) == 0
        plain = json.loads(capsys.readouterr().out)
        assert plain["ok"]
        assert set(plain) == {"subject", "ok", "findings", "checked", "ignored", "skipped"}
        assert main(["lint", "digits-mlp", "--json", "--static", "--set", "model.layers.3.rate=0.9"]) == 1
        [finding] = json.loads(capsys.readouterr().out)["findings"]
        assert finding["rule"] == "high-dropout"
        assert set(finding) == {"rule", "severity", "where", "why", "mend"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["nowhere"], "unknown recipe"),
            ([""], "the subject must be a recipe, a run or a checkpoint, got ''"),
            (["digits-mlp", "--ignore", "nothing"], "unknown lint rule"),
            (["RUN", "--set", "seed=1"], "--set changes recipes"),
            (["FOLDER"], "neither a run folder nor a checkpoint"),
        ],
    )
    def test_wrong_input(self, words, said, sound_run, tmp_path, capsys):
        places = {"RUN": str(sound_run), "FOLDER": str(tmp_path)}
        assert main(["lint", *(places.get(word, word) for word in words)]) == 2
        captured = capsys.readouterr()
        assert said in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""
