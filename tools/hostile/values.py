"""The kinds of bad value: what a caller can put where something else was meant.

A kind is made from the valid value it replaces. `same` is another form of that very value: where it is accepted, the
result must not change. `other` is another value: where it is accepted, it must be one that the signature admits.
"""

from __future__ import annotations

import decimal
import fractions
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Relation = Literal["same", "other"]


class Skip(Exception):  # noqa: N818, as pytest calls it
    """The kind says nothing about this value."""


class PlantedError(Exception):
    """What a callable of the caller's own raises; it must reach the caller as it is."""


class Unprintable:
    """An object whose text cannot be had."""

    def __repr__(self) -> str:
        raise PlantedError("no repr")

    __str__ = __repr__


class RaisingArray:
    """An object that says it is an array and fails to become one."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise PlantedError("no array")


class RaisingPath:
    """An object that says it is a path and fails to become one."""

    def __fspath__(self) -> str:
        raise PlantedError("no path")


class NumberInName(int):
    """A subclass of int."""


class StringInName(str):
    """A subclass of str."""


def raising(*_: Any, **__: Any) -> Any:
    """A callable that fails."""
    raise PlantedError("raised by the caller's own function")


@dataclass(frozen=True)
class Kind:
    """A kind of value: its name, how it is made from the valid one, how it relates to it."""

    name: str
    make: Callable[[Any], Any]
    relation: Relation = "other"


def _generator(values: Any = (1, 2)) -> Iterator[Any]:
    yield from values


def _structured() -> np.ndarray:
    return np.zeros(3, [("a", "i4"), ("b", "f8")])


def _sparse() -> Any:
    from scipy.sparse import csr_array

    return csr_array(np.eye(3))


def _plain(name: str, make: Callable[[], Any]) -> Kind:
    return Kind(name, lambda _: make())


#: Values of every type, put in place of every argument.
ANYTHING: tuple[Kind, ...] = (
    _plain("None", lambda: None),
    _plain("True", lambda: True),
    _plain("False", lambda: False),
    _plain("zero", lambda: 0),
    _plain("one", lambda: 1),
    _plain("minus one", lambda: -1),
    _plain("integer of 41 digits", lambda: 10**40),
    _plain("minus an integer of 400 digits", lambda: -(10**399)),
    _plain("integer of 5000 digits", lambda: 10**5000),
    _plain("2**63", lambda: 2**63),
    _plain("0.5", lambda: 0.5),
    _plain("-0.5", lambda: -0.5),
    _plain("1e300", lambda: 1e300),
    _plain("5e-324", lambda: 5e-324),
    _plain("NaN", lambda: float("nan")),
    _plain("infinity", lambda: float("inf")),
    _plain("minus infinity", lambda: float("-inf")),
    _plain("complex", lambda: 1 + 2j),
    _plain("Decimal", lambda: decimal.Decimal("0.5")),
    _plain("signalling Decimal", lambda: decimal.Decimal("sNaN")),
    _plain("Fraction", lambda: fractions.Fraction(1, 3)),
    _plain("NumPy NaN", lambda: np.float64("nan")),
    _plain("NumPy integer", lambda: np.int64(-3)),
    _plain("NumPy bool", lambda: np.bool_(True)),
    _plain("NumPy half", lambda: np.float16(0.5)),
    _plain("date", lambda: np.datetime64("2020-01-01")),
    _plain("empty string", lambda: ""),
    _plain("name that nobody has", lambda: "no_such_name"),
    _plain("string with a NUL", lambda: "a\0b"),
    _plain("string of 5000 letters", lambda: "x" * 5000),
    _plain("lone surrogate", lambda: "\udcff"),
    _plain("string with a newline", lambda: "a\nb"),
    _plain("path below nothing", lambda: "no/such/folder/x"),
    _plain("bytes", lambda: b"abc"),
    _plain("bytearray", lambda: bytearray(b"abc")),
    _plain("missing path", lambda: pathlib.Path("no/such/path")),
    _plain("raising path", RaisingPath),
    _plain("empty list", list),
    _plain("empty tuple", tuple),
    _plain("list of None", lambda: [None, None]),
    _plain("list of strings", lambda: ["a", "b"]),
    _plain("ragged list", lambda: [[1.0, 2.0], [3.0]]),
    _plain("nested list", lambda: [[[[1]]]]),
    _plain("list of NaN", lambda: [float("nan")] * 2),
    _plain("list of huge integers", lambda: [10**40, 1]),
    _plain("list that holds itself", lambda: (a := [1], a.append(a))[0]),
    _plain("generator", _generator),
    _plain("range", lambda: range(3)),
    _plain("set", lambda: {1, 2}),
    _plain("empty dictionary", dict),
    _plain("dictionary of numbers as keys", lambda: {1: 2, None: 3}),
    _plain("dictionary of strings", lambda: {"a": "b"}),
    _plain("object", object),
    _plain("unprintable object", Unprintable),
    _plain("raising array", RaisingArray),
    _plain("class", lambda: int),
    _plain("module", lambda: np),
    _plain("ellipsis", lambda: ...),
    _plain("slice", lambda: slice(None)),
    _plain("function of no arguments", lambda: lambda: None),
    _plain("function that raises", lambda: raising),
    _plain("array of no axes", lambda: np.array(2.0)),
    _plain("empty array", lambda: np.empty(0)),
    _plain("array (0, 3)", lambda: np.empty((0, 3))),
    _plain("array of six axes", lambda: np.ones((1, 2, 1, 2, 1, 2))),
    _plain("array of integers", lambda: np.arange(3)),
    _plain("array of unsigned integers", lambda: np.array([2**64 - 1], np.uint64)),
    _plain("array of booleans", lambda: np.array([True, False])),
    _plain("array of complex numbers", lambda: np.ones(3, complex)),
    _plain("array of strings", lambda: np.array(["a", "b"])),
    _plain("array of objects", lambda: np.array([None, 1], object)),
    _plain("array of dates", lambda: np.array(["2020-01-01"], "M8[D]")),
    _plain("structured array", _structured),
    _plain("array of NaN", lambda: np.full((2, 2), np.nan)),
    _plain("sparse array", _sparse),
)


# -- forms and faults of arrays -----------------------------------------------------------------------------------


def _array(value: Any) -> np.ndarray:
    if type(value) is not np.ndarray or value.size == 0:
        raise Skip
    return value


def _of(change: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
    return lambda value: change(_array(value))


def _memmap(x: np.ndarray) -> np.ndarray:
    np.asarray(x).tofile("mapped.bin")
    return np.memmap("mapped.bin", x.dtype, "r", shape=x.shape)


def _planted(x: np.ndarray, value: float) -> np.ndarray:
    if x.dtype.kind != "f":
        raise Skip
    bad = x.copy()
    bad.flat[x.size // 2] = value
    return bad


def _integers(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "iu":
        raise Skip
    return x


def _floats(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        raise Skip
    return x


def _readonly(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def _strided(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype) if x.ndim else _skip()
    wide[..., ::2] = x
    return wide[..., ::2]


def _skip() -> Any:
    raise Skip


def _axes(x: np.ndarray, least: int) -> np.ndarray:
    if x.ndim < least:
        raise Skip
    return x


def _with(x: np.ndarray, position: int, value: Any) -> np.ndarray:
    changed = x.copy()
    changed.flat[position] = value
    return changed


def _sparse_of(x: np.ndarray) -> Any:
    from scipy.sparse import csr_array

    if x.ndim != 2:
        raise Skip
    return csr_array(x)


ARRAY_FORMS: tuple[Kind, ...] = (
    Kind("as nested lists", _of(lambda x: x.tolist()), "same"),
    Kind("as a tuple", _of(lambda x: tuple(x.tolist()) if x.ndim else _skip()), "same"),
    Kind("of other byte order", _of(lambda x: x.astype(x.dtype.newbyteorder())), "same"),
    Kind("in Fortran order", _of(np.asfortranarray), "same"),
    Kind("with gaps in memory", _of(_strided), "same"),
    Kind("with negative strides", _of(lambda x: x[::-1].copy()[::-1] if x.ndim else _skip()), "same"),
    Kind("read-only", _of(_readonly), "same"),
    Kind("memory-mapped", _of(_memmap), "same"),
    Kind("as a masked array without a mask", _of(np.ma.asarray), "same"),
    Kind("as a matrix", _of(lambda x: np.asmatrix(x) if x.ndim == 2 else _skip()), "same"),
    Kind("as objects", _of(lambda x: x.astype(object)), "same"),
    Kind("as strings", _of(lambda x: x.astype(str)), "same"),
    Kind("as complex numbers", _of(lambda x: x.astype(complex)), "same"),
    Kind("as extended precision", _of(lambda x: _floats(x).astype(np.longdouble)), "same"),
    Kind("as single precision", _of(lambda x: _floats(x).astype(np.float32)), "same"),
    Kind("as int32", _of(lambda x: _integers(x).astype(np.int32)), "same"),
    Kind("as sparse rows", _of(_sparse_of), "same"),
    Kind("labels as floats", _of(lambda x: _integers(x).astype(float)), "same"),
)

ARRAY_FAULTS: tuple[Kind, ...] = (
    Kind("masked array with a mask", _of(lambda x: np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) == 0))),
    Kind("half precision", _of(lambda x: _floats(x).astype(np.float16))),
    Kind("rounded to integers", _of(lambda x: _floats(x).astype(int))),
    Kind("with an axis more at the end", _of(lambda x: x[..., None])),
    Kind("with an axis more in front", _of(lambda x: x[None])),
    Kind("without its last axis", _of(lambda x: _axes(x, 1)[..., 0])),
    Kind("flattened", _of(lambda x: _axes(x, 2).ravel())),
    Kind("transposed", _of(lambda x: _axes(x, 2).T)),
    Kind("first row only", _of(lambda x: _axes(x, 1)[:1])),
    Kind("one row less", _of(lambda x: _axes(x, 1)[:-1])),
    Kind("one row more", _of(lambda x: np.concatenate([_axes(x, 1), x[:1]]))),
    Kind("no rows", _of(lambda x: _axes(x, 1)[:0])),
    Kind("one column less", _of(lambda x: _axes(x, 2)[..., :-1])),
    Kind("one column more", _of(lambda x: np.concatenate([_axes(x, 2), x[..., :1]], axis=-1))),
    Kind("last axis of one", _of(lambda x: _axes(x, 2)[..., :1])),
    Kind("holding a NaN", _of(lambda x: _planted(x, np.nan))),
    Kind("holding an infinity", _of(lambda x: _planted(x, np.inf))),
    Kind("holding minus infinity", _of(lambda x: _planted(x, -np.inf))),
    Kind("of the largest numbers", _of(lambda x: np.full_like(_floats(x), np.finfo(x.dtype).max))),
    Kind("array negated", _of(lambda x: -x if x.dtype.kind in "fi" else _skip())),
    Kind("label -1", _of(lambda x: _with(_integers(x), 0, -1) if x.dtype.kind == "i" else _skip())),
    Kind("label beyond the classes", _of(lambda x: _with(_integers(x).astype(np.int64), 0, int(x.max()) + 100))),
    Kind("labels halved", _of(lambda x: _integers(x) + 0.5)),
    Kind("labels as booleans", _of(lambda x: _integers(x) > 0)),
    Kind("labels of the smallest integer", _of(lambda x: _with(_integers(x).astype(np.int64), 0, -(2**63)))),
)


# -- forms and faults of everything else --------------------------------------------------------------------------


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Skip
    return value


def _exactly(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if type(value) is kind else _skip()


def _numbers(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: change(_number(value))


NUMBERS: tuple[Kind, ...] = (
    Kind("as a NumPy scalar", _numbers(lambda v: np.float64(v) if isinstance(v, float) else np.int64(v)), "same"),
    Kind("as an array of no axes", _numbers(lambda v: np.array(v)), "same"),
    Kind("as an array of one", _numbers(lambda v: np.array([v])), "same"),
    Kind("as a list of one", _numbers(lambda v: [v]), "same"),
    Kind("as a string", _numbers(str), "same"),
    Kind("as Decimal", _numbers(decimal.Decimal), "same"),
    Kind("as Fraction", _numbers(fractions.Fraction), "same"),
    Kind("as complex", _numbers(complex), "same"),
    Kind("integer as a float", lambda v: float(_exactly(int)(v)), "same"),
    Kind("subclass of int", lambda v: NumberInName(_exactly(int)(v)), "same"),
    Kind("negated", _numbers(lambda v: -v if v else _skip())),
    Kind("plus a half", _numbers(lambda v: v + 0.5)),
    Kind("times 1e15", _numbers(lambda v: v * 10**15 if v else _skip())),
)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Skip
    return value


def _path(value: Any) -> pathlib.Path:
    if not isinstance(value, pathlib.Path):
        raise Skip
    return value


TEXTS: tuple[Kind, ...] = (
    Kind("subclass of str", lambda v: StringInName(_text(v)), "same"),
    Kind("as bytes", lambda v: _text(v).encode(), "same"),
    Kind("as a list of letters", lambda v: list(_text(v))),
    Kind("in a list", lambda v: [_text(v)]),
    Kind("misspelt", lambda v: _text(v)[:-1] + "~"),
    Kind("with a space in front", lambda v: " " + _text(v)),
    Kind("path as a string", lambda v: str(_path(v)), "same"),
    Kind("path as bytes", lambda v: str(_path(v)).encode(), "same"),
    Kind("a folder", lambda v: _path(v).parent),
    Kind("below a file", lambda v: _path(v) / "below" if _path(v).is_file() else _skip()),
    Kind("path with a name too long", lambda v: _path(v).parent / ("n" * 300)),
    Kind("path with a NUL", lambda v: f"{_path(v)}\0"),
    Kind("missing file", lambda v: _path(v).with_name("missing.file")),
    Kind("a device", lambda v: (_path(v), pathlib.Path("/dev/null"))[1]),
)


def _sequence(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not value or hasattr(value, "_fields"):
        raise Skip
    return value


def _like(value: Any, items: list[Any]) -> Any:
    return type(value)(items) if type(value) in (list, tuple) else _skip()


SEQUENCES: tuple[Kind, ...] = (
    Kind("list as tuple, tuple as list", lambda v: (tuple if isinstance(_sequence(v), list) else list)(v), "same"),
    Kind("as a generator", lambda v: _generator(_sequence(v)), "same"),
    Kind("as an array of objects", lambda v: _object_array(_sequence(v)), "same"),
    Kind("first entry alone", lambda v: _sequence(v)[0]),
    Kind("with None at the end", lambda v: _like(_sequence(v), [*v, None])),
    Kind("with a string in front", lambda v: _like(_sequence(v), ["a", *v])),
    Kind("with NaN in front", lambda v: _like(_sequence(v), [float("nan"), *v[1:]])),
    Kind("with a negative entry", lambda v: _like(_sequence(v), [-1, *v[1:]])),
    Kind("one entry less", lambda v: _like(_sequence(v), [*v[:-1]])),
    Kind("one entry more", lambda v: _like(_sequence(v), [*v, v[-1]])),
    Kind("nested once more", lambda v: _like(_sequence(v), [v])),
    Kind("emptied", lambda v: _like(_sequence(v), [])),
    Kind("as a dictionary", lambda v: dict(enumerate(_sequence(v)))),
    Kind("sequence as a string", lambda v: str(_sequence(v))),
)


def _object_array(items: Any) -> np.ndarray:
    if any(hasattr(item, "__array__") or hasattr(item, "__len__") for item in items):
        raise Skip
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping) or not value:
        raise Skip
    return dict(value)


def _first(value: Any) -> Any:
    return next(iter(_mapping(value)))


MAPPINGS: tuple[Kind, ...] = (
    Kind("as pairs", lambda v: list(_mapping(v).items())),
    Kind("keys alone", lambda v: list(_mapping(v))),
    Kind("values alone", lambda v: list(_mapping(v).values())),
    Kind("without its first entry", lambda v: dict(list(_mapping(v).items())[1:])),
    Kind("with an unknown entry", lambda v: {**_mapping(v), "no_such_name": 1}),
    Kind("with a key that is no string", lambda v: {**_mapping(v), 5: 1}),
    Kind("with None as a value", lambda v: {**_mapping(v), _first(v): None}),
    Kind("with a string as a value", lambda v: {**_mapping(v), _first(v): "a"}),
    Kind("with an object as a value", lambda v: {**_mapping(v), _first(v): object()}),
    Kind("with NaN as a value", lambda v: {**_mapping(v), _first(v): float("nan")}),
    Kind("with a list as a value", lambda v: {**_mapping(v), _first(v): [1, 2]}),
    Kind("with an array of another shape", lambda v: {**_mapping(v), _first(v): np.ones((3, 1, 2))}),
    Kind("with an array that broadcasts", lambda v: {**_mapping(v), _first(v): np.ones(1)}),
    Kind("with an array of strings", lambda v: {**_mapping(v), _first(v): np.array(["a"])}),
)


def _function(value: Any) -> Any:
    if not callable(value) or isinstance(value, type) or type(value).__module__.startswith("chainrule"):
        raise Skip
    return value


FUNCTIONS: tuple[Kind, ...] = (
    Kind("function of nine arguments", lambda v: (_function(v), lambda a, b, c, d, e, f, g, h, i: None)[1]),
    Kind("function that returns None", lambda v: (_function(v), lambda *a, **k: None)[1]),
    Kind("function that returns a string", lambda v: (_function(v), lambda *a, **k: "a")[1]),
    Kind("function that returns NaN", lambda v: (_function(v), lambda *a, **k: float("nan"))[1]),
    Kind("function that returns a list", lambda v: (_function(v), lambda *a, **k: [1, 2, 3])[1]),
    Kind("name of the function", lambda v: getattr(_function(v), "__name__", "f")),
    Kind("what the function's class is", lambda v: type(_function(v))),
)

OBJECTS: tuple[Kind, ...] = (
    Kind("the class instead of an object", lambda v: type(v) if _is_ours(v) else _skip()),
    Kind("the object's text", lambda v: str(type(v).__name__) if _is_ours(v) else _skip()),
    Kind("the object in a list", lambda v: [v] if _is_ours(v) else _skip()),
    Kind("the object's fields", lambda v: dict(vars(v)) if _is_ours(v) and hasattr(v, "__dict__") else _skip()),
    Kind("an object of a subclass's look", lambda v: type("Other", (), {})() if _is_ours(v) else _skip()),
)


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("chainrule")


KINDS: tuple[Kind, ...] = (
    *ANYTHING,
    *ARRAY_FORMS,
    *ARRAY_FAULTS,
    *NUMBERS,
    *TEXTS,
    *SEQUENCES,
    *MAPPINGS,
    *FUNCTIONS,
    *OBJECTS,
)


def kinds_for(value: Any) -> Iterator[tuple[Kind, Any]]:
    """Every kind that says something about `value`, with what replaces it."""
    for kind in KINDS:
        try:
            with warnings.catch_warnings(action="ignore"):  # of matrices, which are going away
                made = kind.make(value)
        except Skip:
            continue
        yield kind, made
