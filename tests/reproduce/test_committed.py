"""The committed table: of the recipes as they are now, and no figure missed without a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.recipes import list_recipes, list_studies
from chainrule.reproduce.jobs import make_row

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
ROWS = {row["name"]: row for row in json.loads((RESULTS / "reproduce.json").read_text("utf-8"))["rows"]}


@pytest.mark.parametrize("name", [*list_recipes(), *list_studies()])
def test_every_row_is_there_and_of_the_recipe_as_it_is(name):
    row = ROWS[name]
    assert row["keys"] == [job.key for job in make_row(name, len(row["seeds"])).jobs], (
        f"{name} is not the recipe that the table is about: run `chainrule reproduce --all`"
    )
    assert row["reached"] is not None, f"{name}: {row['status']}"
    assert row["reached"] or row["note"], f"{name} is not reached: its note must say why"


def test_the_exact_rows_are_exact():
    exact = {name for name, row in ROWS.items() if row["status"] == "exact"}
    assert exact == {"binary-logistic", "binary-logistic-40", "binary-hinge", "binary-hinge-20"}


def test_the_files_are_of_a_size_to_keep():
    files = [*RESULTS.glob("reproduce.*"), *(RESULTS / "reproduce").iterdir()]
    assert sum(f.stat().st_size for f in files) < 1_500_000
