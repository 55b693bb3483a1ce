"""Ensembles of run folders: which runs a path stands for, whether their rows agree, snapshots; the commands."""

from __future__ import annotations

import json
import math
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.ensembles import Snapshots, ensemble_of, load_runs, shared_test_part, train_members, train_snapshots
from chainrule.errors import ConfigError, DivergenceError
from chainrule.layers import Affine
from chainrule.network import Network
from chainrule.optim import Cosine, CyclicCosine
from chainrule.recipes import apply_overrides, load_recipe
from chainrule.solver import Callback, Solver, load_network

SMALL = ["model.layers.1.units=16", "train.epochs=2", "train.batch_size=200"]
RECIPE = apply_overrides(load_recipe("digits-mlp"), SMALL)
SET = [word for entry in SMALL for word in ("--set", entry)]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    for _ in train_members(RECIPE, 3, folder):
        pass
    return folder


def last_json(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_folder_of_runs_stands_for_all_in_it(members, tmp_path):
    runs = load_runs([members])
    assert [run.folder.name for run in runs] == ["1", "2", "3"]
    assert [run.recipe.seed for run in runs] == [0, 1, 2]
    for name in ("10", "2", "a1"):
        shutil.copytree(members / "1", tmp_path / name)
    assert [run.folder.name for run in load_runs([tmp_path])] == ["2", "10", "a1"]
    assert [run.folder.name for run in load_runs([members / "3", members / "1"])] == ["3", "1"]


def test_the_command_compares(members, capsys):
    assert main(["ensemble", str(members / "1"), str(members / "2"), str(members / "3"), "--json"]) == 0
    out, err = capsys.readouterr()
    results = json.loads(out)
    runs = load_runs([members])
    part, rows = shared_test_part(runs)
    x = rows.X.astype(np.float32) / 16
    p = np.stack([run.network.predict_proba(x).astype(float) for run in runs])
    right = p.argmax(axis=2) == rows.y
    ours = p.mean(axis=0).argmax(axis=1) == rows.y
    d = ours - right.mean(axis=0)
    assert (results["part"], results["count"], results["method"]) == (part, len(rows), "probabilities")
    assert [member["score"] for member in results["members"]] == pytest.approx(right.mean(axis=1).tolist())
    assert results["ensemble"] == pytest.approx(ours.mean())
    assert results["difference"] == pytest.approx(d.mean())
    assert results["standard_error"] == pytest.approx(d.std(ddof=1) / math.sqrt(len(d)))
    assert results["std"] == pytest.approx(right.mean(axis=1).std(ddof=1))
    assert f"difference  {results['difference']:+.4f} ± {results['standard_error']:.4f}" in err
    assert main(["ensemble", str(members), "--votes", "--quiet", "--json"]) == 0
    assert last_json(capsys)["method"] == "votes"


def test_runs_must_share_their_rows(members, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(members / "1", folder / "1")
    other = (folder / "1" / "recipe.toml").read_text("utf-8")
    for entry, changed, said in (
        ("seed = 0\nnormalize", "seed = 4\nnormalize", "data.seed is 0 in"),
        ("test = 0.2", "test = 0.3", "data.test is 0.2 in"),
    ):
        assert entry in other
        (folder / "1" / "recipe.toml").write_text(other.replace(entry, changed))
        with pytest.raises(ConfigError, match=f"runs must share their test rows: {said}"):
            shared_test_part(load_runs([members / "2", folder]))
    run = load_runs([members / "2"])[0]
    run.extra.class_names[0] = "zero"
    with pytest.raises(ConfigError, match="the same classes"):
        ensemble_of([run, *load_runs([members / "3"])])


def test_training_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["ensemble", "--train", "digits-mlp", "--members", "2", "--seed", "5", *SET, "--json", "--quiet"]) == 0
    results = last_json(capsys)
    folder = tmp_path / "runs" / "digits-mlp-ensemble-1"
    assert json.loads((folder / "ensemble.json").read_text("utf-8")) == results
    assert [load_recipe(folder / n / "recipe.toml").seed for n in ("1", "2")] == [5, 6]
    assert main(["train", "--quiet", "--json", *SET, "--seed", "6"]) == 0
    assert last_json(capsys)["test_accuracy"] == pytest.approx(results["members"][1]["score"])
    assert main(["ensemble", "digits-mlp-ensemble-1", "--json", "--quiet"]) == 0
    assert last_json(capsys)["ensemble"] == results["ensemble"]


def test_one_signal_ends_the_training_of_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    finished = []
    from chainrule.report.progress import Progress

    def interrupt(self, solver):
        finished.append(solver)
        if len(finished) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "on_step_end", interrupt)
    assert main(["ensemble", "--train", "digits-mlp", "--members", "4", *SET, "--json"]) == 130
    out, err = capsys.readouterr()
    assert "interrupted: what was trained is in" in err
    assert len(json.loads(out)["members"]) == 1


def test_a_second_sigterm_ends_at_once_with_its_status(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    from chainrule.report.progress import Progress

    def terminate_twice(self, solver):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Progress, "on_step_end", terminate_twice)
    assert main(["ensemble", "--train", "digits-mlp", "--members", "2", *SET]) == 143
    assert capsys.readouterr().err.splitlines()[-1] == "error: interrupted"


# -- snapshots ------------------------------------------------------------------------------------------------------


class Trace(Callback):
    def __init__(self):
        self.weights = []

    def on_step_end(self, solver):
        self.weights.append(solver.engine.weights())


