"""Arguments checked against the annotations of their function, at the door of what users call.

    @typed
    def ordered_split(dataset: Dataset, *, train: int | float | None = None, ...) -> Splits: ...

An annotation is read as it stands: `int` is an integer (not True), `float` a finite number, `str | Path` a string or a
path, `Sequence[int]` a list of integers, a class an object of it. NumPy's numbers count as numbers and arrive as
Python's. What only a type checker knows (`Any`, arrays) is left to the function. Takes some microseconds a call, so
nothing that runs once a training step is checked this way.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import math
import os
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from chainrule.errors import ConfigError, DTypeError, describe, require_choice, shown

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
#: Checks one value: the owner, the argument, the value -> the value as the function is to see it.
Check = Callable[[str, str, Any], Any]


def typed(function: Callable[P, R]) -> Callable[P, R]:
    """`function` behind a check of its arguments against its annotations.

    >>> @typed
    ... def repeat(text: str, times: int = 2) -> str:
    ...     return text * times
    >>> repeat("ab", 1.5)
    Traceback (most recent call last):
    chainrule.errors.DTypeError: repeat: times must be an integer, got float 1.5
    """
    signature = inspect.signature(function)
    name = function.__qualname__.removesuffix(".__init__").rpartition("<locals>.")[2]
    checks: dict[str, Check] | None = None

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal checks
        if checks is None:  # only now: modules that annotations name may import this one
            checks = {n: c for n, p in signature.parameters.items() if (c := _check_of(p, function)) is not None}
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python says what is missing or unknown
        for argument, value in bound.arguments.items():
            if argument in checks and value is not signature.parameters[argument].default:
                bound.arguments[argument] = checks[argument](name, argument, value)
        return function(*bound.args, **bound.kwargs)

    return wrapper


def typed_fields(cls: type[C]) -> type[C]:
    """A frozen dataclass whose fields are checked against their annotations before anything else looks at them."""
    then = getattr(cls, "__post_init__", None)
    checks: dict[str, Check] | None = None

    def check(self: Any) -> None:
        nonlocal checks
        if checks is None:
            found = {f.name: _check_for(_resolved(f.type, sys.modules[cls.__module__].__dict__)) for f in _fields(cls)}
            checks = {name: one for name, one in found.items() if one is not None}
        for name, one in checks.items():
            object.__setattr__(self, name, one(cls.__name__, name, getattr(self, name)))
        if then is not None:
            then(self)

    setattr(cls, "__post_init__", check)  # noqa: B010
    return cls


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]


def _check_of(parameter: inspect.Parameter, function: Callable[..., Any]) -> Check | None:
    if parameter.annotation is parameter.empty or parameter.kind in (
        parameter.VAR_KEYWORD,
        parameter.VAR_POSITIONAL,
    ):
        return None
    return _check_for(_resolved(parameter.annotation, inspect.unwrap(function).__globals__))


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """What an annotation means; Any where only a type checker can tell."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)
    except NameError:
        return Any


# -- from a type to its check ---------------------------------------------------------------------------------------


def _check_for(hint: Any) -> Check | None:
    """The check of one annotation; None where there is nothing to check."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if typing.get_origin(hint) is typing.Annotated:
        return _check_for(typing.get_args(hint)[0])
    as_path: Callable[[Any], Any] | None = None
    if any(isinstance(o, type) and issubclass(o, os.PathLike) for o in map(_origin, options)):
        as_path = None if str in options else Path  # what is declared as a path alone arrives as one
        options = tuple(option for option in options if option is not str)  # a path as text is checked as a path
    known = [_kind(option) for option in options]
    if any(kind is None for kind in known):
        return None
    kinds = [kind for kind in known if kind is not None]
    nouns = list(dict.fromkeys(noun for noun, _ in kinds))
    noun = " or ".join(filter(None, (", ".join(nouns[:-1]), nouns[-1])))

    def check(owner: str, argument: str, value: Any) -> Any:
        reason: Exception | None = None
        for _, accept in kinds:
            try:
                taken = accept(owner, argument, value)
                return as_path(taken) if as_path is not None and isinstance(taken, (str, os.PathLike)) else taken
            except _NotOfKindError:
                continue
            except (ConfigError, DTypeError) as error:  # of the kind, but not as it has to be
                reason = reason if reason is not None else error
        if reason is not None:
            raise reason
        raise DTypeError(f"{owner}: {argument} must be {noun}, got {describe(value)}")

    return check


def _origin(hint: Any) -> Any:
    found = typing.get_origin(hint)
    return hint if found is None else found


class _NotOfKindError(Exception):
    """The value is of another kind."""


def _kind(hint: Any) -> tuple[str, Check] | None:
    """What values of a type are called, and the check that takes one; None for a type that says nothing."""
    if hint is Any or hint is object:
        return None
    if hint is None or hint is type(None):
        return "None", _only_if(lambda value: value is None)
    for plain, named in _PLAIN.items():
        if hint is plain:
            return named
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(map(repr, options)), functools.partial(_one_of, options)
    kind = hint if origin is None else origin
    if not isinstance(kind, type) or kind is np.ndarray:
        return None
    if issubclass(kind, os.PathLike):
        return "a string or a path", _path
    if kind in _CALLABLE:
        return "a function", _only_if(callable)
    if issubclass(kind, collections.abc.Mapping):
        return "a dictionary", _only_if(lambda value: isinstance(value, collections.abc.Mapping))
    if kind in (collections.abc.Sequence, list, tuple):
        return _sequence(kind, options)
    if kind is object or getattr(kind, "_is_protocol", False) or _is_open(kind):
        return None
    return f"a {kind.__name__}", _only_if(lambda value: isinstance(value, kind))


def _is_open(kind: type) -> bool:
    """Iterables that are not a class of their own making: what they hold is the function's business."""
    return issubclass(kind, collections.abc.Iterable) and not hasattr(kind, "_fields")


