"""The judgement: outcomes that are made up, and what the table must say of them."""

from __future__ import annotations

import json
import math

import pytest

from chainrule.recipes import load_recipe
from chainrule.recipes.reading import change
from chainrule.reproduce.cells import row_cells
from chainrule.reproduce.jobs import Job, Row, make_row
from chainrule.reproduce.outcomes import Outcome
from chainrule.reproduce.rows import row_dict


def outcome(state="finished", rows=10_000, loss_error=0.01, **figures):
    parts = {f"{part}_rows": rows for part in ("train", "val", "test")}
    errors = {"val_loss_error": loss_error, "test_loss_error": loss_error}
    return Outcome(state, figures, {"seconds": 2.0, "load_average": [1.0, 3.0], "threads": "1", **parts, **errors})


def judged(reported, *outcomes, base="digits-mlp", shortened=False):
    recipe = change(load_recipe(base), {"reported": reported})
    row = Row(recipe, tuple(Job(change(recipe, {"seed": recipe.seed + i})) for i in range(len(outcomes))))
    found = row_dict(row, {j.key: o for j, o in zip(row.jobs, outcomes, strict=True)}, shortened=shortened)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


@pytest.mark.parametrize(
    ("reported", "ours", "status"),
    [
        ({"test_accuracy": 0.9}, {"test_accuracy": 0.9}, "reached"),
        ({"test_accuracy": 0.9}, {"test_accuracy": 0.8971}, "within error"),  # √(0.897 · 0.103/10,000) = 0.0030
        ({"test_accuracy": 0.9}, {"test_accuracy": 0.8969}, "not reached"),
        ({"test_loss": 0.5}, {"test_loss": 0.49}, "reached"),
        ({"test_loss": 0.5}, {"test_loss": 0.5099}, "within error"),
        ({"test_loss": 0.5}, {"test_loss": 0.5101}, "not reached"),
        # Of several figures those on the rows that are furthest from training decide.
        ({"train_accuracy": 0.9, "val_accuracy": 0.8}, {"train_accuracy": 0.5, "val_accuracy": 0.8}, "reached"),
        ({"val_accuracy": 0.9, "test_accuracy": 0.8}, {"val_accuracy": 0.5, "test_accuracy": 0.8}, "reached"),
        ({"train_accuracy": 0.9}, {"train_accuracy": 0.5}, "not reached"),
        ({"test_accuracy": 0.9, "test_loss": 0.5}, {"test_accuracy": 0.9, "test_loss": 0.6}, "not reached"),
    ],
)
def test_figures_and_their_errors(reported, ours, status):
    found = judged(reported, outcome(**ours))
    assert found["status"] == status
    assert found["reached"] is (status != "not reached")
    assert found["std"] is None


def test_seeds_give_mean_and_deviation():
    found = judged({"test_accuracy": 0.9}, outcome(test_accuracy=0.89), outcome(test_accuracy=0.93))
    assert found["ours"] == pytest.approx(0.91)
    assert found["std"] == pytest.approx(0.04 / math.sqrt(2))
    assert found["difference"] == pytest.approx(0.01)
    assert found["seconds"] == 4.0
    assert (found["seeds"], found["load_average"], found["threads"]) == ([0, 1], 3.0, ["1"])


@pytest.mark.parametrize(("ours", "status"), [(0.928, "exact"), (0.932, "not reached"), (0.924, "not reached")])
def test_historical_settings_are_exact_or_missed(ours, status):
    found = judged({"test_accuracy": 0.928}, outcome(test_accuracy=ours, rows=250), base="binary-logistic")
    assert found["status"] == status


def test_what_did_not_finish_is_not_judged():
    reported = {"test_accuracy": 0.9}
    assert judged(reported, outcome("missing"))["reached"] is None
    assert judged(reported, outcome(test_accuracy=0.99), shortened=True)["reached"] is None
    failed = judged(reported, Outcome("failed", why="no memory"))
    assert (failed["status"], failed["reached"], failed["failures"]) == ("failed", None, ["no memory"])
    assert row_cells(failed)[0][7] == "failed"
    diverged = judged(reported, outcome("diverged"))
    assert (diverged["status"], diverged["reached"], diverged["ours"]) == ("diverged", False, None)
    assert row_cells(diverged)[0][7] == "diverged"


