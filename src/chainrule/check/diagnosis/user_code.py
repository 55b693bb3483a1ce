"""Calling functions that somebody else wrote: quietly, repeatably, with their exceptions in one line."""

from __future__ import annotations

import contextlib
import random
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

SEED = 20_240_229


class UserCodeError(Exception):
    """The code under check raised. `stage` is "forward" or "backward"; the text is one line with the place."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class Repeatable:
    """Puts every source of random numbers that a function can reach back to where it was, before each call.

    NumPy's and Python's global generators are seeded; generators in the function's module, and on the object that a
    method is bound to, are set back. `preserved_randomness` must be around it.
    """

    def __init__(self, *functions: Any) -> None:
        self.kept: list[tuple[np.random.Generator, Any]] = []
        for function in functions:
            owner = getattr(function, "__self__", None)
            places: list[Mapping[str, Any]] = [getattr(inner(function), "__globals__", {})]
            if owner is not None:
                places.append(getattr(owner, "__dict__", {}))
            for place in places:
                for value in list(place.values()):
                    if isinstance(value, np.random.Generator):
                        self.kept.append((value, value.bit_generator.state))

    def __call__(self) -> None:
        """The same random numbers as after every other such call."""
        np.random.seed(SEED % 2**32)
        random.seed(SEED)
        for generator, state in self.kept:
            generator.bit_generator.state = state


@contextlib.contextmanager
def preserved_randomness() -> Iterator[None]:
    """The caller's random numbers go on afterwards as if nothing had been; inside, `default_rng()` is seeded."""
    legacy, python, made = np.random.get_state(), random.getstate(), np.random.default_rng
    np.random.default_rng = lambda seed=None: made(SEED if seed is None else seed)
    try:
        yield
    finally:
        np.random.default_rng = made
        np.random.set_state(legacy)
        random.setstate(python)


def inner(function: Any) -> Any:
    """The plain function behind a bound method or a wrapper."""
    function = getattr(function, "__func__", function)
    return getattr(function, "__wrapped__", function)


def call(stage: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`function(...)` without its warnings; whatever it raises becomes a `UserCodeError`."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise UserCodeError(stage, one_line(error, function)) from error


def one_line(error: BaseException, function: Any = None) -> str:
    """`ValueError: shapes ... not aligned (layers.py, line 12, in affine_backward: dx = dout @ w)`."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    code = getattr(inner(function), "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code is None or f.filename == code.co_filename]
    if isinstance(function, type) or code is None or not frames:
        return words[:300]
    frame = frames[-1]
    name = frame.filename.replace("\\", "/").rsplit("/", 1)[-1]
    line = f": {frame.line}" if frame.line else ""
    return f"{words[:300]} ({name}, line {frame.lineno}, in {frame.name}{line})"


def fresh(value: Any) -> Any:
    """A copy that shares nothing with `value`, so that what is done to it does no harm."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: fresh(member) for key, member in value.items()}
    if isinstance(value, list):
        return [fresh(member) for member in value]
    if type(value) is tuple:
        return tuple(fresh(member) for member in value)
    return value


def cast(value: Any, dtype: Any) -> Any:
    """Every floating-point array in `value` in `dtype`; a complex or wider type for the parts beside the moved one."""
    if isinstance(value, np.ndarray):
        return value.astype(dtype) if value.dtype.kind == "f" else value
    if isinstance(value, dict):
        return {key: cast(member, dtype) for key, member in value.items()}
    return value


def is_callable_pair(value: Any) -> bool:
    """Whether `value` has methods `forward` and `backward`."""
    return callable(getattr(value, "forward", None)) and callable(getattr(value, "backward", None))


def is_function(value: Any) -> bool:
    """Whether `value` is a plain function, a method or a callable that NumPy or C made."""
    return isinstance(value, (types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc))
