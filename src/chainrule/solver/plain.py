"""JSON that may come from anywhere: small, of one spelling, and read within a known amount of memory.

A byte of JSON can become forty bytes of Python objects, and a key that stands twice means one thing to one reader and
another to the next. So what a text would take is counted before it is parsed, and a repeated key is an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chainrule.errors import CheckpointError
from chainrule.files import open_regular

MAX_BYTES = 16 << 20
#: What the objects of a text may take together, and what one takes at most: a table, a list, an entry of either.
MAX_MEMORY, TABLE, LIST, ENTRY = 40 << 20, 232, 72, 40
MAX_DIGITS = 20  # of an integer: seeds go up to 2⁶⁴
MAX_DEPTH = 128


def parse_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object that `content` is; a `CheckpointError` that starts with `where` if it is none."""
    refusal = memory_refusal(content)
    if refusal is not None:
        raise CheckpointError(f"{where}: {refusal}")
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_table, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: must hold an object, got {type(value).__name__}")
    if _is_deep(value):
        raise CheckpointError(f"{where}: must be nested {MAX_DEPTH} deep at most, got more")
    return value


def memory_refusal(content: bytes) -> str | None:
    """Why a text of JSON is too large to be parsed; None where it is not."""
    if len(content) > MAX_BYTES:
        return f"must be at most {MAX_BYTES} bytes of JSON, got {len(content)}"
    needed = TABLE * content.count(b"{") + LIST * content.count(b"[") + ENTRY * content.count(b",")
    needed += 0 if content.isascii() else 3 * len(content)  # four bytes a character, instead of one
    return f"must take at most {MAX_MEMORY} bytes of memory, would take up to {needed}" if needed > MAX_MEMORY else None


def read_object(path: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object in the regular file `path` of at most `limit` bytes; `CheckpointError` if it is none."""
    return parse_object(read_limited(path, limit), str(path))


def read_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes; `CheckpointError` for anything else."""
    try:
        with open_regular(path) as (file, size):
            content = file.read(size + 1) if size <= limit else b""
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path}: cannot be read: {reason}") from None
    if size > limit:
        raise CheckpointError(f"{path}: must be at most {limit} bytes, got {size}")
    if len(content) != size:
        raise CheckpointError(f"{path}: had {size} bytes when it was opened, and another size when it was read")
    return content


def _is_deep(value: Any) -> bool:
    """Whether lists and tables lie deeper in each other than any reader should have to follow."""
    level, depth = [value], 0
    while level and depth < MAX_DEPTH:
        entries = (e for v in level for e in (v.values() if isinstance(v, dict) else v))
        level = [entry for entry in entries if isinstance(entry, (dict, list))]
        depth += 1
    return bool(level)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shortened(twice)} stands twice in one object")
    return table


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def shortened(value: Any) -> str:
    """The repr of a value that may be long, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
