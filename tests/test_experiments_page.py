"""docs/experiments.md is true: its Python runs, its study is one, its commands exist, its links lead somewhere."""

import doctest
import re
import tomllib
from pathlib import Path

import pytest

from chainrule.cli import COMMANDS, main
from chainrule.recipes import list_recipes, list_studies
from chainrule.recipes.study import parse_study

PAGE = Path(__file__).resolve().parent.parent / "docs" / "experiments.md"
TEXT = PAGE.read_text("utf-8")


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    output = []
    failed, attempted = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append)
    assert attempted >= 20
    assert not failed, "".join(output)


def test_the_study_is_one():
    [text] = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert list(parse_study(tomllib.loads(text)).trainings) == [
        "plain, learning_rate 0.001",
        "plain, learning_rate 0.01",
        "narrow, learning_rate 0.001",
        "narrow, learning_rate 0.01",
    ]


@pytest.mark.parametrize("line", re.findall(r"^    chainrule ([^#\n]*)", TEXT, flags=re.MULTILINE))
def test_the_commands_exist(line, capsys):
    words = line.split()
    assert words[0] in COMMANDS
    assert main([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))
    if len(words) > 1 and not words[1].startswith("--"):
        assert words[1] in [*list_recipes(), *list_studies()]


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]
