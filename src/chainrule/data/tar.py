"""The entries of a tar stream, read strictly and forward only: v7, ustar, GNU long names, pax.

    bytes 0-99     name             bytes 148-155  sum of the header's bytes, these eight counted as blanks
    bytes 124-135  size, octal      byte  156      kind: 0 file, 5 folder, L and K long names, x and g pax, ...
    bytes 257-264  "ustar"          bytes 345-499  what stands before the name

The header is one block of 512 bytes; the content follows, filled up to whole blocks; a block of zeros ends the archive.
Python's `tarfile` ends silently at a damaged header, takes extended headers of any length into memory and has slow
paths for hostile ones; here each of these is a `ArchiveError` and the work is linear in the bytes read.
Source: POSIX.1-2017, "pax", sections "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from chainrule.data.member_names import ArchiveError

BLOCK = 512
_CHUNK = 2**20
_MOST_EXTENDED = 2**20  # bytes of an extended header
_MOST_HEADERS = 8  # extended headers before one member
_KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"5": "folder"}
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


class Stream(Protocol):
    """What is needed of a stream: `read(n)`, fewer than n bytes only at the end."""

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes."""


@dataclass
class Entry:
    """A file or folder; the content of a file is read with `content`, or passed over on the way to the next entry."""

    name: str
    kind: str
    size: int
    _stream: Stream
    _taken: bool = False

    def content(self) -> bytes:
        """The bytes of the file, once."""
        self._taken = True
        return b"".join(self._pieces())

    def pass_over(self) -> None:
        """Leave the content unread, if it is."""
        if not self._taken:
            self._taken = True
            for _ in self._pieces():
                pass

    def _pieces(self) -> Iterator[bytes]:
        left = self.size
        while left > 0:
            piece = self._stream.read(min(left, _CHUNK))
            if not piece:
                raise ArchiveError(f"an end inside of {self.name!r}, {left} bytes early")
            left -= len(piece)
            yield piece
        fill = -self.size % BLOCK
        if len(self._stream.read(fill)) < fill:
            raise ArchiveError(f"an end just after {self.name!r}, inside of a block")


def read_entries(stream: Stream) -> Iterator[Entry]:
    """Files and folders in the order of the archive.

    Raises `ArchiveError` for links, devices, pipes and sparse files, damaged headers, and an archive without its end.
    """
    while (header := _header(stream)) is not None:
        overrides: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            kind, size = header[156:157], _number(header, 124, 136, "size")
            if kind not in b"LKxXg":
                break
            if size > _MOST_EXTENDED:
                raise ArchiveError(f"an extended header of {size} bytes, more than {_MOST_EXTENDED}")
            data = Entry("an extended header", "header", size, stream).content()
            if kind == b"L":
                overrides["path"] = _text(data.rstrip(b"\0"))
            elif kind in b"xX":
                overrides.update(_records(data))
            elif kind == b"g":
                _refuse_global(_records(data))
            following = _header(stream)
            if following is None:
                raise ArchiveError("an extended header without a member")
            header = following
        else:
            raise ArchiveError(f"more than {_MOST_HEADERS} extended headers in a row")
        entry = _entry(header, overrides, size, stream)
        yield entry
        entry.pass_over()


def looks_like_tar(block: bytes) -> bool:
    """Whether `block` starts with a tar header whose sum is right."""
    return len(block) >= BLOCK and any(block[:BLOCK]) and _sum_is_right(block[:BLOCK])


def _header(stream: Stream) -> bytes | None:
    """The next header; None at the block of zeros that ends the archive."""
    block = stream.read(BLOCK)
    if len(block) < BLOCK:
        raise ArchiveError("no end of the archive: it is cut short" if not block else "an end inside of a header")
    if not any(block):
        return None
    if not _sum_is_right(block):
        raise ArchiveError("a header whose sum is wrong")
    return block


def _sum_is_right(block: bytes) -> bool:
    try:
        declared = int(block[148:156].split(b"\0")[0].strip().decode("ascii") or "x", 8)
    except ValueError:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    return declared in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest))  # old tars sum signed bytes


def _entry(header: bytes, overrides: dict[str, str], size: int, stream: Stream) -> Entry:
    name = _text(header[:100].split(b"\0")[0])
    if header[257:263] == b"ustar\0" and header[345]:
        name = f"{_text(header[345:500].split(bytes(1))[0])}/{name}"
    name = overrides.get("path", name)
    kind = header[156:157]
    if kind in _REFUSED or any(key.startswith("GNU.sparse") for key in overrides):
        raise ArchiveError(f"{_REFUSED.get(kind, _REFUSED[b'S'])}, {name!r:.80}: only files and folders are read")
    if kind not in _KINDS:
        raise ArchiveError(f"an entry of unknown kind {kind!r}, {name!r:.80}")
    if "size" in overrides:
        if not (overrides["size"].isascii() and overrides["size"].isdigit() and len(overrides["size"]) < 20):
            raise ArchiveError(f"the size {overrides['size']!r:.40} of {name!r:.80}")
        size = int(overrides["size"])
    is_folder = kind == b"5" or name.endswith("/")  # before ustar a slash at the end made a folder
    if kind == b"5":
        size = 0  # whatever is declared, no content follows
    return Entry(name, "folder" if is_folder else "file", size, stream)


def _number(header: bytes, start: int, end: int, what: str) -> int:
    field = header[start:end]
    if field[0] == 0x80:  # GNU: the other bits are the number
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    if not digits.isdigit() and digits:
        raise ArchiveError(f"a header whose {what} is {field!r}")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise ArchiveError(f"a header whose {what} is {field!r}") from None


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header, each `LENGTH KEY=VALUE\\n`; only those that are used here are decoded."""
    records, at = {}, 0
    while at < len(data) and data[at]:
        blank = data.find(b" ", at, at + 8)
        length = data[at:blank] if blank > 0 else b""
        end = at + int(length) if length.isdigit() else 0
        if not blank < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ArchiveError("a damaged pax header")
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not equals:
            raise ArchiveError("a damaged pax header")
        if key in (b"path", b"size"):
            records[key.decode()] = _text(value)
        elif key.startswith(b"GNU.sparse"):
            records["GNU.sparse"] = ""
        at = end
    return records


def _refuse_global(records: dict[str, str]) -> None:
    if records:
        raise ArchiveError("a path or size for all members, in a global pax header")


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise ArchiveError(f"a name that is not UTF-8, {name!r:.80}") from None
