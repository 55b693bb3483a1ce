"""Which names of archive members are safe to use as paths below a folder, on every system."""

from __future__ import annotations

import os
import re
import unicodedata

_MOST_PART = 255  # bytes; what most file systems hold
_MOST_PATH = 1024
_MOST_DEPTH = 64
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))})


class ArchiveError(Exception):
    """Why an archive is not read; becomes a `DataError` that names it."""


class Names:
    """The names met so far in one archive.

    ignore_case: whether two names that differ only in case or in the way accents are written count as the same.
    """

    def __init__(self, *, ignore_case: bool = False) -> None:
        self._ignore_case = ignore_case
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def checked(self, name: str, is_folder: bool) -> str:
        """`name` without `./` and doubled slashes, if it is a safe relative path that was not met before."""
        fault = name_fault(name)
        if fault is not None:
            raise ArchiveError(f"the name {name[:80]!r}, which {fault}")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts:
            if is_folder:
                return "."
            raise ArchiveError(f"the name {name!r}, which names no file")
        plain = "/".join(parts)
        key = unicodedata.normalize("NFC", plain).casefold() if self._ignore_case else plain
        above = [key[:at] for at, letter in enumerate(key) if letter == "/"]
        if key in self._files or (not is_folder and key in self._folders):
            raise ArchiveError(
                f"the name {plain[:80]!r} twice" + (" (case does not count)" if self._ignore_case else "")
            )
        for folder in above:
            if folder in self._files:
                raise ArchiveError(f"{plain[:80]!r} below a member that is a file")
        self._folders.update(above)
        (self._folders if is_folder else self._files).add(key)
        return plain


def name_fault(name: str) -> str | None:
    """What is wrong with a member's name as a path below a folder; None for a safe one.

    >>> name_fault("A/letter.png"), name_fault("../letter.png")
    (None, 'leads to a folder above')
    """
    parts = name.split("/")
    if name == "":
        return "is empty"
    if name.startswith("/") or _DRIVE.match(name):
        return "is absolute"
    if ".." in parts:
        return "leads to a folder above"
    if "\\" in name:
        return "holds a backslash, a separator on some systems"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "holds a control character"
    if any(unicodedata.bidirectional(letter) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI") for letter in name):
        return "holds a character that changes the direction of writing"
    if len(name.encode()) > _MOST_PATH or len(parts) > _MOST_DEPTH:
        return f"is longer than {_MOST_PATH} bytes or {_MOST_DEPTH} folders"
    if any(len(part.encode()) > _MOST_PART for part in parts):
        return f"has a part longer than {_MOST_PART} bytes"
    if os.name == "nt" and any(windows_fault(part) for part in parts):
        return "means something else on Windows"
    return None


def windows_fault(part: str) -> bool:
    """Whether Windows takes one part of a path for another file, a stream or a device.

    >>> [windows_fault(part) for part in ("a.png", "a.png.", "aux.png", "a:b")]
    [False, True, True, True]
    """
    return part.rstrip(". ") != part or ":" in part or part.split(".")[0].strip().lower() in _DEVICES
