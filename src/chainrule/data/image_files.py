"""The files of a folder, or of an archive, of images by class: which there are, what they hold, what class each is of.

    root/CLASS/.../FILE           one data set; deeper folders belong to the class above them
    root/train/CLASS/.../FILE     its parts: train with test, val or both
    root/ANY/CLASS/...            a single outer folder, as archives have it, is passed over

Hidden files (a leading dot) and the folder's own notes (Thumbs.db and the like) are no part of the set, nor are files
beside the class folders unless they are named like images. Links are followed to files inside the folder only.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from chainrule.data.archives import iterate_members
from chainrule.data.image_file import ENDINGS, MAX_FILE_BYTES
from chainrule.errors import DataError

#: The folder names that are parts of a set rather than classes.
PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_NOTES = {"thumbs.db", "desktop.ini", "__macosx"}
_CHUNK = 2**20


class File(NamedTuple):
    """The content of one file, or the reason why there is none."""

    path: str  # relative, with `/` between folders
    data: bytes
    reason: str | None = None


class Files(Protocol):
    """A folder or an archive: the paths of its files, then their contents one by one."""

    root: Path

    @property
    def paths(self) -> Sequence[str]:
        """All paths, relative, with `/` between folders."""

    def __iter__(self) -> Iterator[File]:
        """Each file with its content; only one content is held at a time."""

    def digest(self) -> str:
        """The SHA-256 of all contents and names."""


def open_files(path: Path) -> Files:
    """The files below the folder or in the archive `path`. Raises `DataError` where it is neither."""
    if path.is_dir():
        return FolderFiles(path)
    return ArchiveFiles(path)


class FolderFiles:
    """The files of a folder, in the order of their names' bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._unread: dict[str, str] = {}  # folders that cannot be listed, or are links
        found = []
        for folder, names, files in os.walk(root, onerror=self._note):
            inside = os.path.relpath(folder, root)
            names[:] = [n for n in names if not _is_hidden(n)]
            for name in names:
                if os.path.islink(os.path.join(folder, name)):
                    self._unread[_join(inside, name)] = "a link to a folder, which is not followed"
            found += [_join(inside, name) for name in files if not _is_hidden(name)]
        self.paths: Sequence[str] = sorted([*found, *self._unread], key=path_key)

    def __iter__(self) -> Iterator[File]:
        for path in self.paths:
            reason = self._unread.get(path)
            yield self._read(path) if reason is None else File(path, b"", reason)

    def digest(self) -> str:
        """The SHA-256 of all names with the SHA-256 of each content."""
        return files_digest(self)

    def _note(self, error: OSError) -> None:
        self._unread[os.path.relpath(error.filename, self.root)] = f"a folder that cannot be read: {error.strerror}"

    def _read(self, path: str) -> File:
        full = os.path.join(self.root, path)
        try:
            if os.path.islink(full):
                real = os.path.realpath(full, strict=True)
                if os.path.commonpath([real, self._real]) != self._real:
                    return File(path, b"", "a link that leaves the folder")
                full = real
            kind = os.stat(full).st_mode
            if not stat.S_ISREG(kind):
                return File(path, b"", f"not a file but {_special(kind)}")
            with open(full, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_FILE_BYTES:
                    return File(path, b"", f"file of {size:,} bytes, more than {MAX_FILE_BYTES:,}")
                return File(path, file.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            if error.errno == errno.ELOOP:
                return File(path, b"", "a loop of links")
            link = "a link to nowhere" if os.path.islink(full) else "cannot be read"
            return File(path, b"", f"{link}: {error.strerror}")


class ArchiveFiles:
    """The files of a tar or zip archive, in its order, never unpacked onto the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @functools.cached_property
    def paths(self) -> Sequence[str]:
        """The names of all files: only read where the images must be decoded."""
        names: list[str] = []

        def note(name: str) -> bool:
            if _is_shown(name):
                names.append(name)
            return False

        for _ in iterate_members(self.root, wanted=note):
            pass
        return names

    def __iter__(self) -> Iterator[File]:
        for member in iterate_members(self.root, wanted=_is_shown):
            yield File(member.name, member.data)

    def digest(self) -> str:
        """The SHA-256 of the archive itself."""
        return file_digest(self.root)


def files_digest(files: Iterable[File]) -> str:
    """One SHA-256 over every file's name and content, or the reason that stands in its place."""
    whole = hashlib.sha256()
    for file in files:
        content = file.data if file.reason is None else file.reason.encode()
        name = os.fsencode(file.path)
        whole.update(len(name).to_bytes(4, "big") + name + (b"\1" if file.reason is None else b"\0"))
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


class Place(NamedTuple):
    """Where a file belongs."""

    part: str  # train, val or test
    class_name: str


def places(paths: Sequence[str]) -> dict[str, Place]:
    """The part and the class of each path that is in a class folder.

    >>> places(["set/A/1.png", "set/B/2.png", "set/readme.txt"])["set/B/2.png"]
    Place(part='train', class_name='B')
    >>> places(["train/A/1.png", "test/A/2.png"])["test/A/2.png"]
    Place(part='test', class_name='A')
    """
    split = {path: path.split("/") for path in paths}
    like_images = [p for path, p in split.items() if is_named_like_image(path)]
    sample = like_images if like_images else list(split.values())
    depth = 0
    while True:
        deeper = [p for p in sample if len(p) > depth + 1]
        if len({p[depth] for p in deeper}) != 1 or not any(len(p) > depth + 2 for p in deeper):
            break
        depth += 1
    tops = {p[depth].lower() for p in sample if len(p) > depth + 1}
    parted = tops <= PARTS.keys() and {"train"} < {PARTS[t] for t in tops}
    found = {}
    for path, p in split.items():
        inner = p[depth:]
        if parted and len(inner) > 2 and inner[0].lower() in PARTS:
            found[path] = Place(PARTS[inner[0].lower()], inner[1])
        elif not parted and len(inner) > 1:
            found[path] = Place("train", inner[0])
    return found


def is_named_like_image(path: str) -> bool:
    """Whether the name ends as those of images do."""
    return path.lower().endswith(ENDINGS)


def path_key(path: str) -> tuple[bytes, ...]:
    """The order of files: folder by folder, by the bytes of the names."""
    return tuple(os.fsencode(part) for part in path.split("/"))


def shown(path: str) -> str:
    """A name as it can be printed: bytes that are not UTF-8, and control characters, are written out.

    >>> shown("caf\\udce9.png"), shown("a\\nb")
    ('caf\\\\xe9.png', 'a\\\\nb')
    """
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOTES


def _is_shown(path: str) -> bool:
    return not any(_is_hidden(part) for part in path.split("/"))


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder.replace(os.sep, '/')}/{name}"


def _special(kind: int) -> str:
    if stat.S_ISDIR(kind):
        return "a folder"
    if stat.S_ISFIFO(kind):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(kind) else "a device"
