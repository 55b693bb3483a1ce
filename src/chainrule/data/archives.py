"""Reading .tar, .tar.gz, .tar.xz, .tar.bz2 and .zip archives that may be hostile: regular files only, with caps.

The mistakes it guards against: a member that lands outside of the folder (`../x`, `/etc/x`, `C:\\x`, through a link), a
device or a pipe, two members for one file, a few kilobytes that unpack to terabytes, an archive cut short that looks
whole. No link is ever made, no permission taken from the archive, and `extract` shows a folder only when all of the
archive has been read without a fault.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from chainrule.data.member_names import ArchiveError, Names
from chainrule.data.source import as_path
from chainrule.data.tar import BLOCK, Stream, looks_like_tar, read_entries
from chainrule.errors import ConfigError, DataError, DTypeError, describe, require_number
from chainrule.files import sync_folder
from chainrule.typed import typed

MAX_FILES = 1_000_000
MAX_BYTES = 2**33  # of all members together
MAX_MEMBER_BYTES = 2**28
MAX_RATIO = 250  # bytes out for a byte in; images pack to a half, text to a twentieth

_FREE = 2**24  # unpacked bytes for which the ratio is not looked at
_XZ_MEMORY = 2**28  # for the dictionary; `xz -9` makes one of 64 MiB
_CHUNK = 2**20
_DIRECTORY_ENTRY = 600  # bytes of one in a zip archive's directory: 46, the name, extra fields

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class Member:
    """A regular file of an archive: its relative path with `/` between folders, and its content."""

    name: str
    data: bytes


@dataclass(frozen=True)
class _Limits:
    files: int
    bytes: int
    member_bytes: int
    ratio: float


@typed
def iterate_members(
    path: str | os.PathLike[str],
    *,
    wanted: Wanted | None = None,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
    max_member_bytes: int = MAX_MEMBER_BYTES,
    max_ratio: float = MAX_RATIO,
) -> Iterator[Member]:
    """The regular files of an archive in its order, straight from memory; what kind it is its first bytes say.

    wanted: takes a member's name, says whether to read it; the others are passed over, though checked. max_files: of
    members, folders included. max_bytes, max_member_bytes: unpacked, of all members and of one. max_ratio: unpacked
    bytes for each packed one, counted beyond the first 16 MiB.
    Raises `DataError`, at the latest while iterating, naming the archive and the member, for one that is missing,
    damaged or cut short, over a cap, or that holds a link, device or pipe or an unsafe or repeated name.
    """
    owner = "iterate_members"
    file, limits = _checked(owner, path, wanted, max_files, max_bytes, max_member_bytes, max_ratio)
    return _members(owner, file, wanted, limits, Names())


@typed
def extract(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    wanted: Wanted | None = None,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
    max_member_bytes: int = MAX_MEMBER_BYTES,
    max_ratio: float = MAX_RATIO,
) -> int:
    """Unpack the regular files of an archive into the new or empty `folder`, all or nothing; how many they were.

    The other arguments and errors are those of `iterate_members`; names that differ only in case are refused too, as
    some file systems hold them for one. The files appear under `folder` at once, at the end.
    """
    owner = "extract"
    file, limits = _checked(owner, path, wanted, max_files, max_bytes, max_member_bytes, max_ratio)
    target = Path(os.path.realpath(as_path(owner, folder)))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigError(f"{owner}: folder must be new or empty, got {str(target)!r}, which is not")
    count = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}."))
        try:
            root = temporary / "files"  # made with the user's own permissions, which mkdtemp's folder has not
            root.mkdir()
            for member in _members(owner, file, wanted, limits, Names(ignore_case=True)):
                place = root / member.name
                place.parent.mkdir(parents=True, exist_ok=True)
                with open(place, "xb") as out:
                    out.write(member.data)
                count += 1
            getattr(os, "sync", lambda: None)()  # one for all files is quicker than one a file
            if target.exists():
                target.rmdir()
            os.replace(root, target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{owner}: {file} cannot be unpacked into {target}: {error}") from None
    return count


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether the file at `path` is a tar or zip archive, packed or not; seen from its content, not from its name."""
    try:
        with open(as_path("is_archive", path), "rb") as raw:
            if _is_zip(raw):
                return True
            return looks_like_tar(_unpacked(raw).read(BLOCK))
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _checked(
    owner: str, path: Any, wanted: Any, max_files: Any, max_bytes: Any, max_member_bytes: Any, max_ratio: Any
) -> tuple[Path, _Limits]:
    file = as_path(owner, path)
    if wanted is not None and not callable(wanted):
        raise DTypeError(f"{owner}: wanted must be a function of a name, got {describe(wanted)}")
    for argument, value in (("files", max_files), ("bytes", max_bytes), ("member_bytes", max_member_bytes)):
        require_number(owner, f"max_{argument}", value, integer=True, low=1)
    require_number(owner, "max_ratio", max_ratio, low=1)
    return file, _Limits(max_files, max_bytes, max_member_bytes, max_ratio)


