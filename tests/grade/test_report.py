"""Reports as files: nothing of a student's is taken for HTML, for a formula, or for a path."""

import csv
import io
import json
from html.parser import HTMLParser

from chainrule.grade.report import write_class, write_report
from chainrule.grade.report.page import number, safe
from chainrule.grade.report.summary import class_csv, hardest, ranked
from chainrule.grade.result import CaseResult, Cause, ItemResult, Report

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[2J\u202e&amp;"


def item(name, points, *passed, **options):
    cases = [
        CaseResult(label=EVIL, kind="passed" if ok else "wrong", findings=[] if ok else [EVIL], where=EVIL, output=EVIL)
        for ok in passed
    ]
    return ItemResult(
        name=name, file="layers.py", points=points, earned=points * sum(passed) / len(passed), cases=cases, **options
    )


def report(name, *items, error=""):
    total = 10.0
    return Report(name=name, course="cs231n", edition="2020", title="T", items=list(items), error=error, total=total)


GOOD = report("good", item("a", 6, True, True), item("b", 4, True))
BAD = report(
    EVIL, item("a", 6, True, False, causes=[Cause(title=EVIL, explanation=EVIL, equation=EVIL)]), item("b", 4, False)
)
NONE = report("=1+1", error=EVIL)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.text.append(data)


def test_pages_hold_what_students_wrote_as_text_only(tmp_path):
    write_class([GOOD, BAD, NONE], tmp_path)
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) == 4
    for path in pages:
        text = path.read_text()
        found = Tags(text)
        assert not {"script", "img", "iframe", "link", "object", "form"} & set(found.tags)
        assert all((tmp_path / link).exists() for link in found.links)
        assert "default-src 'none'" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    evil = next(path for path in pages if "onerror" in path.name or "script" in path.name)
    assert any("<script>alert(1)</script>" in data for data in Tags(evil.read_text()).text)


def test_names_of_files_are_harmless_and_distinct(tmp_path):
    names = ["../up", "..", "a/b", "CON?", "class", "Class", "x", "X", "x!"]
    written = write_class([report(name, item("a", 1, True)) for name in names], tmp_path / "out")
    assert {path.parent for path in written} == {tmp_path / "out"}
    stems = [path.stem.lower() for path in written if path.suffix == ".html"]
    assert len(set(stems)) == len(stems) == len(names) + 1


def test_ranking_csv_and_json(tmp_path):
    assert [r.name for r in ranked([NONE, BAD, GOOD])] == ["good", EVIL, "=1+1"]
    rows = list(csv.reader(io.StringIO(class_csv([NONE, BAD, GOOD]))))
    assert rows[0] == ["name", "points", "of", "seconds", "error", "a", "b"]
    assert rows[1][:3] == ["good", "10.0", "10.0"]
    assert rows[3][0] == "'=1+1"
    write_class([NONE, BAD, GOOD], tmp_path)
    summary = json.loads((tmp_path / "class.json").read_text())
    assert [row["points"] for row in summary["submissions"]] == [10.0, 3.0, 0.0]
    assert summary["items"][0] == {"name": "b", "mean_share": 0.5, "lost_points": 1}
    assert hardest([GOOD, BAD])[1] == ("a", 0.75, 1)


def test_one_report(tmp_path):
    html, plain = write_report(GOOD, tmp_path / "new" / "folder")
    assert "10 of 10 points" in html.read_text()
    assert Report.from_json(plain.read_text()) == GOOD


def test_numbers_and_text():
    assert [number(v) for v in (5.0, 1.25, 0.0, 3.333333, 100.0)] == ["5", "1.25", "0", "3.33", "100"]
    assert safe("a\x00b\n<") == "a\ufffdb\n&lt;"
