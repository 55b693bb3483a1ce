"""`chainrule train --resume` and `chainrule verify`, called in process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import chainrule.cli.train as train_command
from chainrule.cli import main
from chainrule.errors import reason
from crashes.faults import Faults

fcntl = pytest.importorskip("fcntl")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def last_json(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


def stopped_at(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Ctrl-C after each of these steps of a run."""

    class CtrlC(train_command.Interruption):
        every_step = True

        def on_step_end(self, solver: Any) -> None:
            if solver.engine.step_number in steps:
                signal.raise_signal(signal.SIGINT)
            super().on_step_end(solver)

    monkeypatch.setattr(train_command, "Interruption", CtrlC)


def weights_of(run: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["verify", run, "--json"]) == 0
    found: str = last_json(capsys.readouterr().out)["weights_sha256"]
    return found


def test_a_resumed_run_ends_with_the_weights_of_the_unbroken_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--epochs", "6", "--quiet", "--out", "whole"]) == 0
    stopped_at(monkeypatch, 13, 40, 41)
    assert main(["train", "--epochs", "6", "--quiet", "--out", "broken"]) == 130
    assert sorted(os.listdir("broken/training")) == [".lock", "step-000000000013"]
    for left in (2, 1, 0):
        capsys.readouterr()
        status = main(["train", "--resume", "broken", "--quiet", "--json"])
        assert (status, last_json(capsys.readouterr().out)["status"]) == (
            (130, "interrupted") if left > 0 else (0, "finished")
        )
    assert not os.path.exists("broken/training")
    assert weights_of("broken", capsys) == weights_of("whole", capsys)
    histories = [json.loads(Path(run, "history.json").read_text()) for run in ("whole", "broken")]
    assert histories[0]["loss_history"] == histories[1]["loss_history"]
    assert main(["train", "--resume", "broken"]) == 2
    assert "broken is finished; there is nothing to resume" in capsys.readouterr().err


