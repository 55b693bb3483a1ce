"""docs/data.md is true: its Python runs, its commands exist, its links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest

from chainrule.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "data.md"
TEXT = PAGE.read_text()


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    output = []
    failed, attempted = doctest.DocTestRunner().run(test, out=output.append)
    assert attempted >= 30
    assert not failed, "".join(output)


@pytest.mark.parametrize("line", re.findall(r"^    chainrule data (\w+)", TEXT, flags=re.MULTILINE))
def test_the_commands_exist(line, capsys):
    assert main(["data", line, "--help"]) == 0
    assert f"Usage: chainrule data {line}" in capsys.readouterr().out


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]
