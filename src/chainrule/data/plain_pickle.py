"""Plain data out of a pickle, without running it: numbers, strings, lists, dictionaries and arrays of numbers.

A pickle is a program that can call any function of the reader's machine. This module does not execute it: it walks
over its instructions, knows only those that build plain data, and treats the few names that arrays and bytes are
made of as marks, not as functions. Arrays are built last, from bytes whose number is checked.
Everything else, from an unknown instruction to a name such as `os.system`, is a `DataError` that names the file; so
is what would grow when used: a container that holds itself, or one part used so often that writing it all out is vast.
All protocols, 0 to 5, are read. Source: the opcode table of Python's module `pickletools`.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.data.source import as_path
from chainrule.errors import DataError, require_number
from chainrule.files import read_at_most

_MOST_BYTES = 2**28  # of a file; a CIFAR-10 batch has 31 MB, CIFAR-100's training part 155 MB
_MOST_ITEMS = 2**24  # of all containers, each counted as often as it is used
_MOST_DEPTH = 100  # of containers in containers

#: The names that may occur, and what they stand for here.
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy.core.numeric", "_frombuffer"): "frombuffer",  # protocol 5
    ("numpy._core.numeric", "_frombuffer"): "frombuffer",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",  # how Python 3 writes bytes for Python 2
    ("__builtin__", "bytes"): "bytes",  # and no bytes at all
}
_DTYPES = frozenset(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "b1", "O8"])
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_MARK = object()


@dataclass
class _Name:
    kind: str


@dataclass
class _DType:
    code: str
    order: str = "|"
    slots: list[int] = field(default_factory=list, compare=False)  # of the memo that hold it

    def plain(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array:
    """An array that has been announced but not described yet."""

    def __init__(self) -> None:
        self.slots: list[int] = []


class _RefusalError(Exception):
    """Why a pickle is not plain data."""


def read_plain_pickle(path: str | os.PathLike[str], *, max_bytes: int = _MOST_BYTES) -> Any:
    """The object in the pickle at `path`, if it is plain data; Python 2 strings come as bytes.

    max_bytes: the largest file that is read. Raises `DataError` naming the file for anything else.
    """
    file = as_path("read_plain_pickle", path)
    require_number("read_plain_pickle", "max_bytes", max_bytes, integer=True, low=1)
    try:
        size = file.stat().st_size
        if size > max_bytes:
            raise DataError(f"read_plain_pickle: {file} must have at most {max_bytes} bytes, got {size}")
        with open(file, "rb") as stream:
            data = read_at_most(stream, max_bytes + 1)
    except FileNotFoundError:
        raise DataError(f"read_plain_pickle: path must be a file, got {str(file)!r}, which does not exist") from None
    except OSError as error:
        raise DataError(f"read_plain_pickle: {file} must be readable, got: {error}") from error
    return parse_plain_pickle(data, str(file))


def parse_plain_pickle(data: bytes, where: str) -> Any:
    """The object in the pickle `data`, if it is plain data; `where` names its origin in a `DataError`.

    >>> import pickle
    >>> parse_plain_pickle(pickle.dumps({"a": [1, 2.5, None]}), "memory")
    {'a': [1, 2.5, None]}
    """
    try:
        return _Machine(data).run()
    except (_RefusalError, MemoryError, OverflowError) as error:
        raise DataError(
            f"{where} must be a pickle of plain data (numbers, strings, lists, arrays), got {str(error)[:200]}"
        ) from None


class _Machine:
    """The stack, the marks in it and the memo of a pickle, as the instructions leave them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.allowance = 4 * len(data) + 2**20  # bytes that may be copied out of the pickle

    def run(self) -> Any:
        """Walk over all instructions; the value on the stack at STOP."""
        for name, argument in self._instructions():
            if name == "STOP":
                value = self._pop()
                if self.stack:
                    raise _RefusalError("more than one object")
                _require_plain(value)
                return value
            if name in _IGNORED:
                continue
            if name in _PUSHED:
                self.stack.append(_PUSHED[name](argument))
            elif name in _MADE:
                _MADE[name](self, argument)
            else:
                raise _RefusalError(f"the instruction {name}")
        raise _RefusalError("no end")

    def _instructions(self) -> Iterator[tuple[str, Any]]:
        stream = io.BytesIO(self.data)
        while code := stream.read(1):
            opcode = _OPCODES.get(code.decode("latin-1"))
            if opcode is None:
                raise _RefusalError(f"the byte {code!r} for an instruction")
            try:
                if opcode.name == "STRING":  # pickletools takes these for ASCII, but arrays are written so too
                    argument: Any = _python_2_string(stream.readline())
                else:
                    argument = None if opcode.arg is None else opcode.arg.reader(stream)
            except _RefusalError:
                raise
            except Exception as error:  # the readers raise whatever a damaged argument leads to
                raise _RefusalError(f"damaged bytes ({error})") from None
            yield opcode.name, argument

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _RefusalError("an instruction without its operand")
        return self.stack.pop()

    def _top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise _RefusalError(f"an instruction that needs a {kind.__name__}")
        return self.stack[-1]

    def _to_mark(self) -> list[Any]:
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                items = self.stack[at + 1 :]
                del self.stack[at:]
                return items
        raise _RefusalError("an instruction without its mark")

    # -- instructions that take from the stack ------------------------------------------------------------------

    def append(self, _: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def appends(self, _: Any) -> None:
        values = self._to_mark()
        self._top(list).extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def set_items(self, _: Any) -> None:
        self._set(self._to_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            raise _RefusalError("a key without its value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (int, str, bytes)):
                raise _RefusalError(f"a key of type {type(key).__name__}")
            if isinstance(key, int) and not -(2**63) <= key < 2**64:
                raise _RefusalError("a key of more than 64 bits")
            target[key] = value

    def list_of(self, _: Any) -> None:
        self.stack.append(self._to_mark())

    def dictionary_of(self, _: Any) -> None:
        items = self._to_mark()
        self.stack.append({})
        self._set(items)

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)][::-1]
        self.stack.append(tuple(values))

    def put(self, slot: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise _RefusalError("an instruction without its operand")
        value = self.stack[-1]
        self.memo[slot] = value
        if isinstance(value, (_DType, _Array)):
            value.slots.append(slot)

    def get(self, slot: int) -> None:
        if slot not in self.memo:
            raise _RefusalError("a reference to nothing")
        self.stack.append(self.memo[slot])

    def named(self, module: Any, attribute: Any) -> None:
        if not isinstance(module, str) or not isinstance(attribute, str) or (module, attribute) not in _NAMES:
            raise _RefusalError(f"the name {module}.{attribute}")
        self.stack.append(_Name(_NAMES[module, attribute]))

    def stack_global(self, _: Any) -> None:
        attribute, module = self._pop(), self._pop()
        self.named(module, attribute)

    def reduce(self, _: Any) -> None:
        arguments, name = self._pop(), self._pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise _RefusalError("a call of something that is no name")
        self.stack.append(_called(self, name.kind, arguments))

    def spend(self, content: Any) -> None:
        """Count bytes before they are copied: one long string in the memo could be copied any number of times."""
        self.allowance -= len(content) if isinstance(content, (str, bytes, bytearray)) else 0
        if self.allowance < 0:
            raise _RefusalError("the same bytes used again and again")

    def build(self, _: Any) -> None:
        state, target = self._pop(), self._pop()
        if isinstance(target, _DType):
            built: Any = _with_order(target, state)
        elif isinstance(target, _Array):
            built = _built_array(self, state)
        else:
            raise _RefusalError(f"a state for a {type(target).__name__}")
        for slot in target.slots:
            if self.memo[slot] is target:
                self.memo[slot] = built
        self.stack.append(built)


_IGNORED = frozenset({"PROTO", "FRAME"})

_bytes_of: Callable[[str], bytes] = lambda text: text.encode("latin-1")  # noqa: E731  how the readers show these

#: Instructions that push one value: how to make it of the argument.
_PUSHED: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    **dict.fromkeys(["BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"], lambda number: number),
    **dict.fromkeys(["INT", "LONG", "FLOAT"], lambda number: number),
    **dict.fromkeys(["SHORT_BINSTRING", "BINSTRING"], _bytes_of),
    **dict.fromkeys(["SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8", "STRING"], lambda value: value),
    **dict.fromkeys(["BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"], lambda text: text),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
}

#: Instructions that work on the stack.
_MADE: dict[str, Callable[[_Machine, Any], None]] = {
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine._to_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.list_of,
    "DICT": _Machine.dictionary_of,
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT"], _Machine.put),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    **dict.fromkeys(["GET", "BINGET", "LONG_BINGET"], _Machine.get),
    "GLOBAL": lambda machine, argument: machine.named(*argument.split(" ", 1)),
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _called(machine: _Machine, kind: str, arguments: tuple[Any, ...]) -> Any:
    if kind == "array":
        if not arguments or not isinstance(arguments[0], _Name) or arguments[0].kind != "ndarray":
            raise _RefusalError("an array that is none of NumPy's own")
        return _Array()
    if kind == "dtype":
        code = arguments[0] if arguments else None
        code = code.decode("latin-1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or code not in _DTYPES:
            raise _RefusalError(f"an array of dtype {code!r:.40}")
        return _DType(code)
    if kind == "frombuffer" and len(arguments) in (4, 5):
        return _array_of_buffer(machine, *arguments)
    if kind == "scalar" and len(arguments) == 2:
        return _shaped(machine, (), arguments[0], arguments[1], "C").item()
    if kind == "encode" and len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1":
        machine.spend(arguments[0])
        try:
            return arguments[0].encode("latin-1")
        except UnicodeEncodeError:
            raise _RefusalError("a string that is not bytes") from None
    if kind == "bytes" and arguments == ():
        return b""
    raise _RefusalError(f"a call of {kind}")


def _python_2_string(line: bytes) -> bytes:
    """The bytes of a string in quotes, as Python 2's `repr` writes it."""
    text = line.strip()
    if not line.endswith(b"\n") or len(text) < 2 or text[:1] not in b"'\"" or text[-1:] != text[:1]:
        raise _RefusalError("a string without its quotes")
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|[^x]|x|$)", _unescaped, text[1:-1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if len(escape) == 3:
        return bytes([int(escape[1:], 16)])
    if escape not in _ESCAPES:
        raise _RefusalError(f"the escape {match[0]!r} in a string")
    return _ESCAPES[escape]


_ESCAPES = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _with_order(dtype: _DType, state: Any) -> _DType:
    order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
    order = order.decode("latin-1") if isinstance(order, bytes) else order
    plain = isinstance(order, str) and order in ("<", ">", "|", "=")
    if not plain or any(part is not None for part in state[2:5]):
        raise _RefusalError("an array of a structured dtype")
    return _DType(dtype.code, str(order))


def _built_array(machine: _Machine, state: Any) -> Any:
    if not isinstance(state, tuple) or len(state) != 5:
        raise _RefusalError("an array without shape, dtype and content")
    _, shape, dtype, fortran, content = state
    if isinstance(dtype, _DType) and dtype.code == "O8":  # np.save keeps a dictionary as an array without axes
        if shape != () or not isinstance(content, list) or len(content) != 1:
            raise _RefusalError("an array of objects")
        return content[0]
    return _shaped(machine, shape, dtype, content, "F" if isinstance(fortran, int) and fortran else "C")


def _array_of_buffer(machine: _Machine, content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    """numpy's `_frombuffer`: in C or Fortran order, or in C order and then transposed by `axes`."""
    if not isinstance(order, str) or order not in ("C", "F", "K"):
        raise _RefusalError("an array without an order")
    array = _shaped(machine, shape, dtype, content, "F" if order == "F" else "C")
    if order == "K" and axes is not None:
        if not isinstance(axes, tuple) or not all(type(axis) is int for axis in axes):
            raise _RefusalError("an array without an order of its axes")
        if sorted(axes) != list(range(array.ndim)):
            raise _RefusalError("an array without an order of its axes")
        return array.transpose(axes)
    return array


def _shaped(machine: _Machine, shape: Any, dtype: Any, content: Any, order: str) -> np.ndarray:
    """A new array from bytes, whose number must be the one of shape and dtype."""
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
        raise _RefusalError("an array without a shape")
    if not isinstance(dtype, _DType) or dtype.code == "O8":
        raise _RefusalError("an array without a dtype of numbers")
    plain = dtype.plain()
    if not isinstance(content, (bytes, bytearray)) or math.prod(shape) * plain.itemsize != len(content):
        raise _RefusalError(f"an array of shape {str(shape)[:60]} whose content has another size")
    machine.spend(content)
    if plain.kind == "b" and content.translate(None, b"\0\1"):
        raise _RefusalError("truth values other than 0 and 1")
    sizes = tuple(max(n, 1) for n in shape)
    if math.prod(sizes) > 2**62:
        raise _RefusalError("an array without a shape")
    array = np.frombuffer(content, plain).reshape(shape, order="F" if order == "F" else "C")
    return array.astype(plain.newbyteorder("="))  # a writeable copy


def _require_plain(value: Any) -> None:
    """Raise if a name or half an array is left anywhere, if a container holds itself, or where all of it is vast."""
    sizes: dict[int, int] = {}  # by id: items below it, each as often as it is used; 0 while it is being counted
    depths: dict[int, int] = {}
    todo: list[tuple[Any, bool]] = [(value, False)]
    while todo:
        item, is_counted = todo.pop()
        if isinstance(item, (_Name, _DType, _Array)):
            raise _RefusalError("a name or an array without its content")
        if not isinstance(item, (list, tuple, dict)):
            continue
        inside = [part for part in (item.values() if isinstance(item, dict) else item) if _may_hold(part)]
        if is_counted:
            sizes[id(item)] = 1 + len(item) + sum(sizes.get(id(part), 0) for part in inside)
            depths[id(item)] = 1 + max((depths.get(id(part), 0) for part in inside), default=0)
            if sizes[id(item)] > _MOST_ITEMS or depths[id(item)] > _MOST_DEPTH:
                raise _RefusalError(f"more than {_MOST_ITEMS} items, or {_MOST_DEPTH} containers in one another")
        elif sizes.get(id(item)) == 0:
            raise _RefusalError("a container that holds itself")
        elif id(item) not in sizes:
            sizes[id(item)] = 0
            todo.append((item, True))
            todo += [(part, False) for part in inside]


def _may_hold(part: Any) -> bool:
    return isinstance(part, (list, tuple, dict, _Name, _DType, _Array))