def _members(owner: str, file: Path, wanted: Wanted | None, limits: _Limits, names: Names) -> Iterator[Member]:
    """The members of either kind of archive; every fault becomes a `DataError` that names the archive."""
    rule = "must be a whole tar or zip archive of regular files"
    try:
        with open(file, "rb") as raw:
            reader = _zip_members if _is_zip(raw) else _tar_members
            budget = _Budget(limits, os.fstat(raw.fileno()).st_size)
            yield from reader(raw, wanted, budget, names)
    except FileNotFoundError:
        raise DataError(f"{owner}: path must be an archive, got {str(file)!r}, which does not exist") from None
    except ArchiveError as error:
        raise DataError(f"{owner}: {file} {rule}, got {error}") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{owner}: {file} {rule}, got: {error}") from None


class _Budget:
    """How much an archive may still unpack to."""

    def __init__(self, limits: _Limits, packed: int) -> None:
        self.limits, self.packed = limits, packed
        self.members = self.declared = self.unpacked = 0

    def member(self, name: str, size: int) -> None:
        """Count a member before it is read, with the size that it declares."""
        self.members += 1
        self.declared += size
        if self.members > self.limits.files:
            raise ArchiveError(f"more than {self.limits.files} members (max_files)")
        if size > self.limits.member_bytes:
            raise ArchiveError(f"{size} bytes in {name!r}, more than {self.limits.member_bytes} (max_member_bytes)")
        if self.declared > self.limits.bytes:
            raise ArchiveError(f"more than {self.limits.bytes} bytes in its members up to {name!r} (max_bytes)")

    def spend(self, count: int) -> None:
        """Count bytes as they are unpacked."""
        self.unpacked += count
        if self.unpacked > self.limits.bytes + 2 * BLOCK * (self.members + 100):
            raise ArchiveError(f"more than {self.limits.bytes} bytes when unpacked (max_bytes)")
        if self.unpacked > _FREE + self.limits.ratio * self.packed:
            raise ArchiveError(
                f"a bomb: more than {self.limits.ratio:g} times its {self.packed} bytes when unpacked (max_ratio)"
            )


# -- tar ---------------------------------------------------------------------------------------------------------


def _tar_members(raw: BinaryIO, wanted: Wanted | None, budget: _Budget, names: Names) -> Iterator[Member]:
    stream = _Metered(_unpacked(raw), budget)
    for entry in read_entries(stream):
        name = names.checked(entry.name, entry.kind == "folder")
        budget.member(name, entry.size)
        if entry.kind == "file" and (wanted is None or wanted(name)):
            yield Member(name, entry.content())
    while stream.read(_CHUNK):  # to the end, where the checksum of the packed stream is compared
        pass


class _Metered:
    """A stream that counts what it gives."""

    def __init__(self, stream: Stream, budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, count: int, /) -> bytes:
        data = self._stream.read(count)
        self._budget.spend(len(data))
        return data