def _only_if(holds: Callable[[Any], bool]) -> Check:
    def accept(owner: str, argument: str, value: Any) -> Any:
        if not holds(value):
            raise _NotOfKindError
        return value

    return accept


def _plain(value: Any) -> Any:
    """NumPy's number as Python's."""
    if isinstance(value, (np.generic, np.ndarray)) and value.shape == () and value.dtype.kind in "iuf":
        return value.item()
    return value


def _integer(owner: str, argument: str, value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _NotOfKindError
    return value


def _number(owner: str, argument: str, value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _NotOfKindError
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer beyond the floats
        finite = False
    if not finite:
        raise ConfigError(f"{owner}: {argument} must be a finite number, got {shown(value)}")
    return value


def _text(owner: str, argument: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise _NotOfKindError
    return value


def _path(owner: str, argument: str, value: Any) -> Any:
    if not isinstance(value, (str, os.PathLike)):
        raise _NotOfKindError
    if not is_path(value):
        raise DTypeError(f"{owner}: {argument} must be a path, got {describe(value)}")
    return value


def is_path(value: Any) -> bool:
    """Whether a file can have that name in some folder: text or a path, not empty, no part of it too long."""
    try:
        text = os.fspath(value)
        parts = os.fsencode(text).split(os.fsencode(os.sep))
    except Exception:  # a path of the caller's own making may raise anything
        return False
    return isinstance(text, str) and text != "" and "\0" not in text and max(map(len, parts)) <= 255


def _one_of(options: tuple[Any, ...], owner: str, argument: str, value: Any) -> Any:
    if any(type(value) is type(option) and value == option for option in options):
        return value
    if isinstance(value, str) and all(isinstance(option, str) for option in options):
        require_choice(owner, argument, value, options)
    raise _NotOfKindError


def _sequence(kind: type, options: tuple[Any, ...]) -> tuple[str, Check]:
    """Lists and tuples, also as arrays of one axis; their entries by the type of one."""
    fixed = kind is tuple and options and options[-1] is not Ellipsis
    entries = [_check_for(option) for option in options if option is not Ellipsis]
    noun = f"{len(options)} values" if fixed else "a list"

    def accept(owner: str, argument: str, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.size and value.dtype.kind in "iuf":
            value = value.tolist()
        if not isinstance(value, (list, tuple, range)):
            raise _NotOfKindError
        if fixed and len(value) != len(options):
            raise ConfigError(f"{owner}: {argument} must be {noun}, got {len(value)}")
        checks = entries if fixed else entries * len(value) if entries else [None] * len(value)
        pairs = enumerate(zip(checks, value, strict=True))
        checked = [v if c is None else c(owner, f"{argument}[{i}]", v) for i, (c, v) in pairs]
        return tuple(checked) if kind is tuple or isinstance(value, tuple) else checked

    return noun, accept


_CALLABLE: tuple[Any, ...] = (collections.abc.Callable,)
_PLAIN: dict[Any, tuple[str, Check]] = {
    bool: ("True or False", _only_if(lambda value: isinstance(value, bool))),
    int: ("an integer", _integer),
    float: ("a number", _number),
    str: ("a string", _text),
    bytes: ("bytes", _only_if(lambda value: isinstance(value, bytes))),
}
