"""What a run records of its surroundings, and what is said where they are others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule.recipes.provenance as module
from chainrule.cli import main
from chainrule.data import Dataset, Splits
from chainrule.errors import ConfigError
from chainrule.recipes.provenance import changes, code_sha256, compare, effects, environment, rows_sha256

NATIVE, REFERENCE = "native (avx2)", "reference"


@pytest.mark.parametrize("engine", [NATIVE, REFERENCE])
def test_what_is_recorded(engine: str) -> None:
    found = environment(engine, 2)
    assert set(found["versions"]) == {"chainrule", "numpy", "safetensors", "python"}
    assert found["engine"] == engine
    assert len(found["code"]) == 64
    assert found["blas"] != ""
    assert set(found["may_change_bits"]) >= set(found) - {"may_change_bits"}
    assert changes(found, found) == []


@pytest.mark.parametrize(
    ("what", "value", "native", "reference"),
    [
        ("engine", "native (avx512)", "changes", "changes"),
        ("versions", {"numpy": "1.0"}, "may change", "may change"),
        ("code", "0" * 64, "may change", "may change"),
        ("system", "Plan9 vax", "may change", "may change"),
        ("blas", "openblas 0.1 Prescott", None, "may change"),
        ("processor", "another", None, "may change"),
        ("threads", 64, None, None),
    ],
)
def test_what_is_said_of_a_change(what: str, value: Any, native: str | None, reference: str | None) -> None:
    for engine, effect in ((NATIVE, native), (REFERENCE, reference)):
        now = environment(engine, 1)
        notes = changes({**now, what: value}, now)
        if effect is None:
            assert notes == []
        else:
            assert len(notes) == 1
            assert notes[0].startswith(f"{what} was ")
            assert notes[0].endswith(f"this {effect} the last bits")


def test_threads_of_numpy_count_where_it_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_DETERMINISTIC", "0")
    now = environment(REFERENCE, 4)
    assert now["numpy_threads"] == "all"
    assert changes({**now, "threads": 1}, now) == ["threads was 1, is 4: this may change the last bits"]
    assert effects(NATIVE, "all")["threads"] == "no"


def splits(change: str = "") -> Splits:
    X, y = np.arange(24, dtype=np.uint8).reshape(6, 4), np.arange(6) % 2
    if change == "number":
        X[5, 3] += 1
    elif change == "label":
        y[2] = 1 - y[2]
    elif change == "dtype":
        X = X.astype(np.int16)
    elif change == "shape":
        X = X.reshape(6, 2, 2)
    return Splits(Dataset(X[:4], y[:4]), Dataset(X[4:], y[4:]), None)


def test_other_data_are_told_apart() -> None:
    own = rows_sha256(splits())
    assert set(own) == {"X_train", "y_train", "X_val", "y_val"}
    assert rows_sha256(splits()) == own
    for change, different in (
        ("number", {"X_val"}),
        ("label", {"y_train"}),
        ("dtype", {"X_train", "X_val"}),
        ("shape", {"X_train", "X_val"}),
    ):
        other = rows_sha256(splits(change))
        assert {name for name in own if own[name] != other[name]} == different
    now = environment(NATIVE, 1)
    with pytest.raises(ConfigError, match="other data: the SHA-256 of X_val"):
        compare({**now, "rows": own}, {**now, "rows": rows_sha256(splits("number"))})
    assert compare({**now, "rows": own}, {**now, "rows": own}) == []


def test_the_code_is_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = code_sha256()
    assert code_sha256() == own
    (tmp_path / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(module.chainrule, "__file__", str(tmp_path / "__init__.py"))
    sums = set()
    for change in (None, "x = 2\n", "x = 1\n"):
        if change is not None:
            (tmp_path / "a.py").write_text(change)
        code_sha256.cache_clear()
        sums.add(code_sha256())
    assert len(sums) == 2
    code_sha256.cache_clear()


def test_verify_tells_of_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--quiet", "--out", "run"]) == 0
    path = Path("run/provenance.json")
    kept = json.loads(path.read_text())
    assert kept["may_change_bits"]["engine"] == "changes"
    capsys.readouterr()
    assert main(["verify", "run", "--json", "--data"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []
    elsewhere = {**kept, "engine": "native (neon)", "rows": {**kept["rows"], "y_test": "0" * 64}}
    path.write_text(json.dumps(elsewhere))
    assert main(["verify", "run", "--data"]) == 1  # the file was changed
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    assert len(told) == 2
    assert "engine was native (neon), is " in told[0]
    assert "y_test are other rows than the run's" in told[1]
    path.write_text(json.dumps({"engine": 3, "threads": "x", "rows": 7, "versions": []}))
    assert main(["verify", "run"]) == 1


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("4,2", 4), ("", 0), ("many", 0), (" 2 ", 2)])
def test_threads_as_openmp_lets_one_ask_for_them(
    asked: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert main(["train", "--epochs", "0", "--engine", "reference", "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["threads"] == threads
