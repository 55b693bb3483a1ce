"""Whole searches: real processes, killed and stopped; the same result however many there are."""

from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import pytest
from tests.search.helpers import small

from chainrule.errors import ConfigError
from chainrule.recipes import build, change, load_recipe
from chainrule.recipes.recipe import to_toml
from chainrule.search import searching
from chainrule.search.ledger import Ledger
from chainrule.search.results import BEST, IMPORTANCE, PARALLEL, RESULTS, collect
from chainrule.search.searching import search
from chainrule.search.trial import Sources, run_trial


class Never:
    def is_set(self):
        return False


def alone(folder, recipe):
    """The search in this process."""
    book = Ledger(f"sqlite:///{folder / 'alone.db'}", recipe.name, recipe)
    sources = Sources()
    while not isinstance(claim := book.claim("w"), str):
        run_trial(book, claim, sources, Never())
    book.storage.close()
    return collect(book.plan, book.attempts())


def outcomes(results):
    return {row.place: (row.outcome.values, row.outcome.value) for row in results.rows}


#: A worker that stands still in its fourth trial or later, leaving its row's number, while the folder is there.
STANDING = """
import os, sys, time
from pathlib import Path
from chainrule.search import worker
from chainrule.search.ledger import Ledger

hold, report = Path(os.environ["TEST_HOLD"]), Ledger.report

def standing(self, claim, epoch, value):
    if hold.exists() and sum(a.status == "finished" for a in self.attempts()) >= 3:
        (hold / str(claim.row.number)).touch()
        time.sleep(3600)
    return report(self, claim, epoch, value)

Ledger.report = standing
sys.exit(worker.main())
"""


def test_two_workers_killed_and_a_search_stopped_and_resumed_find_what_one_process_finds(tmp_path, monkeypatch):
    recipe = small(strategy="random", trials=8, seed=1, confirm=1)
    expected = alone(tmp_path, recipe)
    url, kept, killed = f"sqlite:///{tmp_path / 'study.db'}", [], []
    hold, standing, python = tmp_path / "hold", tmp_path / "standing.py", tmp_path / "python"
    hold.mkdir()
    standing.write_text(STANDING, "utf-8")
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{standing}'\n", "utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("TEST_HOLD", str(hold))
    monkeypatch.setattr(searching, "sys", SimpleNamespace(executable=str(python)))
    # One trial stays in this process's hands: however fast the workers are, the search is not done when it is stopped.
    mine = Ledger(url, recipe.name, recipe)
    held = mine.claim("this test")

    class Murdered(searching._Workers):
        def tend(self, ended):
            if not killed and len(stand := list(hold.iterdir())) == 2:
                for process in self.processes.values():
                    process.kill()
                for process in self.processes.values():
                    process.wait()
                killed.extend(int(path.name) for path in stand)
                kept.extend(a for a in self.ledger.attempts() if a.status == "finished")
                shutil.rmtree(hold)
            super().tend(ended)

    monkeypatch.setattr(searching, "_Workers", Murdered)
    monkeypatch.setattr(searching, "POLL_SECONDS", 0.1)
    shown = []
    with mine.alive(held):  # however long the search takes
        first = search(recipe, url, jobs=2, show=lambda *a: shown.append(a), stopped=lambda: len(shown) >= 6)
    assert 4 <= len(first.rows) < 9
    assert not first.finished
    mine.hand_back(held)
    mine.storage.close()
    monkeypatch.setattr(searching, "sys", sys)
    second = search(recipe, url, jobs=1)
    assert second.finished
    assert outcomes(second) == outcomes(expected)
    assert second.best.place == expected.best.place
    attempts = Ledger(url, recipe.name).attempts()
    ended = [a for a in attempts if a.status == "finished"]
    assert len({a.place for a in ended}) == len(ended) == 9
    assert len(kept) >= 3
    assert all(a in ended for a in kept)
    assert {a.status for a in attempts} <= {"finished", "killed", "interrupted"}
    assert set(killed) <= {a.row for a in attempts if a.status == "killed"}
    assert set(killed) <= {a.row for a, _, _ in shown}


def test_training_the_best_recipe_gives_the_figure_of_its_trial(tmp_path):
    results = alone(tmp_path, small(strategy="grid"))
    written = results.write(tmp_path / "out")
    assert {p.name for p in written} == {BEST, RESULTS, PARALLEL, IMPORTANCE}
    best = load_recipe(tmp_path / "out" / BEST)
    assert best.search is None
    solver = build(best).solver()
    solver.train()
    assert solver.best_val_acc == results.best.outcome.value == max(r.outcome.value for r in results.rows)
    found = json.loads((tmp_path / "out" / RESULTS).read_text("utf-8"))
    assert (found["trials"], found["ended"], len(found["rows"])) == (12, 12, 12)
    assert found["best"]["value"] == results.best.outcome.value
    assert sum(found["importance"].values()) == pytest.approx(1)
    assert set(found["importance"]) == {"lr", "train.batch_size", "depth"}


def test_what_diverges_or_cannot_be_built_is_an_outcome_and_not_the_end(tmp_path):
    spaces = {
        "model.layers": "choice(['Flatten', {layer='Affine', units=10}], ['Flatten', {layer='Affine', units=3}], "
        "['Flatten', {layer='Affine', units=10}, {layer='Affine', units=10}])"
    }
    recipe = change(small(strategy="grid", spaces=spaces, bind={}), {"train.epochs": 1})
    results = alone(tmp_path, recipe)
    assert [row.outcome.status for row in results.rows] == ["finished", "refused", "finished"]
    assert "error" in results.rows[1].notes
    huge = small(strategy="grid", spaces={"train.optim_config.learning_rate": "choice(0.01, 1e30)"}, bind={})
    results = alone(tmp_path / "huge", change(huge, {"train.update_rule": "sgd"}))
    assert [row.outcome.status for row in results.rows] == ["finished", "diverged"]
    assert results.best.place.number == 0
    assert [r[-2] for r in results.table()[1]][1] == "diverged"


def test_repeats_give_mean_and_deviation(tmp_path):
    results = alone(tmp_path, small(strategy="random", trials=2, repeats=3, monitor="val_loss"))
    row = results.best
    losses = [f["val_loss"] for f in row.figures]
    assert [f["seed"] for f in row.figures] == [0, 1, 2]
    mean, std = row.mean("val_loss")
    assert row.outcome.value == mean == pytest.approx(sum(losses) / 3)
    assert std == pytest.approx((sum((v - mean) ** 2 for v in losses) / 2) ** 0.5)
    assert row.outcome.value == min(r.outcome.value for r in results.rows)
    assert f"{mean:.4f} ± {std:.4f}" in results.table()[1][0]


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_pruned_trials_end_early_and_the_same_ones_do(tmp_path, pruner):
    recipe = change(small(strategy="tpe", trials=10, pruner=pruner, round=5), {"train.epochs": 4})
    first, second = alone(tmp_path / "a", recipe), alone(tmp_path / "b", recipe)
    assert outcomes(first) == outcomes(second)
    pruned = [row for row in first.rows if row.outcome.status == "pruned"]
    assert pruned
    assert all(len(row.outcome.curve) < 4 and row.place.number >= 5 for row in pruned)
    assert all(len(row.outcome.curve) == 4 for row in first.rows if row.outcome.status == "finished")


def test_an_error_of_a_process_ends_the_search_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr(searching.sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match="ended with status 1"):
        search(small(), f"sqlite:///{tmp_path / 'study.db'}")


def test_a_recipe_that_is_searched_is_written_and_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(small(strategy="grid")), "utf-8")
    assert load_recipe(path) == small(strategy="grid")
