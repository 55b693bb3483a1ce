"""What came of a bad value: a typed error, an accepted form with the same result, an admitted value, or a fault."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import math
import numbers
import os
import pathlib
import re
import signal
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from chainrule.errors import ChainruleError, DivergenceError, printable
from hostile.values import PlantedError

#: Good: typed (a ChainruleError that names the argument and says what came), equal (accepted, the same result),
#: admitted (accepted, a value of the declared type, a finite result), language (Python's own TypeError about the
#: number or names of arguments), own (the caller's own exception). Everything else is a fault.
GOOD = ("typed", "equal", "admitted", "language", "own")
FAULTS = ("raw", "unnamed", "warning", "slow", "shape", "foreign", "not finite", "different", "exit")

_ARITY = re.compile(r"takes .* positional argument|missing .*required|missing required|unexpected keyword")

SECONDS = 90.0  # far beyond any call of the matrix: a hang


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One case: `status` of `GOOD` or `FAULTS`, and what was raised or returned."""

    status: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.status in GOOD


class Slow(BaseException):  # not an Exception, which the code under test might catch
    """The call did not come back."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(call: Callable[[], Any]) -> Any:
    """The result of `call`, an iterator's first members as a list, with every warning an error."""
    with _limited(SECONDS), warnings.catch_warnings():
        warnings.simplefilter("error")
        result = call()
        if isinstance(result, collections.abc.Iterator):
            result = [item for item, _ in zip(result, range(20), strict=False)]
        return result


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What is known of a case before it runs.

    argument: the parameter's name. names: what a message may call it. hint: its type. valid: the valid value.
    result: what the valid call returns. relation: of the bad value to the valid one. value: the bad value.
    any_shape: arrays of other shapes are as good.
    """

    argument: str
    names: tuple[str, ...]
    hint: Any
    valid: Any
    result: Any
    relation: Literal["same", "other"]
    value: Any
    any_shape: bool = False
    default: Any = inspect.Parameter.empty
    any_value: bool = False


def judge(call: Callable[[], Any], expected: Expectation) -> Verdict:
    """Run `call`, in which one argument is bad, and say what came of it."""
    try:
        result = run(call)
    except DivergenceError as error:  # names the tensor, the step and the value
        return Verdict("typed", str(error))
    except ChainruleError as error:
        return _typed(str(error), expected)
    except Slow:
        return Verdict("slow", f"no answer in {SECONDS:g} s")
    except PlantedError as error:
        own = callable(expected.value) or type(error) is not PlantedError
        return Verdict("own" if own else "raw", repr(error))
    except Warning as error:
        if _has_extremes(expected.value):
            return Verdict("admitted", "NumPy's floating-point warning about numbers that are not finite or overflow")
        return Verdict("warning", f"{type(error).__name__}: {error}")
    except Exception as error:
        if isinstance(expected.value, type) and (callable(expected.valid) or "int()" in str(error)):
            return Verdict("own", "what the class that was given says of its arguments")
        if callable(expected.value) and isinstance(error, TypeError) and _ARITY.search(str(error)):
            return Verdict("own", "Python's error about the arguments of the caller's own function")
        return Verdict("raw", f"{type(error).__name__}: {str(error)[:150]}")
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        return Verdict("exit", repr(error))
    return _accepted(result, expected)


def judge_arguments(call: Callable[[], Any], valid_result: Any = None) -> Verdict:
    """Run `call`, which has too few or too many arguments, or one that does not exist."""
    try:
        result = run(call)
    except ChainruleError as error:
        return Verdict("typed", str(error))
    except TypeError as error:
        if re.search(r"argument|keyword", str(error)):
            return Verdict("language", str(error))
        return Verdict("raw", f"TypeError: {error}")
    except Exception as error:
        return Verdict("raw", f"{type(error).__name__}: {str(error)[:150]}")
    return Verdict("equal") if equal(result, valid_result) else Verdict("foreign", "accepted")


def _typed(message: str, expected: Expectation) -> Verdict:
    lowered = message.lower()
    named = any(re.search(rf"(?<![a-z0-9_]){re.escape(n.lower())}", lowered) for n in expected.names)
    if not named and isinstance(expected.value, (str, pathlib.Path)) and str(expected.value) in message:
        named = len(str(expected.value)) > 1  # the file or name itself
    if not named and isinstance(expected.value, (str, pathlib.Path)):  # the same as messages print it
        named = printable(str(expected.value)) != str(expected.value) and printable(str(expected.value)) in message
    if not named and not re.search(r"(^|: )unknown [a-z ]+ ", message):  # that names the thing and the value
        return Verdict("unnamed", f"does not name {expected.argument}: {message[:150]}")
    if not message.strip() or len(message) > 3000:
        return Verdict("unnamed", f"a message of {len(message)} characters")
    return Verdict("typed", message[:200])


def _accepted(result: Any, expected: Expectation) -> Verdict:
    value, valid = expected.value, expected.valid
    same = _safely_equal(result, expected.result)
    if expected.any_value:
        return Verdict("admitted", "declared")
    if expected.relation == "same":
        if same:
            return Verdict("equal")
        return Verdict("different", f"accepted, with another result: {_short(result)} for {_short(expected.result)}")
    if same and (_means_the_same(value, valid) or (isinstance(valid, Mapping) and isinstance(value, Mapping))):
        return Verdict("equal")  # entries beyond those asked for
    if value is expected.default or expected.any_value:
        return Verdict("admitted", "the default, or declared")
    admitted = admits(expected.hint, value, valid)
    if not admitted:
        return Verdict("foreign", f"accepted {_short(value)} -> {_short(result)}")
    if isinstance(valid, np.ndarray) and not expected.any_shape and np.shape(value) != valid.shape:
        return Verdict("shape", f"accepted shape {np.shape(value)} for {valid.shape} -> {_short(result)}")
    if _not_finite(result) and not _not_finite(expected.result) and not _has_extremes(value):
        return Verdict("not finite", f"accepted {_short(value)} -> {_short(result)}")
    return Verdict("admitted")


def _means_the_same(value: Any, valid: Any) -> bool:
    return type(value) is type(valid) and _safely_equal(value, valid)


def _safely_equal(a: Any, b: Any) -> bool:
    try:
        return equal(a, b)
    except Exception:
        return False


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return " ".join(text.split())[:70]


# -- types --------------------------------------------------------------------------------------------------------


def admits(hint: Any, value: Any, valid: Any) -> bool:
    """Whether `value` is of the declared type `hint`; `valid` tells where the hint says nothing."""
    if hint is Any or isinstance(hint, typing.TypeVar) or hint is np.ndarray:
        return _admits_any(value, valid)
    if hint is None or hint is type(None):
        return value is None
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return admits(options[0], value, valid)
    if origin in (typing.Union, types.UnionType):
        return any(admits(option, value, valid) for option in options)
    if origin is typing.Literal:
        return any(value is option or (type(value) is type(option) and value == option) for option in options)
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return _scalar(value, numbers.Integral)
    if hint is float:
        return _scalar(value, numbers.Real) and not isinstance(_item(value), decimal_kinds)
    if hint is str:
        return isinstance(value, str)
    if hint is bytes:
        return isinstance(value, bytes)
    kind = origin if origin is not None else hint
    if kind is pathlib.Path or kind is os.PathLike:
        return isinstance(value, (str, os.PathLike))
    if kind is collections.abc.Callable:
        return callable(value)
    if isinstance(kind, type) and issubclass(kind, collections.abc.Mapping):
        known = valid if isinstance(valid, Mapping) else {}
        return isinstance(value, Mapping) and (
            len(options) < 2 or all(admits(options[1], v, known[k]) for k, v in value.items() if k in known)
        )
    if kind is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        if len(options) == 2 and options[1] is Ellipsis:
            return all(admits(options[0], v, _one(valid)) for v in value)
        return len(options) == len(value) and all(
            admits(o, v, _one(valid)) for o, v in zip(options, value, strict=True)
        )
    if isinstance(kind, type) and issubclass(kind, (collections.abc.Iterable, collections.abc.Sequence)):
        if isinstance(value, (str, bytes)) or not isinstance(value, (collections.abc.Iterable, np.ndarray)):
            return False
        if isinstance(value, (set, dict)):
            return False
        if isinstance(value, (list, tuple, range)) and options:
            return all(admits(options[0], v, _one(valid)) for v in value)
        return True
    if isinstance(kind, type):
        try:
            return isinstance(value, kind)
        except TypeError:  # a protocol that cannot be looked for
            return type(value) is type(valid)
    return True


def _one(valid: Any) -> Any:
    return valid[0] if isinstance(valid, (list, tuple)) and valid else None


import decimal  # noqa: E402
import fractions  # noqa: E402

decimal_kinds = (decimal.Decimal, fractions.Fraction)


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, (np.generic, np.ndarray)) and value.shape == () else value


def _scalar(value: Any, kind: type) -> bool:
    item = _item(value)
    return isinstance(item, kind) and not isinstance(item, bool)


def _admits_any(value: Any, valid: Any) -> bool:
    """For `Any`: whatever is of the type of the valid value; numbers and lists of numbers for arrays."""
    if isinstance(valid, np.ndarray):
        if isinstance(value, (np.ma.MaskedArray, np.matrix)):
            return False
        try:
            array = np.asarray(value)
        except Exception:
            return False
        return array.dtype.kind in "fiubc" and not isinstance(value, (set, dict, str, bytes))
    if valid is None:
        return value is None
    if isinstance(valid, (bool, str)):
        return isinstance(value, type(valid))
    if isinstance(valid, numbers.Real):
        return _scalar(value, numbers.Real) and not isinstance(value, decimal_kinds)
    if isinstance(valid, Mapping):
        return isinstance(value, Mapping)
    if isinstance(valid, (list, tuple)):
        return isinstance(value, (list, tuple))
    if callable(valid) and not isinstance(valid, type):
        return callable(value)
    return isinstance(value, type(valid))


# -- results ------------------------------------------------------------------------------------------------------


def equal(a: Any, b: Any, depth: int = 0) -> bool:
    """Whether two results say the same: numbers to the accuracy of their dtype, objects by what they hold."""
    if a is b or depth > 8:
        return True
    if isinstance(a, (np.ndarray, np.generic)) or isinstance(b, (np.ndarray, np.generic)):
        try:
            x, y = np.asarray(a), np.asarray(b)
        except Exception:
            return False
        if x.shape != y.shape or x.dtype.kind in "OV" or y.dtype.kind in "OV":
            return x.shape == y.shape and x.dtype == y.dtype and x.tolist() == y.tolist()
        if x.dtype.kind in "fc" or y.dtype.kind in "fc":
            return bool(np.allclose(x, y, rtol=1e-4, atol=1e-5, equal_nan=True))
        return bool(np.array_equal(x, y))
    if isinstance(a, numbers.Number) and isinstance(b, numbers.Number):
        return a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-4)) or (a != a and b != b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(k in _CLOCKS or equal(a[k], b[k], depth + 1) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y, depth + 1) for x, y in zip(a, b, strict=True))
    if type(a) is not type(b):
        return a == b
    if isinstance(a, (str, bytes, pathlib.PurePath, set, type)) or callable(a):
        return a == b or callable(a)
    if type(a).__module__.startswith("matplotlib"):  # a picture; its parts refer to each other
        return True
    fields = _fields(a)
    return all(equal(v, _fields(b).get(k), depth + 1) for k, v in fields.items()) if fields else True


_CLOCKS = ("seconds", "examples_per_second", "images_per_second", "_at_once")


def _fields(value: Any) -> dict[str, Any]:
    found = dict(getattr(value, "__dict__", {}))
    for name in getattr(type(value), "__struct_fields__", ()):
        found[name] = getattr(value, name)
    return {k: v for k, v in found.items() if k not in _CLOCKS}


def _not_finite(value: Any, depth: int = 0) -> bool:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "fc" and bool(np.isnan(value).any())
    if isinstance(value, float):
        return math.isnan(value)
    if depth < 3 and isinstance(value, (list, tuple)):
        return any(_not_finite(v, depth + 1) for v in value)
    if depth < 3 and isinstance(value, Mapping):
        return any(_not_finite(v, depth + 1) for v in value.values())
    return False


def _has_extremes(value: Any) -> bool:
    """Whether an array holds numbers that are not finite, or so large that products overflow."""
    if isinstance(value, Mapping):
        return any(map(_has_extremes, value.values()))
    try:
        array = np.asarray(value)
    except Exception:
        return False
    if array.dtype.kind != "f" or array.size == 0:
        return False
    return bool((~np.isfinite(array)).any() or np.abs(array.astype(np.longdouble)).max() > 1e30)
