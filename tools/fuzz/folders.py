"""A folder of files as one run of bytes and back, so that whatever changes files can change folders."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping
from pathlib import Path

Files = dict[str, bytes]


def to_bytes(files: Mapping[str, bytes]) -> bytes:
    """Each file behind the lengths of its name and of its content."""
    parts = [(name.encode(), content) for name, content in files.items()]
    return b"".join(struct.pack("<HI", len(name), len(content)) + name + content for name, content in parts)


def of_bytes(data: bytes) -> Files:
    """The files; what is left over at the end is none."""
    files, at = {}, 0
    while at + 6 <= len(data):
        n, length = struct.unpack("<HI", data[at : at + 6])
        name = data[at + 6 : at + 6 + n].decode("latin-1")
        files[name] = data[at + 6 + n : at + 6 + n + length]
        at += 6 + n + length
    return files


def of_folder(folder: Path) -> Files:
    """What lies in a folder and below it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files as a folder, in the place of what is there."""
    for old in sorted(folder.rglob("*"), reverse=True):
        if old.is_dir():
            with contextlib.suppress(OSError):  # one that is still needed
                old.rmdir()
        elif str(old.relative_to(folder)) not in files:
            old.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
