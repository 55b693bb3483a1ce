"""Runs that diverge and go back, checkpoints that are kept, and the best weights beside the history at every moment."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import chainrule.cli.train as train_command
import chainrule.recipes.run as run_module
from chainrule.cli import main
from chainrule.engines.native import is_available
from chainrule.recipes.verification import verify_run
from chainrule.solver.checkpoint import load_checkpoint

ENGINES = ["reference", *(["native"] if is_available() else [])]
#: The digits with leaky units; a good rate is 0.05, and this is a hundred times that.
WILD = ["digits-mlp", "--set", "model.layers.2.layer=LeakyReLU", "--set", "train.update_rule=sgd_momentum"]
WILD += ["--set", "train.optim_config={learning_rate=5.0}"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*words: str) -> int:
    return main(["train", *words])


def results(run: str) -> Any:
    return json.loads((Path(run) / "results.json").read_text())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_a_hundred_times_too_high(
    engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(*WILD, "--epochs", "10", "--engine", engine, "--on-divergence", "back-off", "--out", "whole") == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diverged at step")]
    found = results("whole")
    assert len(told) == len(found["rollbacks"]) >= 2
    assert "back to the state after step 0, learning rate × 0.5" in told[0]
    assert [r["learning_rate_factor"] for r in found["rollbacks"]] == [0.5 ** (i + 1) for i in range(len(told))]
    assert found["val_accuracy"] > 0.85
    assert json.loads(Path("whole/history.json").read_text())["rollbacks"] == found["rollbacks"]
    assert verify_run("whole").problems == []

    if engine != ENGINES[-1]:  # tests/solver/test_divergence.py stops both
        return

    class CtrlC(train_command.Interruption):
        every_step = True
        seen = 0

        def on_step_end(self, solver: Any) -> None:
            CtrlC.seen += 1
            if CtrlC.seen in (7, 45):  # before and after the first return
                signal.raise_signal(signal.SIGINT)
            super().on_step_end(solver)

    monkeypatch.setattr(train_command, "Interruption", CtrlC)
    words = ["--engine", engine, "--quiet"]
    assert train(*WILD, "--epochs", "10", "--on-divergence", "back-off", "--out", "broken", *words) == 130
    assert train("--resume", "broken", *words) == 130
    assert train("--resume", "broken", *words) == 0
    assert verify_run("broken").weights_sha256 == verify_run("whole").weights_sha256
    assert results("broken")["rollbacks"] == found["rollbacks"]


def test_a_stop_says_what_can_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    steep = [*WILD, "--set", "train.optim_config={learning_rate=1e6}", "--epochs", "2", "--quiet"]
    assert train(*steep, "--out", "run") == 2
    assert "training diverged at step" in capsys.readouterr().err
    assert results("run")["status"] == "diverged"
    assert verify_run("run").problems == []
    assert train("--set", "train.on_divergence=back-off", "--on-divergence", "stop") == 2
    assert "--on-divergence and --set train.on_divergence" in capsys.readouterr().err
    assert train("--set", "train.back_off={factor=0.1}") == 2
    assert "train.back_off must be left out unless train.on_divergence is 'back-off'" in capsys.readouterr().err
    assert train("--set", "train.on_divergence=back-off", "--set", "train.back_off={factor=2.0}") == 2
    assert "BackOff: factor must be a number > 0 and < 1" in capsys.readouterr().err


def test_the_last_checkpoints_stay_where_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--epochs", "2", "--quiet", "--checkpoint-seconds", "0", "--set", "train.batch_size=400"]
    assert train(*words, "--keep", "3", "--out", "kept") == 0
    kept = sorted(p for p in os.listdir("kept/training") if p != ".lock")
    assert len(kept) == 3
    assert kept[-1] == f"step-{results('kept')['steps']:012d}"
    assert verify_run("kept").problems == []
    assert train("--resume", "kept") == 2
    assert "kept is finished" in capsys.readouterr().err
    assert len(os.listdir("kept/training")) >= 3
    assert train(*words, "--out", "usual") == 0
    assert not Path("usual/training").exists()
    assert train("--keep", "0") == 2
    assert train("--resume", "usual", "--keep", "3") == 2
    assert "leave --keep out" in capsys.readouterr().err


def test_at_no_moment_the_history_tells_of_better_weights_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each write, as if the process had been killed there."""
    moments: list[tuple[float, float]] = []

    def look() -> None:
        run = Path("run")
        if (run / "history.json").is_file():
            scores = json.loads((run / "history.json").read_text())["val_acc_history"]
            if not scores:
                return
            best = load_checkpoint(run / "checkpoint")[1]["best"]
            moments.append((max(scores), best["val_acc"]))
            if best["epoch"] < len(scores):
                assert scores[best["epoch"]] == best["val_acc"]

    def followed(function: Any) -> Any:
        def write(*arguments: Any) -> Any:
            made = function(*arguments)
            look()
            return made

        return write

    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_WRITES", 0.0)
    for name in ("save_checkpoint", "_write_json"):
        monkeypatch.setattr(run_module, name, followed(getattr(run_module, name)))
    assert train("--epochs", "6", "--quiet", "--out", "run", "--set", "train.batch_size=200") == 0
    assert len(moments) > 10
    assert all(told <= kept for told, kept in moments)
    assert len({kept for _, kept in moments}) > 2
