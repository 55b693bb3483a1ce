"""`chainrule bench`: what it prints and writes, on one small row, without peers and without looking at any time."""

from __future__ import annotations

import json

import pytest

from chainrule.bench import measure
from chainrule.cli import main

QUICK = ("--rounds", "1", "--seconds", "0.01", "--peers", "none")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_json_is_the_last_line_and_all_of_the_output(capsys, tmp_path):
    assert main(["bench", "mlp-200", *QUICK, "--threads", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(found) == {"rows", "geometric_mean"}
    assert found["geometric_mean"] == {"best_peer": None, "torch": None, "torch_bf16": None}
    (row,) = found["rows"]
    assert row["key"] == "mlp-200"
    for name in ("ms", "step_ms", "gflops", "fraction_of_peak", "peak_mb", "first_step_s"):
        assert row[name] > 0, name
    assert row["ms"] == row["modes"]["chainrule"]["ms"]
    assert "mlp-200" in err
    assert list(tmp_path.iterdir()) == []


def test_page_and_numbers_are_written(capsys, tmp_path, monkeypatch):
    starts = dict.fromkeys(("import numpy", "import chainrule", "chainrule --help"), 0.25)
    monkeypatch.setattr(measure, "time_starts", lambda settings: starts)
    words = ["bench", "mlp-200", *QUICK, "--engine", "reference", "--threads", "1", "--out", "results"]
    assert main(words) == 0
    page = (tmp_path / "results" / "benchmarks.md").read_text()
    assert "| MLP 784-200-10 (8), SGD momentum | chainrule |" in page
    assert "`chainrule bench mlp-200 --peers none --engine reference --threads 1 --rounds 1`" in page
    kept = json.loads((tmp_path / "results" / "benchmarks.json").read_text())
    assert kept["engine"] == "reference"
    assert kept["rows"][0]["operations"] == []  # those of the native engine
    assert "MLP" not in capsys.readouterr().out  # the screen has the short name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vgg"], "unknown row 'vgg'; did you mean 'vgg11'?"),
        (["--peers", "torhc"], "unknown peer 'torhc'; did you mean 'torch'?"),
        (["--peers", ","], "--peers must name frameworks"),
        (["--engine", "natve"], "unknown engine 'natve'; did you mean 'native'?"),
        (["--rounds", "0"], "rounds must be an integer >= 1"),
        (["--threads", "1.5"], "must be an integer, got '1.5'"),
        (["--seconds", "0"], "seconds must be a number > 0"),
    ],
)
def test_wrong_words_are_one_line(words, said, capsys):
    assert main(["bench", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
