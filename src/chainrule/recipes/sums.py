"""The results of a run, with the SHA-256 of the files they were written beside, and of themselves.

The results are written last and in one piece, so that a run has its sums the moment it is complete. The last entry is
the sum of the file itself, with zeros where it stands.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from chainrule.errors import CheckpointError
from chainrule.files import encoded, open_regular, write_atomically
from chainrule.solver.plain import shortened

_OWN = re.compile(rb'"sha256": "([0-9a-f]{64})"\s*\}\s*\Z')
_ZEROS = "0" * 64
_BLOCK = 1 << 20


def write_with_sums(path: Path, results: Mapping[str, Any], beside: Iterable[str]) -> None:
    """Write `results`, which JSON can hold, to `path`, with the sums of those files `beside` it that are there."""
    files = {name: sha256_of(path.parent / name) for name in beside if (path.parent / name).is_file()}
    kept = {name: value for name, value in results.items() if name not in ("files", "sha256")}
    whole = {**kept, "files": files, "sha256": _ZEROS}
    content = encoded(json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    start, _, end = content.rpartition(_ZEROS.encode())
    write_atomically(path, start + hashlib.sha256(content).hexdigest().encode() + end)


def damage(path: Path, content: bytes, results: Mapping[str, Any], beside: Iterable[str]) -> list[str]:
    """What is wrong with the sums in `results`, read from `content`, the bytes of `path`; nothing where there are none.

    `beside` are the only files whose sums may stand there.
    """
    if "files" not in results and "sha256" not in results:  # written before there were sums, or by a run that failed
        return []
    own = _OWN.search(content)
    if own is None:
        return [f"{path.name}: must end with its own SHA-256"]
    at = own.start(1)
    if hashlib.sha256(content[:at] + _ZEROS.encode() + content[at + 64 :]).hexdigest().encode() != own[1]:
        return [f"{path.name}: its SHA-256 is not the one it ends with; the file is damaged"]
    files, allowed = results.get("files"), set(beside)
    if not isinstance(files, dict) or not files.keys() <= allowed:
        return [f"{path.name}: files must be a table of sums by name, of {', '.join(sorted(allowed))}, got "
                f"{shortened(files)}"]  # fmt: skip
    return [wrong for name, digest in files.items() if (wrong := _damage(path.parent, name, digest)) is not None]


def _damage(folder: Path, name: str, digest: Any) -> str | None:
    try:
        same = sha256_of(folder / name) == digest
    except CheckpointError as error:
        return f"{name}: {error}"
    return None if same else f"{name}: its SHA-256 is not the one in the results; the file is damaged"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a regular file, read block by block; `CheckpointError` where it cannot be read."""
    try:
        with open_regular(path) as (file, _):
            return _digest(file)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
