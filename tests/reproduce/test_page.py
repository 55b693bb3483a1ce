"""The three files: what they say, that HTML is escaped and one file, and that pictures are there."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.cli.reproduce import _folder
from chainrule.reproduce.curves import curves_png
from chainrule.reproduce.jobs import make_row
from chainrule.reproduce.outcomes import Outcome
from chainrule.reproduce.report import summarize, write


def epochs(n, start=2.0):
    return [{"epoch": i, "loss": start / i, "train_acc": 1 - 0.5 / i, "val_acc": 1 - 0.6 / i} for i in range(1, n + 1)]


def finished(accuracy, load=0.5):
    figures = {"val_accuracy": accuracy, "test_accuracy": accuracy, "parameters": 650}
    measured = {"seconds": 7200.0, "val_rows": 100, "test_rows": 200, "load_average": [load], "threads": "1"}
    return Outcome("finished", figures, measured, epochs(3))


@pytest.fixture
def table(write_recipe, study_path, tmp_path):
    """A table of three rows: reached, missed with a note, a study that has not been run."""
    rows = [
        make_row(write_recipe("good")),
        make_row(write_recipe("missed", rate=0.2, reported=0.99, note="Too <few> epochs & rows.")),
        make_row(study_path),
    ]
    outcomes = {rows[0].jobs[0].key: finished(0.7), rows[1].jobs[0].key: finished(0.8)}
    outcomes |= {job.key: Outcome("missing") for job in rows[2].jobs}
    found = summarize(rows, outcomes, quick=False, command="chainrule reproduce x")
    write(tmp_path / "out", found, rows, outcomes)
    return tmp_path / "out"


def test_the_json_has_what_readers_need(table):
    found = json.loads((table / "reproduce.json").read_text("utf-8"))
    assert [row["name"] for row in found["rows"]] == ["good", "missed", "rates"]
    for row in found["rows"]:
        assert {"name", "reported", "ours", "std", "reached", "seconds"} <= set(row)
    assert [row["reached"] for row in found["rows"]] == [True, False, None]
    assert [row["status"] for row in found["rows"]] == ["reached", "not reached", "not run"]
    assert found["seconds"] == 14400.0


def test_the_markdown_is_a_table_with_links_that_lead_somewhere(table):
    text = (table / "reproduce.md").read_text("utf-8")
    assert "3 rows, 4 trainings, 4.0 hours of training. 1 of 2 rows reach what is reported. Not run: 1." in text
    assert "| [good](reproduce/good.png) | as reported | val accuracy | 0.5 | 0.7000 | +0.2000 |" in text
    assert "**not reached**" in text
    assert "- **missed**: Too <few> epochs & rows." in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert sorted(links) == ["reproduce/good.png", "reproduce/missed.png"]
    for link in links:
        with Image.open(table / link) as image:
            image.verify()
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {11, 7}  # the rows' table and the variants'


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts, self.sources = [], [], []

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_html_is_one_sound_file(table):
    reader = Reader()
    reader.feed((table / "reproduce.html").read_text("utf-8"))
    assert reader.open == []
    assert "Too <few> epochs & rows." in reader.texts
    assert {source[:21] for source in reader.sources if source[0] != "#"} == {"data:image/png;base64"}
    assert {source for source in reader.sources if source[0] == "#"} == {"#good", "#missed", "#rates"}


def test_pictures_are_small_and_show_every_variant(study_path):
    row = make_row(study_path)
    outcomes = {job.key: Outcome("finished", {}, {}, epochs(4, i + 1.0)) for i, job in enumerate(row.jobs)}
    png = curves_png(row, outcomes)
    assert len(png) < 30_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.width > 2 * image.height
        assert len(image.convert("RGB").getcolors(1 << 16)) > 8
    assert curves_png(row, {job.key: Outcome("missing") for job in row.jobs}) is None


def test_a_busy_machine_is_said(write_recipe):
    row = make_row(write_recipe())
    found = summarize([row], {row.jobs[0].key: finished(0.7, load=99.0)}, quick=False, command="x")
    from chainrule.reproduce.cells import introduction

    assert any("Highest load average met: 99.0, so other work shared" in line for line in introduction(found))


def test_the_command_trains_writes_and_prints(write_recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chainrule.cli.reproduce.SECONDS_A_ROW", 0.3)
    path = write_recipe("long", replace=("epochs = 3", "epochs = 300000"))
    assert main(["reproduce", path, "--quick", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert json.loads((tmp_path / "reproduce/reproduce.json").read_text("utf-8")) == found
    assert found["command"] == f"chainrule reproduce {path} --quick"
    assert (found["quick"], found["rows"][0]["status"], found["rows"][0]["reached"]) == (True, "shortened", None)
    assert 1 <= found["rows"][0]["epochs"] <= 30
    assert "Shortened trainings" in (tmp_path / "reproduce/reproduce.md").read_text("utf-8")
    assert "long seed 0: finished" in err
    assert (tmp_path / "runs/reproduce").is_dir()


def test_the_table_of_what_is_kept_trains_nothing(write_recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", write_recipe(), "--kept-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["status"] == "not run"
    assert not (tmp_path / "runs").exists()


def test_a_failing_row_is_the_exit_status_and_a_line_of_the_table(write_recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write_recipe("bad", replace=("train = 400", "train = 4000"))
    assert main(["reproduce", path]) == 1
    assert "Failed: [data] of recipe bad" in (tmp_path / "reproduce/reproduce.md").read_text("utf-8")


def test_the_table_of_everything_has_its_place_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(_folder(None, full=True)) == "reproduce"
    for folder in ("docs/results", "src/chainrule"):
        (tmp_path / folder).mkdir(parents=True)
    assert str(_folder(None, full=True)) == "docs/results"
    assert str(_folder(None, full=False)) == "reproduce"
    assert str(_folder(tmp_path, full=True)) == str(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "reproduce needs names of recipes and studies, or --all"),
        (["digits-mlp", "--all"], "not both"),
        (["digits-mpl"], "did you mean 'digits-mlp'"),
        (["cifar-rule"], "did you mean 'cifar-rules'"),
        (["digits-mlp", "--seeds", "0"], "--seeds must be an integer >= 1"),
        (["digits-mlp", "--jobs", "0"], "--jobs must be an integer >= 1"),
        (["digits-mlp", "--engine", "natives"], "did you mean 'native'"),
    ],
)
def test_what_is_refused(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
