"""Writing a course's code base as a folder of small files that import from here, the edition being fixed in them.

A notebook of the course, unmodified, then finds `from cs231n.layers import *` and all its other imports. An
update rule added to optim.py is found by the solver; the models and sandwiches use this package's own layers, whatever
is replaced in layers.py.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from chainrule.courses.course import ROOT, Course, Edition, File
from chainrule.errors import ConfigError, DTypeError, describe, unknown
from chainrule.files import sync_folder, write_atomically
from chainrule.typed import typed

#: The explicit list of courses.
COURSES = ("comp540", "cs189", "cs231n", "eecs598")
_WIDTH = 120


def names() -> dict[str, tuple[str, ...]]:
    """The courses and their editions.

    >>> names()["cs189"]
    ('2018', '2019', 'mds189')
    """
    return {name: find(name).editions for name in COURSES}


def find(course: str) -> Course:
    """The course of that name; a `ConfigError` for an unknown one."""
    if course not in COURSES:
        raise unknown("course", course, COURSES)
    found: Course = importlib.import_module(f"{ROOT}.{course}").COURSE
    return found


@typed
def install(course: str, edition: str | int, folder: str | os.PathLike[str], *, force: bool = False) -> list[Path]:
    """Write the code base of `course` into `folder` (created if need be), and return the files written.

    course: "cs231n", "eecs598", "comp540" or "cs189". edition: a year or name, see `names`. force: replace files that
    are there already; without it they are a `ConfigError`, and nothing is written. Should writing fail half-way,
    what was there before is put back.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise DTypeError(f"install: folder must be a path, got {describe(folder)}")
    chosen = find(course).edition(edition)
    root = Path(folder) / chosen.package
    contents = {root / path: source(chosen, path) for path in chosen.files}
    taken = [str(path) for path in contents if path.exists()]
    if taken and not force:
        raise ConfigError(
            f"install: {', '.join(taken[:3])}{' and others' if len(taken) > 3 else ''} exist already; "
            "choose another folder, or replace them with force"
        )
    try:
        if chosen.package and not root.exists():
            _write_new_folder(root, contents)
        else:
            _write_files(contents)
    except OSError as error:
        raise ConfigError(f"install: {folder} must be a folder that can be written, got: {error}") from error
    return list(contents)


def source(edition: Edition, path: str) -> str:
    """The text of one installed file."""
    file = edition.files[path]
    prefix = f"{edition.package}." if edition.package else ""
    blocks = [f'"""{file.doc}\n\n{edition.course}, edition {edition.name}, on top of chainrule.\n"""\n']
    if file.names:
        blocks.append("import numpy as np\n")
    lines = [f"from {prefix}{_dotted(star)} import *" for star in file.stars]
    lines += _imports(file)
    if lines:
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks) + file.body


def _imports(file: File) -> list[str]:
    by_module: dict[str, list[str]] = defaultdict(list)
    for name, target in file.names.items():
        module, attribute = target.split(":")
        if "." not in attribute and f"class {name}(" not in file.body:  # those are made in the body
            by_module[module].append(name if name == attribute else f"{attribute} as {name}")
    lines = []
    for module, imported in by_module.items():
        line = f"from {ROOT}.{module} import {', '.join(imported)}"
        if len(line) > _WIDTH:
            line = f"from {ROOT}.{module} import (\n" + "".join(f"    {name},\n" for name in imported) + ")"
        lines.append(line)
    return lines


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _write_new_folder(root: Path, contents: dict[Path, str]) -> None:
    """All files in a folder beside `root`, which then takes its name in one step."""
    root.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    try:
        for path, text in contents.items():
            place = staged / path.relative_to(root)
            place.parent.mkdir(exist_ok=True)
            write_atomically(place, text)
            place.chmod(0o644)
        staged.chmod(0o755)
        os.rename(staged, root)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    sync_folder(root.parent)


def _write_files(contents: dict[Path, str]) -> None:
    """File after file; should one fail, the earlier ones are taken back."""
    before: dict[Path, bytes | None] = {}
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            old = path.read_bytes() if path.exists() else None
            before[path] = old
            write_atomically(path, text)
            path.chmod(0o644)
    except BaseException:
        for path, old in before.items():
            if old is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, old)
        raise