def test_our_test_accuracy_stands_beside_where_none_is_reported():
    seeds = (outcome(val_accuracy=0.9, test_accuracy=a) for a in (0.86, 0.88))
    found = judged({"val_accuracy": 0.8}, *seeds)
    assert (found["figure"], found["ours"], found["status"]) == ("val_accuracy", 0.9, "reached")
    beside = ["", "", "test accuracy", "", "0.8700 ± 0.0141", "", "0.0034", "not reported", "", ""]
    assert row_cells(found)[1] == beside
    assert len(judged({"val_accuracy": 0.8}, outcome(val_accuracy=0.9))["figures"]) == 1  # no test rows
    assert len(judged({"test_accuracy": 0.8}, outcome(test_accuracy=0.9))["figures"]) == 1


def study_row(path, first, second):
    row = make_row(path)
    outcomes = dict(zip((job.key for job in row.jobs), (first, second), strict=True))
    return row_dict(row, outcomes, shortened=False)


def test_a_study_is_judged_by_its_best_variant_on_the_validation_rows(study_path):
    good = outcome(val_accuracy=0.9, test_accuracy=0.7)
    lucky = outcome(val_accuracy=0.8, test_accuracy=0.99)
    found = study_row(study_path, good, lucky)
    assert (found["best"], found["ours"], found["status"]) == ("learning_rate 0.02", 0.7, "reached")
    assert [claim["holds"] for claim in found["claims"]] == [True, True]
    assert [v["test_accuracy"] for v in found["variants"]] == [0.7, 0.99]
    found = study_row(study_path, lucky, good)
    assert (found["best"], found["ours"], found["status"]) == ("learning_rate 1e-06", 0.7, "not reached")
    assert [claim["holds"] for claim in found["claims"]] == [False, False]


@pytest.mark.parametrize(("layers", "holds"), [(0, True), (1, False), (3, False)])
def test_the_best_may_be_named_without_its_value_of_the_grid(layers, holds):
    row = make_row("mnist-depth")
    outcomes = {job.key: outcome(val_accuracy=0.9 + 0.05 * (i // 2 == layers)) for i, job in enumerate(row.jobs)}
    found = row_dict(row, outcomes, shortened=False)
    assert found["best"].startswith(f"{layers + 1} hidden layer")
    assert [claim["holds"] for claim in found["claims"]] == [holds]


def test_the_best_is_the_lowest_where_a_loss_is_watched():
    row = make_row("notmnist-lr-sweep")
    outcomes = {job.key: outcome(val_loss=1.6 - 0.01 * i, val_accuracy=0.9) for i, job in enumerate(row.jobs)}
    assert row_dict(row, outcomes, shortened=False)["best"] == "learning_rate 0.005"  # the last one


def test_a_variant_that_diverges_is_the_worst(study_path):
    found = study_row(study_path, outcome(val_accuracy=0.9, test_accuracy=0.7), outcome("diverged"))
    assert found["status"] == "reached"
    assert [claim["holds"] for claim in found["claims"]] == [True, True]
    assert [v["state"] for v in found["variants"]] == ["finished", "diverged"]


def test_a_study_lacks_a_variant_until_it_has_run(study_path):
    found = study_row(study_path, outcome(val_accuracy=0.9, test_accuracy=0.7), outcome("missing"))
    assert (found["status"], found["reached"]) == ("not run", None)
    assert found["claims"][0]["holds"] is None


def test_the_cells_say_what_the_row_says():
    found = judged({"train_accuracy": 0.9, "test_accuracy": 0.9}, outcome(train_accuracy=0.5, test_accuracy=0.8971))
    lines = row_cells(found)
    assert [line[:3] for line in lines] == [["digits-mlp", "own", "train accuracy"], ["", "", "test accuracy"]]
    assert lines[0][7] == "worse, does not decide"
    assert lines[1][3:8] == ["0.9", "0.8971", "-0.0029", "0.0030", "within error"]
