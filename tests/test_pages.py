"""README and the pages under docs/: their Python runs, their commands take these options, their links lead on."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from chainrule.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = {page.name: page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
#: Examples on generated pages are docstrings, which run where they stand.
WITH_PYTHON = [
    name
    for name, page in PAGES.items()
    if "```pycon" in page.read_text("utf-8") and "<!-- Generated" not in page.read_text("utf-8")
]
LINES = [
    (name, line.strip())
    for name, page in PAGES.items()
    for line in re.findall(r"^    chainrule ([^#\n]*)", page.read_text("utf-8"), flags=re.MULTILINE)
]


def test_there_are_examples():
    assert len(WITH_PYTHON) >= 6
    assert len(LINES) >= 40


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_the_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = PAGES[name].read_text("utf-8")
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", text, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, name, str(PAGES[name]), 0)
    output = []
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, attempted = doctest.DocTestRunner(optionflags=options).run(test, out=output.append)
    assert attempted >= 1
    assert not failed, "".join(output)


@pytest.mark.parametrize(("name", "line"), LINES)
def test_the_commands_take_the_options(name, line, capsys):
    words = shlex.split(line.split(" > ")[0].split(" | ")[0])
    assert words[0] in COMMANDS
    command = words[:2] if words[0] in ("data", "theory", "courses") and len(words) > 1 else words[:1]
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [w for w in words if w.startswith("--") and w.partition("=")[0] not in shown] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    text = re.sub(r"```.*?```", "", PAGES[name].read_text("utf-8"), flags=re.DOTALL)
    headings = {"#" + re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)", text, re.M)}
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    own = [link for link in links if not link.startswith(("http:", "https:"))]
    missing = [
        link for link in own if link not in headings and not (PAGES[name].parent / link.partition("#")[0]).exists()
    ]
    assert not missing