def _unpacked(raw: BinaryIO) -> Stream:
    """The content of a file that may be packed with gzip, xz or bzip2."""
    start = raw.read(6)
    raw.seek(0)
    if start[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    if start[:3] == b"BZh":
        return bz2.BZ2File(raw)
    if start == b"\xfd7zXZ\0":
        return _XZ(raw)
    return raw


class _XZ:
    """An xz file, read with a limit on memory: `lzma.open` would make a dictionary of any declared size."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._ready, self._feed = raw, bytearray(), b""
        self._decompressor: lzma.LZMADecompressor | None = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, count: int, /) -> bytes:
        while len(self._ready) < count and self._decompressor is not None:
            self._advance(self._decompressor, count - len(self._ready))
        data = bytes(self._ready[:count])
        del self._ready[:count]
        return data

    def _advance(self, decompressor: lzma.LZMADecompressor, most: int) -> None:
        if decompressor.needs_input and not self._feed:
            self._feed = self._raw.read(_CHUNK)
            if not self._feed:
                raise EOFError("the end of the file inside of its xz stream")
        self._ready += decompressor.decompress(self._feed, most)
        self._feed = b""
        if decompressor.eof:  # another stream may follow, with zeros between
            self._feed = decompressor.unused_data.lstrip(b"\0")
            while not self._feed and (more := self._raw.read(_CHUNK)):
                self._feed = more.lstrip(b"\0")
            self._decompressor = self._new() if self._feed else None


# -- zip ---------------------------------------------------------------------------------------------------------


def _is_zip(raw: BinaryIO) -> bool:
    start = raw.read(4)
    raw.seek(0)
    return start in (b"PK\3\4", b"PK\5\6")


def _zip_members(raw: BinaryIO, wanted: Wanted | None, budget: _Budget, names: Names) -> Iterator[Member]:
    with contextlib.ExitStack() as stack:
        with _zip_faults():
            _check_directory(raw, budget)
            archive = stack.enter_context(zipfile.ZipFile(raw))
        for info in archive.infolist():
            is_folder = info.orig_filename.endswith("/")
            name = names.checked(info.orig_filename, is_folder)
            budget.member(name, info.file_size)
            _check_entry(name, info)
            if not is_folder and (wanted is None or wanted(name)):
                with _zip_faults(name):
                    data = _zip_content(archive, info, name, budget)
                yield Member(name, data)


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: _Budget) -> bytes:
    pieces, size = [], 0
    with archive.open(info) as stream:
        while piece := stream.read(_CHUNK):  # to the end, where zipfile compares the checksum
            budget.spend(len(piece))
            pieces.append(piece)
            size += len(piece)
    if size != info.file_size:
        raise ArchiveError(f"{size} bytes in {name!r}, which declares {info.file_size}")
    return b"".join(pieces)


def _check_entry(name: str, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        link = "a symbolic link" if kind == stat.S_IFLNK else "a device, pipe or socket"
        raise ArchiveError(f"{link}, {name!r}: only files and folders are read")
    if info.flag_bits & 1:
        raise ArchiveError(f"{name!r}, which is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        raise ArchiveError(f"{name!r}, packed by method {info.compress_type} rather than stored, deflate or bzip2")


def _check_directory(raw: BinaryIO, budget: _Budget) -> None:
    """Refuse a directory too long for the members allowed, all of which zipfile would take into memory."""
    raw.seek(max(budget.packed - 2**16 - 98, 0))
    tail = raw.read()
    raw.seek(0)
    end = tail.rfind(b"PK\5\6")
    if end < 0:
        raise ArchiveError("no directory at its end: it is cut short")
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end >= 76 and tail[end - 20 : end - 16] == b"PK\6\7":  # zip64: a record of 56 bytes, a locator of 20
        length = int.from_bytes(tail[end - 36 : end - 28], "little")
    if length > budget.limits.files * _DIRECTORY_ENTRY:
        raise ArchiveError(f"a directory of {length} bytes, too long for {budget.limits.files} members (max_files)")


@contextlib.contextmanager
def _zip_faults(name: str | None = None) -> Iterator[None]:
    """zipfile and its decompressors raise more kinds of exception than they document."""
    try:
        yield
    except ArchiveError:
        raise
    except Exception as error:
        raise ArchiveError(f"{'a damaged directory' if name is None else f'damage in {name!r}'} ({error})") from None
