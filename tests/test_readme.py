"""The README is true: its Python runs, and the commands it names exist with the options it gives them."""

import doctest
import itertools
import re
from pathlib import Path

import pytest

from chainrule.cli import COMMANDS, main
from chainrule.models import MODELS
from chainrule.recipes import apply_overrides, list_recipes, load_recipe

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "docs" / "engines.md"]  # pages written by hand with examples
COMMAND_LINES = re.findall(r"^    chainrule ([^#\n]*)", README, flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_examples_run(page):
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", page.read_text(), flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, page.name, str(page), 0)
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failed, attempted = runner.run(test, out=output.append)
    assert attempted >= (20 if page.name == "README.md" else 1)
    assert not failed, "".join(output)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_the_command_lines_name_what_exists(line, capsys):
    words = line.split()
    assert words[0] in COMMANDS
    assert main([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))
    if words[0] in ("train", "summary") and len(words) > 1:
        assert words[1] in [*list_recipes(), *MODELS]
    changes = [word for before, word in itertools.pairwise(words) if before == "--set"]
    assert not changes or apply_overrides(load_recipe(words[1]), changes) != load_recipe(words[1])


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    missing = [link for link in links if not (Path(__file__).resolve().parent.parent / link).exists()]
    assert not missing
