"""`chainrule grade`: course work run in a limited process, with points, faults and a readable report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from chainrule.cli import FAILED, OK
from chainrule.errors import ConfigError, DataError
from chainrule.grade import Report, Rubric, course_rubric, grade_folder, read_rubric
from chainrule.grade import grade as grade_one
from chainrule.grade.report import write_class, write_report
from chainrule.grade.report.page import number
from chainrule.grade.report.summary import ranked
from chainrule.grade.rubric import write_rubric
from chainrule.report.tables import console, text_table

Flag = Annotated[bool, Parameter(negative="")]

app = App(
    name="grade",
    help_epilogue="""Examples:
  chainrule grade ada.zip --course cs231n-2020
  chainrule grade --all submissions --course eecs598 --out grades
  chainrule grade --print-rubric --course cs189 > rubric.toml
  chainrule grade ada --rubric rubric.toml --json

Courses: comp540, cs189, cs231n, eecs598, with an edition or without, as
`chainrule courses list` shows them. The exit status is 1 where a submission
of the folder could not be read.""",
)


@app.default
def grade(
    submission: Path | None = None,
    /,
    *,
    course: str | None = None,
    rubric: Path | None = None,
    folder: Annotated[Path | None, Parameter(name="--all")] = None,
    out: Path = Path("grades"),
    json: Flag = False,
    print_rubric: Flag = False,
    weak_sandbox: Flag = False,
) -> int:
    """Grade course work: run it in a limited process, and write points, faults and a report.

    Parameters
    ----------
    submission
        A folder, a .zip or .tar.gz, or a file such as layers.py.
    course
        Whose names and meanings to expect: cs231n-2020, eecs598, comp540, cs189, ...
    rubric
        A TOML file with points, number of cases and limits, in place of the course's own.
    folder
        Grade every folder and archive in this folder, and write a summary of the class.
    out
        Where the reports go.
    json
        End with one JSON object, and print all else to standard error.
    print_rubric
        Print the rubric as TOML, to be changed and given back with --rubric, and stop.
    weak_sandbox
        Run submissions even where the system cannot hold them back well; see the guide on grading.
    """
    chosen = _rubric(course, rubric)
    if print_rubric:
        print(write_rubric(chosen), end="")
        return OK
    if (submission is None) == (folder is None):
        raise ConfigError("grade: give a submission, or --all FOLDER")
    if submission is not None:
        report = grade_one(submission, chosen, weak_sandbox=weak_sandbox)
        if report.error:
            raise DataError(f"grade: {report.error}")
        written = write_report(report, out)
        _show_one(report, to_stderr=json)
        print(f"wrote {written[0]}", file=sys.stderr)
        if json:
            print(msgspec.json.encode({"points": report.earned, **msgspec.to_builtins(report)}).decode())
        return OK
    assert folder is not None
    reports = grade_folder(folder, chosen, weak_sandbox=weak_sandbox, progress=_tell)
    write_class(reports, out)
    _show_class(reports, to_stderr=json)
    print(f"wrote {out / 'class.html'}", file=sys.stderr)
    if json:
        rows = [{"name": r.name, "points": r.earned, "of": r.total, "error": r.error} for r in ranked(reports)]
        print(msgspec.json.encode({"submissions": rows}).decode())
    return FAILED if any(report.error for report in reports) else OK


def _rubric(course: str | None, path: Path | None) -> Rubric:
    if path is None:
        if course is None:
            raise ConfigError("grade: --course or --rubric must be given, such as --course cs231n-2020")
        return course_rubric(course)
    rubric = read_rubric(path)
    if course is not None and course not in (rubric.course, f"{rubric.course}-{rubric.edition}"):
        raise ConfigError(f"grade: --course {course} is not the rubric's, {rubric.course}-{rubric.edition}")
    return rubric


def _tell(line: str) -> None:
    print(_plain(line), file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    """Without what a terminal would take for commands; names and messages are the students'."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _show_one(report: Report, *, to_stderr: bool) -> None:
    rows = []
    for item in report.items:
        remark = ""
        if item.causes:
            remark = item.causes[0].title
        elif item.earned < item.points:
            remark = next(case.findings[0] for case in item.cases if not case.passed)
        points = f"{number(item.earned)} of {number(item.points)}"
        rows.append([item.name, points, f"{item.passed} of {len(item.cases)}", _plain(remark)])
    rows.append(["total", f"{number(report.earned)} of {number(report.total)}", "", ""])
    console(stderr=to_stderr).print(text_table(["item", "points", "cases", ""], rows))


def _show_class(reports: list[Report], *, to_stderr: bool) -> None:
    rows = [
        [_plain(r.name), "not graded" if r.error else f"{number(r.earned)} of {number(r.total)}", _plain(r.error)]
        for r in ranked(reports)
    ]
    console(stderr=to_stderr).print(text_table(["submission", "points", ""], rows))
