"""A student's files, from a folder, an archive or one file, laid out like the course's code base."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from chainrule.courses.course import Edition
from chainrule.data.archives import is_archive, iterate_members
from chainrule.errors import DataError
from chainrule.grade import support

MAX_FILES = 500
MAX_BYTES = 2**20  # of one file
_MAX_SEEN = 20_000
_IGNORED = re.compile(r"(^|/)(\.|__MACOSX|__pycache__|site-packages|node_modules|venv/|env/)")


@dataclass(frozen=True)
class Submission:
    """What was handed in: Python files by their path in it, and remarks about what was left out."""

    name: str
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = field(default=())


def read_submission(path: str | os.PathLike[str]) -> Submission:
    """The Python files of a folder, an archive (.zip, .tar, .tar.gz, ...) or a single file.

    Links are not followed; hidden folders, caches and virtual environments are passed over. Raises `DataError` for a
    submission that cannot be read, or holds no Python file.
    """
    place = Path(path)
    notes: list[str] = []
    try:
        if place.is_symlink():
            raise DataError(f"grade: {place} is a link, which is not followed")
        if place.is_dir():
            files = dict(_of_folder(place, notes))
        elif place.is_file() and place.suffix == ".py":
            files = {place.name: _content(place)}
        elif place.is_file() and is_archive(place):
            files = _of_archive(place, notes)
        elif place.exists():
            raise DataError(f"grade: {place} must be a folder, a .py file, or a tar or zip archive")
        else:
            raise DataError(f"grade: {place} does not exist")
    except OSError as error:
        raise DataError(f"grade: {place} cannot be read: {error.strerror}") from None
    if not files:
        raise DataError(f"grade: {place} holds no Python file")
    return Submission(submission_name(place), files, tuple(notes))


def submission_name(place: Path) -> str:
    """A name for reports: that of the folder or file, without what tells the kind of file."""
    return re.sub(r"\.(zip|py|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$", "", Path(os.path.abspath(place)).name)


def _wanted(name: str) -> bool:
    return name.endswith(".py") and not _IGNORED.search(name)


def _of_folder(root: Path, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    seen = taken = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            place = Path(folder, name)
            relative = place.relative_to(root).as_posix()
            seen += 1
            if seen > _MAX_SEEN:
                raise DataError(f"grade: {root} holds more than {_MAX_SEEN} files")
            if not _wanted(relative):
                continue
            if place.is_symlink() or not place.is_file():
                notes.append(f"{relative} is not a plain file, and was left out")
                continue
            taken += 1
            if taken > MAX_FILES:
                raise DataError(f"grade: {root} holds more than {MAX_FILES} Python files")
            yield relative, _content(place)


def _of_archive(place: Path, notes: list[str]) -> dict[str, bytes]:
    files = {
        member.name: member.data
        for member in iterate_members(place, wanted=_wanted, max_files=_MAX_SEEN, max_bytes=2**30)
    }
    if len(files) > MAX_FILES or any(len(data) > MAX_BYTES for data in files.values()):
        raise DataError(f"grade: {place} holds more than {MAX_FILES} Python files, or one beyond {MAX_BYTES} bytes")
    return files


def _content(place: Path) -> bytes:
    with open(place, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DataError(f"grade: {place} is longer than {MAX_BYTES} bytes")
    return data


def lay_out(submission: Submission, edition: Edition, folder: Path) -> dict[str, str]:
    """Write the submission into `folder`, every file where the course has it, read-only.

    The rest of the code base is filled in. Returns, for each file of the course that was handed in, the path in the
    submission it was taken from; of several of one name the one that lies most like the course's is taken.
    """
    package = f"{edition.package}/" if edition.package else ""
    ours = support.files(edition)
    taken: dict[str, str] = {}
    roots: set[str] = set()
    contents = {package + path: text.encode() for path, text in ours.items()}
    for path in edition.files:
        stem = PurePosixPath(path).name
        found = [name for name in submission.files if PurePosixPath(name).name == stem]
        if stem == "__init__.py" or support.always_ours(path) or not found:
            continue
        best = min(
            found, key=lambda name: (not _ends(name, package + path), not _ends(name, path), name.count("/"), name)
        )
        taken[path] = best
        contents[package + path] = submission.files[best]
        roots.add(best.removesuffix(path).rstrip("/") if _ends(best, path) else best.rpartition("/")[0])
    for root in sorted(roots):  # what else lies beside them: modules of the student's own
        for name, data in submission.files.items():
            relative = name.removeprefix(f"{root}/") if root else name
            if (not root or name.startswith(f"{root}/")) and name not in taken.values():
                contents.setdefault(package + relative, data)
                contents.setdefault(relative, data)
    _write(contents, folder)
    return taken


def _ends(name: str, path: str) -> bool:
    return name == path or name.endswith(f"/{path}")


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    for path, data in contents.items():
        place = folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        except OSError:  # a helper module of the name of a folder that is needed
            continue
        place.chmod(0o444)


def write_support(folder: Path) -> None:
    """The modules of two Pythons' years, in `folder`."""
    _write({path: text.encode() for path, text in support.OLD_PYTHON.items()}, folder)
