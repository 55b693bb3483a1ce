"""docs/analysis.md is true: its Python runs, its commands print what it shows, its links and its picture exist."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from chainrule.analysis.tracing.parse import parse_value
from chainrule.analysis.tracing.trace import trace_text
from chainrule.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "analysis.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = [
    (command, output)
    for block in re.findall(r"```console\n(.*?)```", TEXT, flags=re.DOTALL)
    for command, output in re.findall(r"^\$ chainrule (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
]


def test_the_examples_run():
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", TEXT, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    output = []
    failed, attempted = doctest.DocTestRunner().run(test, out=output.append)
    assert attempted >= 15
    assert not failed, "".join(output)


def test_there_are_commands():
    assert len(SHOWN) == TEXT.count("\n$ chainrule ") >= 10


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[c[:60] for c, _ in SHOWN])
def test_commands_print_what_the_page_shows(command, shown, capsys):
    status = main(shlex.split(command))
    out, err = capsys.readouterr()
    assert out + err == shown
    assert status == (2 if shown.startswith("error: ") else 0)


@pytest.mark.parametrize("line", re.findall(r"^    chainrule (.*)", TEXT, flags=re.MULTILINE))
def test_other_commands_exist(line, capsys):
    words = shlex.split(line)
    known = words[:2] if words[0] == "theory" else words[:1]
    assert main([*known, "--help"]) == 0
    help_text = capsys.readouterr().out
    assert f"Usage: chainrule {' '.join(known)}" in help_text
    assert all(word in help_text for word in words if word.startswith("--"))


def test_the_figures_of_the_text_are_those_of_the_tables():
    for figure in ("0.7971", "0.1928", "0.5991", "0.6455", "1,153,840", "1,154,560", "61,492", "105,705,600", "34,944"):
        assert TEXT.count(figure) >= 1 + (figure.startswith("0."))
    assert "= 4.5 is not whole" in TEXT


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    headings = {"#" + re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^##? (.*)", TEXT, re.M)}
    assert links
    assert not [a for a in links if a not in headings and not (PAGE.parent / a).exists()]


def test_the_picture_is_that_of_the_worked_example():
    (words,) = [shlex.split(command) for command, _ in SHOWN if "z5" in command]
    values = dict(parse_value(word) for word in words[words.index("--set") + 1 : words.index("--by")])
    assert (PAGE.parent / "trace.svg").read_text(encoding="utf-8") == trace_text(words[1], values).svg()
