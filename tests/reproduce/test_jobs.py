"""What is trained, under which key, and what `--quick` makes of it."""

from __future__ import annotations

import msgspec
import pytest

from chainrule.recipes import change, list_recipes, load_recipe
from chainrule.reproduce.cost import estimate, training_rows
from chainrule.reproduce.jobs import Job, longest_first, make_row
from chainrule.reproduce.quick import ROWS, SECONDS_A_ROW, shortened

DIGITS = load_recipe("digits-mlp")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"dtype": "float64"},
        {"data.val": 0.2},
        {"data.seed": 1},
        {"model.layers.1.units": 511},
        {"model.reg": 0.1},
        {"train.epochs": 41},
        {"train.keep": "last"},
        {"train.optim_config.learning_rate": 4e-3},
    ],
)
def test_what_changes_the_training_changes_its_key(changes):
    assert Job(change(DIGITS, changes)).key != Job(DIGITS).key


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"title": "other"},
        {"note": "other"},
        {"setting": "tuned"},
        {"reported.val_accuracy": 0.1},
        {"train.keep": "best"},
        {"train.l2": 0.0},
    ],
)
def test_words_and_written_defaults_do_not(changes):
    assert Job(change(DIGITS, changes)).key == Job(DIGITS).key


def test_the_key_is_the_same_in_every_process_and_every_day():
    """Whoever changes it makes everybody's kept trainings useless."""
    assert Job(DIGITS).key == "4f6db3f52e77"


def test_a_kept_training_is_found_whatever_its_row_was_called(tmp_path):
    job = Job(DIGITS)
    (tmp_path / f".part-auto-digits-mlp-0-{job.key}").mkdir()  # of a process that was stopped
    assert job.folder(tmp_path).name == f"digits-mlp-0-{job.key}"
    (tmp_path / f"before-0-{job.key}").mkdir()
    assert job.folder(tmp_path).name == f"before-0-{job.key}"


def test_seeds_count_from_the_recipe_and_historical_ones_stay():
    row = make_row("digits-mlp", seeds=3)
    assert [job.recipe.seed for job in row.jobs] == [0, 1, 2]
    assert [job.recipe.seed for job in make_row("binary-logistic", seeds=3).jobs] == [598]
    row = make_row("cifar-dropout-pair", seeds=2)
    assert [(job.variant, job.recipe.seed) for job in row.jobs] == [
        ("dropout 0", 0),
        ("dropout 0", 1),
        ("dropout 0.75", 0),
        ("dropout 0.75", 1),
    ]


def test_training_rows_as_the_recipe_counts_them():
    assert training_rows(load_recipe("cifar-vgg-wide")) == 48_000
    assert training_rows(load_recipe("cifar-overfit-3")) == 50
    assert training_rows(DIGITS) == 1797 - round(179.7) - round(359.4)


def test_long_rows_first():
    rows = [make_row(name) for name in ("digits-mlp", "cifar-vgg-wide", "mnist-softmax")]
    assert [row.name for row in longest_first(rows)] == ["cifar-vgg-wide", "mnist-softmax", "digits-mlp"]


@pytest.mark.parametrize("name", [*list_recipes(), "notmnist-width"])
def test_quick_rows_are_short_and_sound(name):
    full, quick = make_row(name), make_row(name, budget=SECONDS_A_ROW)
    assert len(full.jobs) == len(quick.jobs)
    for before, after in zip(full.jobs, quick.jobs, strict=True):
        assert after.recipe.check("quick") == after.recipe
        assert after.recipe.train.epochs >= 1
        assert (after.recipe == before.recipe) == (estimate(before.recipe) <= SECONDS_A_ROW / len(full.jobs))
        # One epoch of the rows that are left may be longer than its share, and is the least there is.
        one_epoch = estimate(msgspec.structs.replace(after.recipe, train=msgspec.structs.replace(
            after.recipe.train, epochs=1)))  # fmt: skip
        assert estimate(after.recipe) <= max(SECONDS_A_ROW / len(full.jobs), one_epoch) * 1.001


def test_rows_are_cut_before_epochs():
    long = load_recipe("mnist-mlp-600")
    short = shortened(long, 2.0)
    assert short.data.train == ROWS
    assert 1 < short.train.epochs <= long.train.epochs
    assert shortened(DIGITS, 100.0) is DIGITS
