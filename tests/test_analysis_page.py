"""docs/analysis.md is true: its commands print what it shows, its picture is theirs."""

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


def test_there_are_commands():
    assert len(SHOWN) == TEXT.count("\n$ chainrule ") >= 10


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[c[:60] for c, _ in SHOWN])
def test_commands_print_what_the_page_shows(command, shown, capsys):
    status = main(shlex.split(command))
    out, err = capsys.readouterr()
    assert out + err == shown
    assert status == (2 if shown.startswith("error: ") else 0)


def test_the_figures_of_the_text_are_those_of_the_tables():
    for figure in ("0.7971", "0.1928", "0.5991", "0.6455", "1,153,840", "1,154,560", "61,492", "105,705,600", "34,944"):
        assert TEXT.count(figure) >= 1 + (figure.startswith("0."))
    assert "= 4.5 is not whole" in TEXT


def test_the_picture_is_that_of_the_worked_example():
    (words,) = [shlex.split(command) for command, _ in SHOWN if "z5" in command]
    values = dict(parse_value(word) for word in words[words.index("--set") + 1 : words.index("--by")])
    assert (PAGE.parent / "trace.svg").read_text(encoding="utf-8") == trace_text(words[1], values).svg()
