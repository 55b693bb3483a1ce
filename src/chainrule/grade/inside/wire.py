"""Values across a pipe without pickle: a JSON tree, and the arrays in it as raw bytes whose sizes are checked.

    b"CRW1" | length of the tree, 4 bytes | the tree | the arrays, one after the other

What the child sends is written by somebody else's program, so `decode` takes it for hostile: dtypes from a closed
list, sizes that must add up exactly, a limited tree. Nothing is ever constructed but plain values and arrays.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

MAGIC = b"CRW1"
MAX_TREE = 2**20
MAX_NODES = 20_000
MAX_DEPTH = 12
MAX_TEXT = 2000
MAX_RANK = 8
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


class WireError(ValueError):
    """What came is not a message of this format."""


class Foreign:
    """A value that is neither plain nor an array, known by its description only."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def encode(value: Any) -> bytes:
    """`value`, made of None, bool, int, float, str, lists, tuples, dictionaries and real arrays, as a message.

    Anything else goes as its description; wide floats go as float64.
    """
    chunks: list[bytes] = []
    tree = json.dumps(_node(value, chunks, 0)).encode()
    return b"".join([MAGIC, len(tree).to_bytes(4, "little"), tree, *chunks])


def decode(message: bytes) -> Any:
    """The value of a message; a `WireError` for anything that `encode` does not write. Arrays cannot be written to."""
    if message[:4] != MAGIC or len(message) < 8:
        raise WireError("not a message of this format")
    length = int.from_bytes(message[4:8], "little")
    if length > MAX_TREE or 8 + length > len(message):
        raise WireError(f"a tree of {length} bytes in a message of {len(message)}")
    try:
        tree = json.loads(message[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise WireError(f"a damaged tree: {type(error).__name__}") from None
    reader = _Reader(memoryview(message)[8 + length :])
    value = reader.value(tree, 0)
    if reader.at != len(reader.data):
        raise WireError(f"{len(reader.data) - reader.at} bytes too many")
    return value


def _node(value: Any, chunks: list[bytes], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return {"o": "values nested too deeply"}
    if value is None or type(value) in (bool, float):
        return value
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return _array(value, chunks)
    if type(value) is int:
        return value if abs(value) < 2**63 else {"o": "an integer beyond 64 bits"}
    if type(value) is str:
        return value[:MAX_TEXT]
    if type(value) in (list, tuple):
        return [_node(item, chunks, depth + 1) for item in value]
    if type(value) is dict:
        return {"d": [[str(key)[:MAX_TEXT], _node(item, chunks, depth + 1)] for key, item in value.items()]}
    return {"o": f"{type(value).__name__} object"[:MAX_TEXT]}


def _array(value: np.ndarray, chunks: list[bytes]) -> Any:
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        value = value.astype(np.float64)
    code = value.dtype.str[1:]
    if code not in DTYPES or value.ndim > MAX_RANK:
        return {"o": f"an array of shape {value.shape} and dtype {value.dtype}"[:MAX_TEXT]}
    raw = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).tobytes()
    chunks.append(raw)
    return {"a": [code, list(value.shape)]}


class _Reader:
    """Walks a tree, taking its arrays from `data` in order."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at, self.nodes = data, 0, 0

    def value(self, node: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > 2 * MAX_DEPTH or self.nodes > MAX_NODES:
            raise WireError("a tree that is too deep or too large")
        if node is None or isinstance(node, (bool, float)):
            return node
        if isinstance(node, int):
            if abs(node) >= 2**63:
                raise WireError("an integer beyond 64 bits")
            return node
        if isinstance(node, str):
            return node[:MAX_TEXT]
        if isinstance(node, list):
            return [self.value(item, depth + 1) for item in node]
        if not isinstance(node, dict) or len(node) != 1:
            raise WireError("an unknown node")
        ((kind, content),) = node.items()
        if kind == "a":
            return self.array(content)
        if kind == "d" and isinstance(content, list):
            return dict(self.pair(item, depth + 1) for item in content)
        if kind == "o" and isinstance(content, str):
            return Foreign(content[:MAX_TEXT])
        raise WireError("an unknown node")

    def pair(self, item: Any, depth: int) -> tuple[str, Any]:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
            raise WireError("a damaged dictionary")
        return item[0][:MAX_TEXT], self.value(item[1], depth)

    def array(self, content: Any) -> np.ndarray:
        if not isinstance(content, list) or len(content) != 2:
            raise WireError("a damaged array")
        code, shape = content
        if code not in DTYPES or not isinstance(shape, list) or len(shape) > MAX_RANK:
            raise WireError("an array of an unknown dtype or shape")
        if not all(type(n) is int and 0 <= n <= 2**40 for n in shape):
            raise WireError("an array of an impossible shape")
        dtype = np.dtype(f"<{code}")
        count = math.prod(shape)
        end = self.at + count * dtype.itemsize
        if end > len(self.data):
            raise WireError("an array longer than the message")
        raw = self.data[self.at : end]
        self.at = end
        if code == "b1":  # any byte is not a bool: 2 would be neither
            return (np.frombuffer(raw, np.uint8) != 0).reshape(shape)
        return np.frombuffer(raw, dtype).reshape(shape)
