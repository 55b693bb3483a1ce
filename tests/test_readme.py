"""The README's commands name recipes and models that exist, and change what they say they change."""

import itertools
import re
from pathlib import Path

import pytest

from chainrule.models import MODELS
from chainrule.recipes import apply_overrides, list_recipes, load_recipe

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMMAND_LINES = re.findall(r"^    chainrule ([^#\n]*)", README, flags=re.MULTILINE)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_the_command_lines_name_what_exists(line):
    words = line.split()
    if words[0] in ("train", "summary") and len(words) > 1 and not words[1].startswith("--"):
        assert words[1] in [*list_recipes(), *MODELS]
    changes = [word for before, word in itertools.pairwise(words) if before == "--set"]
    assert not changes or apply_overrides(load_recipe(words[1]), changes) != load_recipe(words[1])
