"""Mutated files and checkpoints: data or one typed error each. `make fuzz` does many more."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and alarms are those of Linux")


@pytest.fixture(scope="module", name="fuzz")
def _fuzz() -> Any:
    sys.path.insert(0, str(TOOLS))
    import fuzz.cases
    import fuzz.hostile_run
    import fuzz.running

    yield fuzz
    sys.path.remove(str(TOOLS))


@pytest.mark.parametrize(
    ("group", "cases", "peak"), [("data", 760, 512), ("checkpoints", 5000, 384), ("runs", 60, 384)]
)
def test_mutated_files_give_data_or_one_typed_error(fuzz: Any, group: str, cases: int, peak: int) -> None:
    result = fuzz.running.run(cases, seed=11, group=group)
    assert result.bad == []
    assert result.cases == cases
    assert result.peak < peak << 10  # KiB
    for name, counter in result.counts.items():
        assert counter["refused"] > 0, f"no mutant of {name} was refused"
        if group == "data":
            assert counter["read"] > 0, f"no mutant of {name} was read: the changes are too coarse"


def test_checkpoints_made_to_harm(fuzz: Any) -> None:
    """Named error, within a second or so, within 64 MB more than the files have bytes; see `tools/fuzz/hostile.py`."""
    verdicts = fuzz.hostile_run.judge_all()
    assert [f"{v.name}: {v.wrong}" for v in verdicts if v.wrong] == []
    assert len(verdicts) >= 110
    assert len({v.name for v in verdicts}) == len(verdicts)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os.abort()", "died with"),
        ("raise KeyError('x')", "KeyError"),
        ("import os; os.system('true')", "os.system"),
        ("open('/tmp/chainrule_fuzz_probe', 'w').close()", "for writing"),
        ("import pickle; pickle.loads(pickle.dumps(len))", "pickle.find_class"),
        ("bytearray(4 << 30)", "MemoryError"),
    ],
)
def test_the_judge_sees_what_a_reader_must_not_do(
    fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    copy = shutil.copytree(TOOLS / "fuzz", tmp_path / "fuzz")
    for name, old, new in (
        (
            "readers.py",
            "def read_idx(path: Path) -> Any:\n",
            f"def read_idx(path: Path) -> Any:\n    if ARMED: {body}\n",
        ),
        ("readers.py", "\n\ndef read_any", "\n\nARMED = False\n\n\ndef read_any"),
        ("judge.py", '    warnings.simplefilter("error")\n', '    warnings.simplefilter("error")\n    arm()\n'),
        ("judge.py", "\n\ndef ring", '\n\ndef arm():\n    sys.modules["fuzz.readers"].ARMED = True\n\n\ndef ring'),
        ("targets.py", '"data": DATA', '"data": DATA[:2]'),
    ):
        text = (copy / name).read_text()
        assert text.count(old) == 1, (name, old)
        (copy / name).write_text(text.replace(old, new))
    monkeypatch.setattr(fuzz.running, "PROGRAM", str(copy))
    result = fuzz.running.run(2, seed=0)
    assert len(result.bad) == 2
    assert all(words in line for line in result.bad)
    Path("/tmp/chainrule_fuzz_probe").unlink(missing_ok=True)


def test_a_checkpoint_that_does_harm_is_seen(fuzz: Any) -> None:
    """The judge of the list above: a memory, a time, an error, a message that it must not let pass."""
    make = fuzz.hostile.HOSTILE[0].make
    said = {}

    def busy(*_: Any) -> None:
        begun = time.process_time()
        while time.process_time() - begun < 1.1 * fuzz.judge.limit():
            pass

    for name, harm in {
        "memory": lambda *_: bytearray(200 << 20) and None,
        "time": busy,
        "error": lambda *_: int("x"),
        "command": lambda *_: __import__("os").system("true"),
        "nothing": lambda *_: None,
    }.items():
        case = fuzz.hostile.Hostile(name, make, "", error="ValueError" if name == "nothing" else "")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fuzz.hostile_run, "_warm_up", lambda scratch: None)
            patch.setattr(fuzz.hostile_run, "read", harm)
            said[name] = fuzz.hostile_run.judge_all([case])[0].wrong
    assert re.match(r"took (19\d|20\d) MB for files of 0 MB", said["memory"])
    assert "s of processor time" in said["time"]
    assert said["error"].startswith("ValueError instead of")
    assert said["command"].startswith("executed instead of")
    assert said["nothing"].startswith("no error instead of ValueError")


def test_cases_repeat(fuzz: Any) -> None:
    for group, targets in fuzz.targets.GROUPS.items():
        for index in range(len(targets)):
            assert fuzz.cases.case(group, 3, index)[1:] == fuzz.cases.case(group, 3, index)[1:]
