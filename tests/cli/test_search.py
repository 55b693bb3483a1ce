"""`chainrule search` and `chainrule lr-range`, called in process."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

import chainrule.cli.search as search_command
from chainrule.cli import main
from chainrule.recipes import load_recipe
from chainrule.search import Plan

WORDS = ["search", "digits-mlp", "--set", "train.epochs=1", "model.layers.1.units=16"]
GRID = [*WORDS, "--strategy", "grid", "--space", "train.batch_size=choice(64, 256)"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_search_by_one_command_and_the_best_recipe_trained(tmp_path, capsys):
    assert main([*GRID, "--space", "model.layers[3].rate=uniform(0, 0.5, 2)", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    folder = tmp_path / "searches" / "digits-mlp"
    assert {p.name for p in folder.iterdir()} >= {"best.toml", "results.json", "parallel.png", "study.db"}
    assert "4 trials over train.batch_size, model.layers[3].rate" in err
    assert "4/4  " in err
    assert "layer 3 rate" in err
    assert len(found["rows"]) == 4
    assert main(["train", str(folder / "best.toml"), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["val_accuracy"] == found["best"]["value"]
    assert main([*GRID, "--space", "model.layers[3].rate=uniform(0, 0.5, 2)", "--json", "--quiet"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["rows"] == found["rows"]
    assert main([*GRID, "--quiet"]) == 2
    assert "holds another search" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS, "has no [search.spaces]; give some, such as --space"),
        ([*WORDS, "--space", "train.batch_size"], "--space needs KEY=SPACE"),
        ([*WORDS, "--space", "train.batch_size=lgo(1, 2)"], "did you mean 'log'"),
        ([*WORDS, "--space", "train.batchsize=range(1, 2)"], "did you mean 'batch_size'"),
        ([*GRID, "--jobs", "0"], "jobs must be an integer >= 1"),
        ([*GRID, "--storage", "postgres"], "must be a URL"),
        ([*WORDS, "--space", "train.batch_size=choice(1)", "--strategy", "girid"], 'Did you mean "grid"'),
        ([*GRID, "--trials", "2.5"], "must be an integer"),
        (["search", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["lr-range", "digits-mlp", "--low", "2", "--high", "1"], "low must be less than high, got 2.0 and 1.0"),
    ],
)
def test_wrong_input_is_one_line_and_no_folder(words, said, tmp_path, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err.splitlines()
    assert said in err[-1]
    assert err[-1].startswith("error: ")
    assert not (tmp_path / "searches").exists()


def test_a_search_of_which_nothing_finished_fails(tmp_path, capsys):
    assert main([*WORDS, "--strategy", "grid", "--space", "model.layers[4].units=choice(2, 3)"]) == 1
    out, err = capsys.readouterr()
    assert out.count("refused") == 2
    assert err.splitlines()[-1] == "no trial finished; searches/digits-mlp/results.json says why"
    rows = json.loads((tmp_path / "searches" / "digits-mlp" / "results.json").read_text("utf-8"))["rows"]
    assert all("label" in row["error"] or "class" in row["error"] for row in rows)
    assert not (tmp_path / "searches" / "digits-mlp" / "best.toml").exists()


def test_the_range_test_writes_curve_and_picture(tmp_path, capsys):
    assert main(["lr-range", "digits-mlp", "--steps", "60", "--low", "1e-5"]) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "searches" / "digits-mlp-lr-range"
    found = json.loads((folder / "lr-range.json").read_text("utf-8"))
    assert (folder / "lr-range.png").is_file()
    assert f"suggested learning rate {found['suggestion']:g}; the recipe has 0.005" in out
    assert main(["lr-range", "digits-mlp", "--steps", "60", "--low", "1e-5", "--json", "--out", "mine"]) == 0
    assert json.loads(capsys.readouterr().out)["losses"] == found["losses"]


def test_the_example_of_the_record_is_a_recipe():
    recipe = load_recipe(Path(__file__).resolve().parents[2] / "examples" / "mnist-depth-batch.toml")
    plan = Plan(recipe)
    assert len([p for p in plan.places if not plan.is_confirmation(p)]) == 27


def test_a_second_sigterm_ends_at_once_with_its_status(monkeypatch, capsys):
    def twice(recipe, url, *, stopped, **options):
        assert not stopped()
        signal.raise_signal(signal.SIGTERM)
        assert stopped()
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(search_command, "run_search", twice)
    assert main([*GRID, "--quiet"]) == 143
    said = "error: interrupted: the trials that ended are kept; the same command goes on\n"
    assert capsys.readouterr().err == said
