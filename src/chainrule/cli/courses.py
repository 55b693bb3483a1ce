"""`chainrule courses`: the code bases of courses, to be installed as a folder that an unmodified notebook runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chainrule.courses import install as write_course
from chainrule.courses import names

app = App(
    name="courses",
    help="Write the code base of a course, for its unmodified notebooks.",
    help_epilogue="""Examples:
  chainrule courses list
  chainrule courses install cs231n --edition 2020 assignment2
  chainrule courses install eecs598 --edition 2019 homework1""",
)


@app.command(name="list")
def show() -> None:
    """List the courses and their editions."""
    for course, editions in names().items():
        print(f"{course:8} {' '.join(editions)}")


@app.command
def install(
    course: str, folder: Path, /, *, edition: str, force: Annotated[bool, Parameter(negative="")] = False
) -> None:
    """Write a course's code base into a folder; its files import from chainrule, the edition being fixed in them.

    Parameters
    ----------
    course
        cs231n, eecs598, comp540 or cs189.
    folder
        Where the notebooks are, or will be; created if need be.
    edition
        The year, or the name that `chainrule courses list` shows. It decides what dropout's p means, among other
        things, so there is no default.
    force
        Replace files that are there already.
    """
    written = write_course(course, edition, folder, force=force)
    print(f"{len(written)} files of {course} {edition} written to {folder}")
