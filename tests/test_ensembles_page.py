"""docs/ensembles.md is true: its Python runs, its commands exist and take these options, its links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest

from chainrule.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ensembles.md"
TEXT = PAGE.read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"^    chainrule (\w+)", TEXT, flags=re.MULTILINE)))


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    output = []
    failed, attempted = doctest.DocTestRunner().run(test, out=output.append)
    assert attempted >= 35
    assert not failed, "".join(output)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_take_the_options(command, capsys):
    assert main([command, "--help"]) == 0
    described = capsys.readouterr().out
    for line in re.findall(rf"^    chainrule {command} ([^#\n]*)", TEXT, flags=re.MULTILINE):
        for option in re.findall(r"--\w+", line):
            assert option in described, line


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]
