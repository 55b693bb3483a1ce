"""A run's record names the files of the data set that were left out."""

import json
from dataclasses import replace

from chainrule.cli import main
from chainrule.data import CATALOG, Skipped, load


def test_results_name_skipped_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--quiet", "--out", "whole"]) == 0
    source = replace(
        load("digits"), skipped=(Skipped("A/1.png", "empty file"), Skipped("B/\u00e9.png", "truncated PNG"))
    )
    monkeypatch.setitem(CATALOG, "digits", lambda: source)
    assert main(["train", "--epochs", "1", "--quiet", "--out", "damaged"]) == 0
    records = {run: json.loads((tmp_path / run / "results.json").read_text()) for run in ("whole", "damaged")}
    assert records["whole"]["skipped_files"] == []
    assert records["damaged"]["skipped_files"] == [
        {"path": "A/1.png", "reason": "empty file"},
        {"path": "B/\u00e9.png", "reason": "truncated PNG"},
    ]