def test_snapshots_are_the_weights_at_the_ends_of_cycles():
    rng = np.random.default_rng(0)
    data = {
        f"{a}_{p}": rng.normal(size=(20, 3)) if a == "X" else rng.integers(0, 2, 20)
        for p in ("train", "val")
        for a in "Xy"
    }
    for cycles, ends in ((1, [20]), (4, [5, 10, 15, 20]), (3, [7, 14, 20])):
        trace, snapshots = Trace(), Snapshots()
        network = Network([Affine(2)], input_shape=3)
        options = {"num_epochs": 5, "batch_size": 5, "verbose": False, "callbacks": [trace, snapshots]}
        Solver(network, data, schedule=CyclicCosine(cycles), **options).train()
        assert len(snapshots.weights) == cycles
        for step, weights in zip(ends, snapshots.weights, strict=True):
            assert all((weights[name] == array).all() for name, array in trace.weights[step - 1].items())
    trace, snapshots = Trace(), Snapshots()
    options["callbacks"] = [trace, snapshots]
    solver = Solver(network, data, schedule=CyclicCosine(3), on_divergence="back-off", **options)
    step, failed = solver.engine.step, []

    def fails_once(*batch):  # behind the end of a cycle, so that training goes back behind it
        if solver.engine.step_number == 7 and not failed:
            failed.append(True)
            raise DivergenceError(8, "0 Affine", "the gradient of W1", math.nan)
        return step(*batch)

    solver.engine.step = fails_once
    solver.train()
    assert solver.history.rollbacks[0].to_step < 7
    assert len(snapshots.weights) == 3
    assert all((snapshots.weights[0][name] == array).all() for name, array in trace.weights[-14].items())
    with pytest.raises(ConfigError, match="must be cyclic_cosine, got Cosine"):
        Solver(network, data, schedule=Cosine(), callbacks=[Snapshots()]).train()
    with pytest.raises(ConfigError, match="as many steps as make 8 cycles, got 10"):
        Solver(network, data, schedule=CyclicCosine(8), num_epochs=5, batch_size=10, callbacks=[Snapshots()]).train()


def test_a_run_with_snapshots_stands_for_these(tmp_path, capsys):
    recipe = apply_overrides(RECIPE, ["train.epochs=4", "train.early_stopping.patience=1"])
    results = train_snapshots(recipe, 2, tmp_path / "run")
    assert results["epochs"] == 4  # early stopping gives way
    assert load_recipe(tmp_path / "run" / "recipe.toml").schedule == CyclicCosine(2)
    runs = load_runs([tmp_path / "run"])
    assert [run.folder for run in runs] == [tmp_path / "run" / "snapshots" / n for n in "12"]
    first, second = (run.network.params["W1"] for run in runs)
    assert (first != second).any()
    assert (load_network(tmp_path / "run" / "snapshots" / "2")[0].params["W1"] == second).all()
    words = ["ensemble", "--train", "digits-mlp", "--snapshots", "2", *SET, "--out", str(tmp_path / "other")]
    assert main([*words, "--json", "--quiet"]) == 0
    assert [m["run"] for m in last_json(capsys)["members"]] == [f"{tmp_path}/other/1/snapshots/{n}" for n in "12"]


# -- bagging and views ----------------------------------------------------------------------------------------------


def test_the_study(tmp_path, capsys):
    words = ["bagging", "--train", "digits-mlp", "--members", "3", *SET, "--out", str(tmp_path / "study"), "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    results = json.loads(out)
    assert [row["members"] for row in results["table"]] == [1, 2, 3]
    for row in results["table"]:
        assert row["ensemble_error"] <= row["average_error"]
    assert 0 < results["out_of_bag"]["rows"] < results["out_of_bag"]["training_rows"]
    assert "out of bag" in err
    with Image.open(tmp_path / "study" / "bagging.png") as image:
        image.verify()
    assert main(["bagging", str(tmp_path / "study"), "--out", str(tmp_path / "again"), "--json", "--quiet"]) == 0
    assert last_json(capsys) == results == json.loads((tmp_path / "again" / "bagging.json").read_text("utf-8"))


def test_evaluate_with_views(members, capsys):
    assert main(["evaluate", str(members / "1"), "--tta", "crop:1", "--json"]) == 0
    results = last_json(capsys)
    assert results["tta"]["views"] == "crop:1"
    assert results["tta"]["count_of_views"] == 5
    (run,) = load_runs([members / "1"])
    rows = shared_test_part([run])[1]
    padded = np.pad(rows.X, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.float32) / 16
    corners = ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2))
    p = np.mean([run.network.predict_proba(padded[:, :, i : i + 8, j : j + 8]) for i, j in corners], axis=0)
    right = p.argmax(axis=1) == rows.y
    assert results["tta"]["score"] == pytest.approx(right.mean())
    d = right - (run.network.predict(rows.X.astype(np.float32) / 16) == rows.y).astype(float)
    assert results["tta"]["difference"] == pytest.approx(results["tta"]["score"] - results["test_accuracy"])
    assert results["tta"]["standard_error"] == pytest.approx(d.std(ddof=1) / math.sqrt(len(d)))
    assert main(["evaluate", str(members / "1"), "--tta", "flip"]) == 0
    out, err = capsys.readouterr()
    assert "with 2 views" in out
    assert "warning: --tta flip mirrors the characters of digits" in err
    assert main(["ensemble", str(members), "--tta", "crop:1", "--quiet", "--json"]) == 0
    assert last_json(capsys)["views"] == "crop:1"
