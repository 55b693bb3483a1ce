"""A few of the cases of `make torture`, and that its judges see what they are there for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.engines import ReferenceEngine
from chainrule.optim import RULES
from crashes import faults
from crashes.solvers import matrix

TOOL = Path(__file__).resolve().parents[1] / "tools" / "torture.py"
OPERATIONS = {operation.name: operation for operation in faults.operations()}


@pytest.mark.skipif(sys.platform != "linux", reason="the tool forks, and looks into /proc")
def test_killed_and_stopped_runs_go_on_to_the_same_bits() -> None:
    """In a process of its own: this one may have threads, which do not survive a fork."""
    words = [sys.executable, str(TOOL), "--quick", "kills", "commands"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert "4 kills with SIGKILL, 2 of them inside a save" in done.stdout, done.stderr
    assert "1 kills with SIGKILL" in done.stdout
    assert (done.returncode, "Wrong:" in done.stdout) == (0, False), done.stdout


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_call_fails_nothing_is_lost_and_the_error_is_plain(name: str, tmp_path: Path) -> None:
    found = faults.inject(OPERATIONS[name], tmp_path, every=97 if name == "a whole run" else 5)
    assert found.calls > 0
    assert found.cases > 1
    assert found.wrong == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("os.unlink", "left ['.file.json."),
        ("chainrule.errors.reason", "does not say why"),
        ("chainrule.files._told", "OSError: [Errno 28]"),
        ("chainrule.files.write_new", "fails by itself: holds 'n'"),
    ],
)
def test_the_judge_of_faults_sees(place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def silent(*_: Any) -> Any:
        yield

    unlink = os.unlink
    stand_ins: dict[str, Any] = {
        "chainrule.errors.reason": lambda error: "it failed",
        "chainrule.files._told": silent,
        "os.unlink": lambda path, **named: unlink(path, **named) if named else None,
        "chainrule.files.write_new": lambda path, content: path.write_bytes(content[:1]),
    }
    monkeypatch.setattr(place, stand_ins[place])
    if place.endswith("write_new"):
        with pytest.raises(AssertionError, match=said):
            faults.inject(faults.text_file(replaced=True), tmp_path, ["ENOSPC"])
        return
    found = faults.inject(faults.text_file(replaced=True), tmp_path, ["ENOSPC"])
    assert any(said in line for line in found.wrong), found.wrong


def test_the_judge_of_resumed_runs_sees_a_lost_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_state = ReferenceEngine.load_state

    def forgetful(engine: ReferenceEngine, state: Any, step_number: int) -> None:
        load_state(engine, {n: a * 0 if n.startswith("slot.") else a for n, a in state.items()}, step_number)

    momentum = [rule for rule in RULES if rule.key == "sgd_momentum"]
    assert [same for *_, same in matrix(tmp_path / "a", momentum, ["reference"], ["dropout"])] == [True]
    monkeypatch.setattr(ReferenceEngine, "load_state", forgetful)
    assert [same for *_, same in matrix(tmp_path / "b", momentum, ["reference"], ["dropout"])] == [False]
