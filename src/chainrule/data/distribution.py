"""The files of a data set's distribution, wherever they lie: a folder, an archive, or a folder that holds the archive.

A distribution is told by the names of its files, whatever folder inside the archive they are in. Archives are read from
memory, member by member, and never unpacked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chainrule.data.archives import is_archive, iterate_members
from chainrule.data.source import as_path, find_file
from chainrule.errors import DataError

T = TypeVar("T")

_LOOKED_AT = 64  # members of an archive, to tell what it holds

#: Reads one file: its base name, its content, and how messages call it.
Parse = Callable[[str, bytes, str], T]


def read_distribution(
    owner: str, path: Any, files: Sequence[Sequence[str]], parse: Parse[T], *, max_file_bytes: int
) -> list[T]:
    """What `parse` makes of each of `files`, a file being given as the alternative names that it can have.

    path: the folder of the files, or the archive. Raises `DataError` naming what is missing, damaged or too long.
    """
    place = as_path(owner, path)
    names = {name for alternatives in files for name in alternatives}
    if not place.is_file():  # find_file says so where it is no folder either
        chosen = [find_file(owner, place, alternatives) for alternatives in files]
        found = {file.name: parse(file.name, _content(owner, file, max_file_bytes), str(file)) for file in set(chosen)}
    else:
        found = _from_archive(owner, place, names, parse, max_file_bytes)
    missing = [alternatives[0] for alternatives in files if not any(name in found for name in alternatives)]
    if missing:
        raise DataError(f"{owner}: {place} must hold {', '.join(missing)}, which it lacks")
    return [next(found[name] for name in alternatives if name in found) for alternatives in files]


def _from_archive(owner: str, archive: Path, names: Collection[str], parse: Parse[T], most: int) -> dict[str, T]:
    found: dict[str, T] = {}
    wanted = lambda name: os.path.basename(name) in names  # noqa: E731
    for member in iterate_members(archive, wanted=wanted, max_member_bytes=most):
        name = os.path.basename(member.name)
        if name in found:
            raise DataError(f"{owner}: {archive} must hold {name} once, got it in two folders")
        found[name] = parse(name, member.data, f"{archive}: {member.name}")
    return found


def _content(owner: str, file: Path, most: int) -> bytes:
    try:
        size = file.stat().st_size
        if size > most:
            raise DataError(f"{owner}: {file} must have at most {most} bytes, got {size}")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{owner}: {file} must be readable, got: {error}") from None


def first_known_file(path: Path, names: Collection[Any]) -> str | None:
    """The first of `names` that a folder holds, or that is among the first members of an archive; None otherwise."""
    if path.is_dir():
        return next((name for name in names if (path / name).is_file()), None)
    if not path.is_file() or not is_archive(path):
        return None
    met: list[str] = []

    def is_enough(name: str) -> bool:
        met.append(os.path.basename(name))
        return met[-1] in names or len(met) >= _LOOKED_AT

    try:
        next(iterate_members(path, wanted=is_enough), None)
    except DataError:  # said when it is read
        return None
    return met[-1] if met and met[-1] in names else None
