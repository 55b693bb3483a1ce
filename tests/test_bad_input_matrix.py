"""Every public entry point, with every argument in turn replaced by kinds of bad value: a part of the whole matrix.

`python tools/bad_input.py` runs all of it.
"""

from __future__ import annotations

import fnmatch
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import chainrule
from chainrule.layers import Layer, ReLU
from hostile import entries, matrix, values
from hostile.calls import in_folder

SHARE = 16  # of the cases one in so many is run here

COVERED = matrix.covered()
GROUPS = sorted({entry.name.split(".")[0] for entry in COVERED})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch, matrix.quiet_in(place):
        patch.delenv("CHAINRULE_DATA", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(place))
        patch.setenv("MPLBACKEND", "agg")
        in_folder(place)
    return place


@pytest.mark.parametrize("group", GROUPS)
def test_bad_input_gets_a_typed_error(group: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setenv("MPLBACKEND", "agg")
    wrong, count = [], 0
    with matrix.quiet_in(folder):
        for entry in COVERED:
            if entry.name.split(".")[0] == group and not matrix.is_slow(entry):
                for case in matrix.cases(entry, share=SHARE):
                    count += 1
                    if not case.verdict.ok:
                        wrong.append(case)
    assert count > 0
    assert wrong == []


def test_there_are_forty_kinds_for_every_argument() -> None:
    assert len(values.ANYTHING) >= 40
    assert len({kind.name for kind in values.KINDS}) == len(values.KINDS)


@pytest.mark.parametrize("pattern", entries.EXCLUDED)
def test_what_is_left_out_exists(pattern: str) -> None:
    assert any(fnmatch.fnmatchcase(entry.name, pattern) for entry in entries.all_entries()), "nothing is called that"


@dataclass(frozen=True)
class Planted(Layer):
    """A new layer: y = x; it declares itself as every layer does, and nothing else says that it exists."""

    size: Any = 3

    axes = "... -> ..."

    def forward(self, x: Any, params: Any, *, train: bool = False, key: Any = None) -> Any:
        return x + np.zeros(self.size), ()

    def backward(self, dout: Any, cache: Any) -> Any:
        return {"x": dout}

    @classmethod
    def examples(cls) -> Any:
        return [(cls(3), (2, 3))]


def planted(x: Any, batch_size: int = 3) -> Any:
    return x[:, :batch_size]


def test_what_is_new_is_covered_without_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {entry.name for entry in entries.all_entries()}
    planted.__module__ = Planted.__module__ = "chainrule.layers"
    monkeypatch.setattr(chainrule.layers, "Planted", Planted, raising=False)
    monkeypatch.setattr(chainrule.layers, "planted", planted, raising=False)
    new = {entry.name: entry for entry in matrix.covered() if entry.name not in before}
    assert {"layers.Planted", "layers.Planted.forward", "layers.planted"} <= set(new)
    with matrix.quiet_in(folder):
        found = {name: {case.verdict.status for case in matrix.cases(new[name])} for name in new if "cost" not in name}
    assert "raw" in found["layers.planted"]
    assert "foreign" in found["layers.Planted"]  # its size is not looked at
    assert found["layers.Planted.backward"] <= {"typed", "equal", "admitted", "language"}  # as of every layer
    assert ReLU.__name__ in dir(chainrule.layers)
