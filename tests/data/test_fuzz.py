"""Fifteen hundred mutated files: data or one typed error each. `make fuzz` does twenty thousand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_tool"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz_tool"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits and alarms are those of Linux")
def test_mutated_files_give_data_or_one_typed_error(fuzz):
    result = fuzz.run(1500, seed=11)
    assert result.bad == []
    assert result.cases == 1500
    assert result.peak < 512 << 10  # KiB
    for name, counter in result.counts.items():
        assert counter["read"] > 0, f"no mutant of {name} was read: the changes are too coarse"
        assert counter["refused"] > 0, f"no mutant of {name} was refused"


@pytest.mark.skipif(sys.platform != "linux", reason="limits and alarms are those of Linux")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os.abort()", "died with"),
        ("raise KeyError('x')", "KeyError"),
        ("import warnings; warnings.warn('x')", "UserWarning"),
        ("import os; os.system('true')", "os.system"),
        ("open('/tmp/chainrule_fuzz_probe', 'w').close()", "for writing"),
        ("import pickle; pickle.loads(pickle.dumps(len))", "pickle.find_class"),
        ("bytearray(4 << 30)", "MemoryError"),
    ],
)
def test_the_judge_sees_what_a_reader_must_not_do(fuzz, tmp_path, monkeypatch, body, words):
    copy = tmp_path / "fuzz.py"
    text = TOOL.read_text().replace(
        "def read_idx(path: Path) -> Any:\n", f"def read_idx(path: Path) -> Any:\n    if ARMED: {body}\n", 1
    )
    text = text.replace(
        '    warnings.simplefilter("error")\n    for index',
        '    warnings.simplefilter("error")\n    globals()["ARMED"] = True\n    for index',
        1,
    )
    copy.write_text(text.replace("ALARM = 20", "ARMED = False\nALARM = 20", 1))
    monkeypatch.setattr(fuzz, "__file__", str(copy))
    result = fuzz.run(2, seed=0)
    assert len(result.bad) == 2
    assert all(words in line for line in result.bad)
    Path("/tmp/chainrule_fuzz_probe").unlink(missing_ok=True)


def test_cases_repeat(fuzz):
    for index in range(len(fuzz.TARGETS)):
        assert fuzz.case(3, index)[1:] == fuzz.case(3, index)[1:]