def test_what_a_resumed_run_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped_at(monkeypatch, 13)
    assert main(["train", "--epochs", "2", "--quiet", "--out", "run"]) == 130
    for words, said in (
        (["digits-mlp"], "leave a recipe out"),
        (["--epochs", "3"], "leave --epochs out"),
        (["--set", "train.batch_size=3"], "leave --set out"),
        (["--out", "other"], "leave --out out"),
    ):
        assert main(["train", "--resume", "run", *words]) == 2
        assert said in capsys.readouterr().err
    kept = json.loads(Path("run/provenance.json").read_text())
    changed = {**kept, "versions": {**kept["versions"], "numpy": "1.0"}}
    Path("run/provenance.json").write_text(json.dumps(changed))
    with open("run/training/.lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["train", "--resume", "run"]) == 2
        assert "run is in use: another process trains in it" in capsys.readouterr().err
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert "note: versions was" in capsys.readouterr().err
    assert main(["train", "--resume", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_other_data_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped_at(monkeypatch, 13)
    assert main(["train", "--epochs", "2", "--quiet", "--out", "run"]) == 130
    kept = json.loads(Path("run/provenance.json").read_text())
    kept["rows"]["X_train"] = "0" * 64
    Path("run/provenance.json").write_text(json.dumps(kept))
    assert main(["train", "--resume", "run"]) == 2
    assert "trained on other data: the SHA-256 of X_train" in capsys.readouterr().err


def test_a_run_without_checkpoints_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped_at(monkeypatch, 13)
    assert main(["train", "--epochs", "2", "--quiet", "--out", "run"]) == 130
    shutil.rmtree("run/training")
    assert main(["train", "--resume", "run"]) == 2
    assert "holds no training checkpoint" in capsys.readouterr().err


def test_verify_names_what_is_damaged(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped_at(monkeypatch, 13)
    assert main(["train", "--epochs", "2", "--quiet", "--out", "run"]) == 130
    assert main(["verify", "run"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("ok")] == [
        "recipe.toml", "history.json", "results.json", "provenance.json", "checkpoint", "training/step-000000000013",
    ]  # fmt: skip
    deep = "training/step-000000000013/state.json"
    for name in ("checkpoint/weights.safetensors", deep, "history.json", "recipe.toml"):
        content = Path("run", name).read_bytes()
        Path("run", name).write_bytes(content[: len(content) // 2])
        assert main(["verify", "run"]) == 1
        damaged = [line for line in capsys.readouterr().out.splitlines() if line.startswith("damaged")]
        assert any(line.split()[1].rstrip(":").split("/")[0] == name.split("/")[0] for line in damaged), damaged
        Path("run", name).write_bytes(content)
    assert main(["verify", "nowhere"]) == 2


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--epochs", "1", "--quiet", "--out", "whole"]) == 0
    with monkeypatch.context() as patch:
        stopped_at(patch, 13)
        assert main(["train", "--epochs", "1", "--quiet", "--out", "run"]) == 130
    shutil.rmtree("run/training/step-000000000013")
    assert main(["train", "--resume", "run"]) == 2  # that was no kill: results.json says it was stopped
    os.remove("run/results.json")
    Path("run/.history.json.0123abcd").write_text("half")
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert "note: the run was stopped before its first checkpoint" in capsys.readouterr().err
    assert not os.path.exists("run/.history.json.0123abcd")
    assert weights_of("run", capsys) == weights_of("whole", capsys)


def test_what_a_run_leaves_that_is_killed_at_once_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    os.makedirs("run/training")
    Path("run/training/.lock").touch()
    Path("run/.recipe.toml.0123abcd").write_text("half")
    assert main(["train", "--epochs", "1", "--quiet", "--out", "run"]) == 0
    assert sorted(os.listdir("run"))[0] == "checkpoint"


def test_checkpoints_are_written_as_often_as_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped_at(monkeypatch, 13)
    words = ["train", "--epochs", "1", "--quiet", "--out", "run", "--checkpoint-seconds"]
    for value, said in (("-1", "--checkpoint-seconds must be a number >= 0, got -1"), ("x", "checkpoint-seconds")):
        assert main([*words, value]) == 2
        assert said in capsys.readouterr().err
    assert main([*words, "0"]) == 130
    assert sorted(os.listdir("run/training")) == [".lock", "step-000000000012", "step-000000000013"]


@pytest.mark.parametrize(
    "kind", ["ENOSPC from then on", "EDQUOT from then on", "EACCES", "EROFS", "EIO", "ENAMETOOLONG"]
)
@pytest.mark.parametrize("nth", [1, 9, 30])
def test_a_disk_that_fails_is_one_line_and_the_run_goes_on(
    kind: str, nth: int, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--set", "model.layers.1.units=8", "--epochs", "1", "--quiet", "--checkpoint-seconds", "0", "--out", "run"]
    with Faults(nth, kind).injected():
        status = main(["train", *small])
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    code = getattr(errno, kind.split()[0])
    assert len(err.splitlines()) == 1
    assert reason(OSError(code, "")) in err
    assert "Errno" not in err
    assert ("; to go on: chainrule train --resume run" in err) == os.path.isdir("run/training")
    again = ["train", "--resume", "run"] if os.path.exists("run/recipe.toml") else ["train", *small]
    assert main([*again, "--quiet"] if again[1] == "--resume" else again) == 0


def test_names_that_are_too_long_and_places_that_are_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    for out, said in (("x" * 300, "the name is too long"), ("file/run", "a part of its path is a file, not a folder")):
        assert main(["train", "--epochs", "1", "--out", out]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: the run folder {out} could not be made: {said}")


def test_a_stop_leaves_out_what_would_take_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped_at(monkeypatch, 25)
    monkeypatch.setattr("chainrule.solver.solver.PROMPT_SECONDS", 0.0)
    monkeypatch.setattr("chainrule.recipes.run.PROMPT_SECONDS", 0.0)
    assert main(["train", "--epochs", "3", "--quiet", "--out", "run"]) == 130
    assert "not measured, which would have taken long: chainrule evaluate run" in capsys.readouterr().err
    results = json.loads(Path("run/results.json").read_text())
    assert (results["status"], results["epochs"], "test_accuracy" in results) == ("interrupted", 1, False)
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert "test_accuracy" in json.loads(Path("run/results.json").read_text())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of terminals")
def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interruption = train_command.Interruption()
        with interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.happened
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
