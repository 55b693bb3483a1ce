"""`chainrule train` and `evaluate`, called in process."""

from __future__ import annotations

import json
import math
import re
import signal

import numpy as np
import pytest
from PIL import Image

import chainrule.cli.train as train_command
from chainrule.cli import main
from chainrule.errors import ConfigError
from chainrule.recipes import apply_overrides, build, load_recipe
from chainrule.recipes import run as run_module
from chainrule.solver import load_network

SMALL = ["--set", "model.layers.1.units=64", "--epochs", "3"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def last_json(text):
    return json.loads(text.splitlines()[-1])


def test_a_run_folder_holds_everything(tmp_path, capsys):
    assert main(["train", *SMALL]) == 0
    out, err = capsys.readouterr()
    run = tmp_path / "runs" / "digits-mlp-1"
    assert {p.name for p in run.iterdir()} == {
        *("recipe.toml", "history.json", "results.json", "provenance.json"),
        *("checkpoint", "curves.png", "confusion.png"),
    }
    recipe = load_recipe(run / "recipe.toml")
    assert recipe == apply_overrides(load_recipe("digits-mlp"), ["model.layers.1.units=64", "train.epochs=3"])
    history = json.loads((run / "history.json").read_text("utf-8"))
    assert [e["epoch"] for e in history["epochs"]] == [1, 2, 3]
    assert len(history["loss_history"]) == 3 * 20
    results = json.loads((run / "results.json").read_text("utf-8"))
    assert results["status"] == "finished"
    assert results["test_accuracy"] > 0.8
    for figure in ("curves.png", "confusion.png"):
        with Image.open(run / figure) as image:
            image.verify()
    network, extra = load_network(run / "checkpoint")
    assert network.params["W1"].shape == (64, 64)
    assert (extra["class_names"], extra["input_scale"], extra["scale"]) == (list("0123456789"), 16.0, 16.0)
    assert f"{results['test_accuracy']:.4f}" in out
    assert "(reported 0.97)" in out
    assert re.search(r"^ 7 +\d\.\d{3} +\d\.\d{3} +\d\.\d{3} +36 *$", out, re.MULTILINE)
    assert "epoch 3/3" in err
    assert "\x1b" not in out + err


def test_json_is_the_last_line_and_evaluate_agrees(capsys):
    assert main(["train", *SMALL, "--json", "--seed", "5"]) == 0
    out, err = capsys.readouterr()
    result = last_json(out)
    assert len(out.splitlines()) == 1
    assert "precision" in err
    assert (result["recipe"], result["seed"]) == ("digits-mlp", 5)
    for part in ("train", "val", "test"):
        assert 0 < result[f"{part}_accuracy"] <= 1
        assert result[f"{part}_loss"] > 0
    assert result["seconds"] > 0
    assert result["images_per_second"] > 0
    assert main(["evaluate", result["run"], "--json"]) == 0
    again = last_json(capsys.readouterr().out)
    assert (again["test_accuracy"], again["test_loss"]) == (result["test_accuracy"], result["test_loss"])
    assert again["classes"] == result["classes"]
    assert again["count"] == 359
    assert main(["evaluate", "digits-mlp-1"]) == 0
    out = capsys.readouterr().out
    assert f"test accuracy {result['test_accuracy']:.4f}" in out
    assert "on 359 rows" in out


def test_the_best_weights_are_kept_not_the_last(tmp_path, capsys):
    jumpy = ["--set", "train.schedule={schedule='epoch_decay', decay=1.0}", "train.optim_config.learning_rate=0.3"]
    assert main(["train", "--quiet", "--epochs", "8", "--json", *jumpy]) == 0
    result = last_json(capsys.readouterr().out)
    scores = json.loads((tmp_path / result["run"] / "history.json").read_text("utf-8"))["val_acc_history"]
    assert result["val_accuracy"] == max(scores) > scores[-1]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(capsys):
    results = []
    for seed in ("3", "3", "4"):
        assert main(["train", *SMALL, "--json", "--quiet", "--seed", seed]) == 0
        results.append(last_json(capsys.readouterr().out))
    assert [r["run"] for r in results] == [f"runs/digits-mlp-{n}" for n in (1, 2, 3)]
    assert results[0]["train_loss"] == results[1]["train_loss"] != results[2]["train_loss"]


def test_quiet_prints_nothing(capsys):
    assert main(["train", *SMALL, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_set_may_be_repeated_or_hold_several_and_stand_before_the_recipe(tmp_path, capsys):
    for n, words in enumerate(
        (
            ["--set", "train.epochs=1", "--set", "seed=9"],
            ["--set", "train.epochs=1", "seed=9"],
            ["--set", "train.epochs=1", "--set=seed=9", "digits-mlp"],
            ["digits-mlp", "--set", "train.epochs=1", "seed=9"],
        ),
        start=1,
    ):
        assert main(["train", "--quiet", *words]) == 0
        recipe = load_recipe(tmp_path / f"runs/digits-mlp-{n}/recipe.toml")
        assert (recipe.train.epochs, recipe.seed) == (1, 9)


def test_out_names_the_folder_and_nothing_is_written_over(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for out in ("mine/first", "empty"):
        assert main(["train", *SMALL, "--quiet", "--out", out]) == 0
        before = {p: p.read_bytes() for p in (tmp_path / out).rglob("*") if p.is_file()}
        assert main(["train", *SMALL, "--quiet", "--out", out]) == 2
        assert "is not empty" in capsys.readouterr().err
        assert {p: p.read_bytes() for p in (tmp_path / out).rglob("*") if p.is_file()} == before
    assert main(["train", *SMALL, "--quiet", "--out", "mine/first/recipe.toml"]) == 2
    assert not (tmp_path / "runs").exists()


def test_no_epochs_evaluates_the_initial_network(capsys):
    assert main(["train", "--epochs", "0", "--json"]) == 0
    result = last_json(capsys.readouterr().out)
    assert result["images_per_second"] is None
    assert result["test_accuracy"] < 0.5


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_best_weights(number, status, tmp_path, monkeypatch, capsys):
    class CtrlC(train_command.Interruption):
        every_step = True

        def on_step_end(self, solver):
            if solver.engine.step_number == 25:
                signal.raise_signal(number)
            super().on_step_end(solver)

    monkeypatch.setattr(train_command, "Interruption", CtrlC)
    before = signal.getsignal(number)
    assert main(["train", "--epochs", "400", "--json"]) == status
    assert signal.getsignal(number) is before
    out, err = capsys.readouterr()
    assert "interrupted; the best weights so far are in runs/digits-mlp-1" in err
    assert "to go on: chainrule train --resume runs/digits-mlp-1" in err
    result = last_json(out)
    assert (result["status"], result["steps"]) == ("interrupted", 25)
    assert main(["evaluate", "runs/digits-mlp-1", "--json"]) == 0
    assert last_json(capsys.readouterr().out)["test_accuracy"] == result["test_accuracy"] > 0.5


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_step_and_after_the_last_is_told(number, status, tmp_path, monkeypatch, capsys):
    def before(function):
        def wrapper(*args, **kwargs):
            signal.raise_signal(number)
            return function(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patch:
        patch.setattr(train_command, "new_run_folder", before(train_command.new_run_folder))
        assert main(["train", *SMALL, "--quiet"]) == status  # after one step
    assert "to go on: chainrule train --resume runs/digits-mlp-1" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(train_command, "finish", before(train_command.finish))
        assert main(["train", *SMALL, "--quiet"]) == status
    assert "error: interrupted; to go on: chainrule train --resume runs/digits-mlp-2" in capsys.readouterr().err
    weights = []
    for run in ("runs/digits-mlp-1", "runs/digits-mlp-2"):
        assert main(["train", "--resume", run, "--quiet"]) == 0
        weights.append((tmp_path / run / "checkpoint" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_what_a_library_makes_of_a_signal_is_told_as_the_signal(monkeypatch, capsys):
    def importing(*args, **kwargs):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(train_command, "finish", importing)
    assert main(["train", *SMALL, "--quiet"]) == 143
    said = "error: interrupted; to go on: chainrule train --resume runs/digits-mlp-1\n"
    assert capsys.readouterr().err == said


def test_a_signal_after_the_last_step_stops_nothing(tmp_path, monkeypatch, capsys):
    class Late(train_command.Interruption):
        def on_train_end(self, solver):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(train_command, "Interruption", Late)
    assert main(["train", *SMALL, "--json"]) == 143
    out, err = capsys.readouterr()
    assert "interrupted; the run in runs/digits-mlp-1 is finished, but for its figures" in err
    assert "to go on" not in err
    assert last_json(out)["status"] == "finished"
    assert not (tmp_path / "runs/digits-mlp-1/confusion.png").exists()  # they take seconds
    assert main(["verify", "runs/digits-mlp-1"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "runs/digits-mlp-1"]) == 2
    assert "is finished" in capsys.readouterr().err


def test_a_killed_run_can_be_evaluated(tmp_path, monkeypatch, capsys):
    class Killed(train_command.Interruption):
        def on_step_end(self, solver):
            if solver.epoch == 3:
                raise SystemExit(9)

    monkeypatch.setattr(train_command, "Interruption", Killed)
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_WRITES", 0.0)
    written = []
    monkeypatch.setattr(run_module, "_write_json", lambda path, value: written.append((path.name, value)))
    with pytest.raises(SystemExit):
        main(["train", *SMALL[:2], "--epochs", "9", "--quiet"])
    histories = [len(value["epochs"]) for name, value in written if name == "history.json"]
    assert histories[:3] == [1, 2, 3]
    assert main(["evaluate", "digits-mlp-1", "--json"]) == 0
    assert last_json(capsys.readouterr().out)["test_accuracy"] > 0.8


def test_the_best_weights_are_written_not_the_current(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_WRITES", math.inf)  # however slow the machine is
    experiment = build(load_recipe("digits-mlp"))
    solver = experiment.solver()
    best = {name: w + 1 for name, w in solver.best_params.items()}
    solver.best_params, solver.best_val_acc = best, 0.9
    snapshots = run_module.Snapshots(experiment, tmp_path)
    snapshots.on_epoch_end(solver)
    network, _ = load_network(tmp_path / "checkpoint")
    np.testing.assert_array_equal(network.params["W1"], best["W1"])
    (tmp_path / "history.json").unlink()
    snapshots.on_epoch_end(solver)  # too soon
    assert not (tmp_path / "history.json").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.loss=SquaredError", "recipe digits-mlp: SquaredError: y must have the shape of scores"),
        ("model.loss=Logistic", "Logistic: scores have axes (N,)"),
        ("model.layers=['Flatten', {layer = 'Affine', units = 9}]", "y must hold labels from 0 to 8, got 9"),
    ],
)
def test_a_loss_that_does_not_fit_leaves_no_folder(override, said, tmp_path, capsys):
    assert main(["train", "--quiet", "--set", override]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_an_error_while_training_is_in_the_results(tmp_path, monkeypatch, capsys):
    class Failing(train_command.Interruption):
        def on_step_end(self, solver):
            raise ConfigError("no more")

    monkeypatch.setattr(train_command, "Interruption", Failing)
    assert main(["train", "--quiet"]) == 2
    results = json.loads((tmp_path / "runs/digits-mlp-1/results.json").read_text("utf-8"))
    assert (results["status"], results["error"]) == ("failed", "no more")


def test_a_second_ctrl_c_ends_at_once(monkeypatch, capsys):
    class Twice(train_command.Interruption):
        def on_step_end(self, solver):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(train_command, "Interruption", Twice)
    assert main(["train", *SMALL]) == 130
    said = "error: interrupted; to go on: chainrule train --resume runs/digits-mlp-1"
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_divergence_is_one_line_and_leaves_the_history(tmp_path, capsys):
    assert main(["train", "--quiet", "--set", "train.optim_config.learning_rate=1e38"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: training diverged at step 2: ")
    assert err.count("\n") == 1
    run = tmp_path / "runs/digits-mlp-1"
    assert json.loads((run / "results.json").read_text("utf-8"))["status"] == "diverged"
    assert len(json.loads((run / "history.json").read_text("utf-8"))["loss_history"]) == 1
    assert main(["evaluate", str(run)]) == 2
    assert "holds no checkpoint: its training diverged" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused(tmp_path, capsys):
    assert main(["train", *SMALL, "--quiet"]) == 0
    weights = tmp_path / "runs/digits-mlp-1/checkpoint/weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert main(["evaluate", "digits-mlp-1"]) == 2
    assert "SHA-256" in capsys.readouterr().err


def test_a_run_without_test_rows_is_judged_on_the_validation_rows(capsys):
    assert main(["train", *SMALL, "--json", "--quiet", "--set", "data.test=0"]) == 0
    result = last_json(capsys.readouterr().out)
    assert "test_accuracy" not in result
    assert sum(row["support"] for row in result["classes"]) == 179
    assert main(["evaluate", result["run"], "--json"]) == 0
    assert last_json(capsys.readouterr().out)["val_accuracy"] == result["val_accuracy"]


def test_standardised_inputs_survive_the_checkpoint(capsys):
    assert main(["train", *SMALL, "--json", "--quiet", "--set", "data.normalize=standard", "dtype=float64"]) == 0
    result = last_json(capsys.readouterr().out)
    assert main(["evaluate", result["run"], "--json"]) == 0
    again = last_json(capsys.readouterr().out)
    np.testing.assert_allclose(again["test_loss"], result["test_loss"], rtol=1e-12)
