"""`verify_run`: whatever is changed, taken away or put in the place of a run's files is found."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from chainrule.errors import CheckpointError
from chainrule.recipes import apply_overrides, build, load_recipe
from chainrule.recipes.run import CHECKPOINT, HISTORY, PROVENANCE, RECIPE, RESULTS, TRAINING, finish, load_run, train
from chainrule.recipes.verification import verify_run, weights_sha256

FILES = (RECIPE, HISTORY, PROVENANCE, RESULTS, *(f"{CHECKPOINT}/{n}" for n in ("state.json", "weights.safetensors")))
SMALL = ["data.train=60", "data.val=20", "data.test=20", "train.epochs=2", "model.layers.1.units=4"]


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    experiment = build(apply_overrides(load_recipe("digits-mlp"), SMALL))
    solver = experiment.solver(engine="reference")
    train(experiment, solver, folder)
    finish(experiment, folder, solver, seconds=1.0, status="finished", figures=False)
    return folder


@pytest.fixture(name="run")
def _run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def test_a_whole_run_has_nothing_wrong_with_it(run: Path) -> None:
    found = verify_run(run)
    assert found.problems == []
    assert found.checked == [RECIPE, HISTORY, RESULTS, PROVENANCE, CHECKPOINT]
    network = load_run(run).network
    assert found.weights_sha256 == weights_sha256({**network.params, **network.buffers})


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found(run: Path, name: str) -> None:
    good = (run / name).read_bytes()
    step = max(len(good) // 25, 1)
    for place in (*range(0, len(good), step), len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        (run / name).write_bytes(bad)
        assert any(name.split("/")[0] in problem for problem in verify_run(run).problems), place
    (run / name).write_bytes(good)
    assert verify_run(run).problems == []


@pytest.mark.parametrize("name", [HISTORY, PROVENANCE, RESULTS, CHECKPOINT, f"{CHECKPOINT}/manifest.json"])
def test_what_is_missing_is_named(run: Path, name: str) -> None:
    os.replace(run / name, run.parent / "gone")
    assert any(name in problem for problem in verify_run(run).problems)


@pytest.mark.parametrize("name", [HISTORY, PROVENANCE, RESULTS, f"{CHECKPOINT}/state.json"])
@pytest.mark.parametrize("target", ["elsewhere", "nowhere", "/dev/zero"])
def test_links_are_not_followed(run: Path, name: str, target: str) -> None:
    """Not even to the very file that was there."""
    os.replace(run / name, run.parent / "elsewhere")
    (run / name).symlink_to(run.parent / target)
    assert any("not a regular file" in problem for problem in verify_run(run).problems)


def test_results_of_another_run_are_none(run: Path) -> None:
    shutil.copy(run / PROVENANCE, run / RESULTS)
    assert "must hold the results of a run" in verify_run(run).problems[0]


def test_results_that_lost_their_sums(run: Path) -> None:
    """Unless the run is older than the sums."""
    results = json.loads((run / RESULTS).read_text())
    (run / RESULTS).write_text(json.dumps({k: v for k, v in results.items() if k not in ("files", "sha256")}))
    assert verify_run(run).problems == [f"{RESULTS}: has lost the sums that a run of this format has"]
    provenance = json.loads((run / PROVENANCE).read_text())
    (run / PROVENANCE).write_text(json.dumps({k: v for k, v in provenance.items() if k != "format"}))
    assert verify_run(run).problems == []


def test_sums_of_other_files_are_refused(run: Path) -> None:
    results = json.loads((run / RESULTS).read_text())
    results["files"]["../../secret"] = "0" * 64
    (run / RESULTS).write_text(json.dumps(results))
    assert any(RESULTS in problem for problem in verify_run(run).problems)


def test_a_run_that_is_not_sealed_is_checked_as_far_as_it_goes(run: Path) -> None:
    """While it trains, a run has no results, and checkpoints instead."""
    (run / RESULTS).unlink()
    (run / TRAINING).mkdir()
    assert verify_run(run).problems == []
    (run / HISTORY).write_text("[]")
    assert verify_run(run).problems[0].startswith(HISTORY)


def test_a_checkpoint_of_no_run_is_refused(run: Path) -> None:
    from chainrule.solver import load_network, save_network

    network, extra = load_network(run / CHECKPOINT)
    for wrong in ({}, {**extra, "mean": "x"}, {**extra, "mean": [0.0, 1.0]}, {**extra, "scale": float("nan")}):
        save_network(run / CHECKPOINT, network, wrong)
        with pytest.raises(CheckpointError, match="not the checkpoint of a run"):
            load_run(run)


def test_weights_that_are_no_numbers_are_named(run: Path) -> None:
    from chainrule.solver import load_network, save_network

    network, extra = load_network(run / CHECKPOINT)
    network.params["W1"][0, 0] = float("nan")
    save_network(run / CHECKPOINT, network, extra)
    assert any("W1 holds NaN" in problem for problem in verify_run(run).problems)
