"""The study that docs/experiments.md shows is one, and the trainings its commands name exist."""

import re
import tomllib
from pathlib import Path

import pytest

from chainrule.recipes import list_recipes, list_studies
from chainrule.recipes.study import parse_study

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "experiments.md").read_text("utf-8")


def test_the_study_is_one():
    [text] = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert list(parse_study(tomllib.loads(text)).trainings) == [
        "plain, learning_rate 0.001",
        "plain, learning_rate 0.01",
        "narrow, learning_rate 0.001",
        "narrow, learning_rate 0.01",
    ]


@pytest.mark.parametrize("line", re.findall(r"^    chainrule \w+ (\w[^#\n]*)", TEXT, flags=re.MULTILINE))
def test_the_trainings_exist(line):
    assert line.split()[0] in [*list_recipes(), *list_studies()]
