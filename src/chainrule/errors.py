"""The errors a user can meet, each naming the argument, what was expected, and what came.

Every public entry point answers bad input with one of these rather than with a traceback from inside NumPy.
All derive from `ChainruleError`; those about a value also derive from `ValueError`, those about a kind of object
from `TypeError`, so that code written against the standard exceptions keeps working.
"""

from __future__ import annotations

import difflib
import errno
import math
from collections.abc import Iterable, Mapping, Sized
from typing import Any

__all__ = [
    "ChainruleError",
    "CheckpointError",
    "ConfigError",
    "DTypeError",
    "DataError",
    "DivergenceError",
    "MemoryLimitError",
    "ShapeError",
    "WriteError",
]


class ChainruleError(Exception):
    """The root of every error raised on purpose by this package."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(ChainruleError, ValueError):
    """An option, a name or a recipe entry is wrong."""


class ShapeError(ChainruleError, ValueError):
    """An array has the wrong shape or rank."""


class DTypeError(ChainruleError, TypeError):
    """An argument has the wrong type, or an array the wrong dtype."""


class DataError(ChainruleError, ValueError):
    """Data (a file, a label, a value) is damaged or out of range."""


class CheckpointError(ChainruleError, ValueError):
    """A checkpoint is missing, damaged, or belongs to another network."""


class DivergenceError(ChainruleError, ArithmeticError):
    """A loss, activation or gradient became NaN or infinite; raised before any parameter is changed.

    Attributes: `step` (the 1-based training step), `layer` (index and name, or "loss"), `tensor` (its name). tried: a
    sentence on what was done about it in vain.
    """

    def __init__(self, step: int, layer: str, tensor: str, value: float, tried: str = "") -> None:
        super().__init__(
            f"training diverged at step {step}: {tensor} of {layer} holds {value}. "
            f"No parameter was changed by this step. {tried}"
            "Try a smaller learning rate, gradient clipping, or scaled inputs."
        )
        self.step, self.layer, self.tensor, self.value = step, layer, tensor, value


class WriteError(ChainruleError, OSError):
    """A file or folder could not be written, and is as it was: the disk is full, the folder read-only, and so on.

    Attributes: `path`; `errno` as the system has it; `strerror`, the reason in plain words.
    """

    def __init__(
        self, message: str, path: str | None = None, number: int | None = None, words: str | None = None
    ) -> None:
        super().__init__(message)
        self.path, self.errno, self.strerror = path, number, words

    def __str__(self) -> str:
        return printable(str(self.args[0]))

    @classmethod
    def of(cls, path: Any, what: str, error: OSError) -> WriteError:
        """The error for `path`, which could not be `what` ("written", "removed"), in plain words.

        >>> print(WriteError.of("run/history.json", "written", OSError(errno.ENOSPC, "No space left on device")))
        run/history.json could not be written: the disk is full
        """
        words = reason(error)
        return cls(f"{path} could not be {what}: {words}", str(path), error.errno, words)


_REASONS = {
    "ENOSPC": "the disk is full",
    "EDQUOT": "the disk quota is used up",
    "EACCES": "there is no permission for it",
    "EPERM": "the system does not permit it",
    "EROFS": "the file system is read-only",
    "ENAMETOOLONG": "the name is too long",
    "EIO": "the disk reports a fault (input/output error)",
    "EFBIG": "the file would be larger than this process may write",
    "EMFILE": "this process has too many files open",
    "ENFILE": "the system has too many files open",
    "EINTR": "the call was interrupted",
    "ENOTDIR": "a part of its path is a file, not a folder",
    "EISDIR": "a folder has that name",
}


def reason(error: OSError) -> str:
    """Why writing failed, in plain words.

    >>> reason(OSError(errno.EROFS, "Read-only file system"))
    'the file system is read-only'
    """
    if isinstance(error, WriteError) and error.strerror is not None:
        return error.strerror
    known = None if error.errno is None else _REASONS.get(errno.errorcode.get(error.errno, ""))
    if known is not None:
        return known
    return str(error) if error.strerror is None else error.strerror


class MemoryLimitError(ChainruleError, MemoryError):
    """What was asked for needs more memory than is allowed; names its parts."""


def printable(text: str) -> str:
    """`text` as any stream takes it: in names of files, bytes that are no UTF-8 arrive as lone surrogates.

    >>> printable("caf\\udce9.npz")
    'caf\\\\udce9.npz'
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def shown(value: Any, limit: int = 60) -> str:
    """`repr(value)` in at most `limit` characters; something else for what has no text.

    >>> shown("abc"), shown([1] * 100, 12)
    ("'abc'", '[1, 1, 1,...')
    """
    try:
        text = repr(value)
    except Exception:  # a text of the value's own making may raise anything; so does an integer of many digits
        return f"of {value.bit_length()} bits" if isinstance(value, int) else "that has no text"
    text = " ".join(text.split()) if "\n" in text else text  # of an array
    return text if len(text) <= limit else text[: limit - 3] + "..."


def describe(value: Any) -> str:
    """What came, in a few words: `array of shape (2, 3) and dtype float32`, `str 'abc'`."""
    try:
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if isinstance(shape, tuple) and dtype is not None:
            return f"an array of shape {tuple(shape)} and dtype {dtype}"
    except Exception:
        pass
    return f"{type(value).__name__} {shown(value)}"


def unknown(kind: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not in a closed list, with the nearest known one suggested.

    >>> print(unknown("layer", "Afine", ["Affine", "ReLU"]))
    unknown layer 'Afine'; did you mean 'Affine'? known: Affine, ReLU
    """
    names = sorted(known)
    lowered = {n.lower(): n for n in names}
    text = name[:60] if isinstance(name, str) else shown(name)
    near = difflib.get_close_matches(text.lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ";"
    return ConfigError(f"unknown {kind} {shown(name)}{hint} known: {', '.join(names)}")


def require_number(
    owner: str,
    argument: str,
    value: Any,
    *,
    integer: bool = False,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Raise unless `value` is a finite number inside the interval from `low` to `high`.

    `open_low` and `open_high` leave the end point itself out.
    """
    kinds: tuple[type, ...] = (int,) if integer else (int, float)
    is_number = isinstance(value, (int, float))
    scalar: Any = value.item() if not is_number and _has_no_axes(value) else value
    noun = "an integer" if integer else "a number"
    if isinstance(scalar, bool) or not isinstance(scalar, kinds):
        raise DTypeError(f"{owner}: {argument} must be {noun}, got {describe(value)}")
    checked: Any = scalar
    bounds = []
    if low is not None:
        bounds.append(f"{'>' if open_low else '>='} {low:g}")
    if high is not None:
        bounds.append(f"{'<' if open_high else '<='} {high:g}")
    try:
        number = float(checked)
    except OverflowError:  # an integer beyond the floats
        number = math.inf
    fits = math.isfinite(number)
    fits = fits and (low is None or (number > low if open_low else number >= low))
    fits = fits and (high is None or (number < high if open_high else number <= high))
    if not fits:
        limits = f" {' and '.join(bounds)}" if bounds else " that is finite"
        raise ConfigError(f"{owner}: {argument} must be {noun}{limits}, got {shown(value)}")


def _has_no_axes(value: Any) -> bool:
    return isinstance(shape := getattr(value, "shape", None), tuple) and shape == () and hasattr(value, "item")


def require_bool(owner: str, argument: str, value: Any) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, bool):
        raise DTypeError(f"{owner}: {argument} must be True or False, got {describe(value)}")


def require_text(owner: str, argument: str, value: Any, *, empty: bool = True) -> None:
    """Raise unless `value` is a string, one with a letter at least where `empty` is False."""
    if not isinstance(value, str):
        raise DTypeError(f"{owner}: {argument} must be a string, got {describe(value)}")
    if not empty and not value.strip():
        raise ConfigError(f"{owner}: {argument} must not be empty, got {value!r}")


def require_choice(owner: str, argument: str, value: Any, known: Iterable[str]) -> None:
    """Raise unless `value` is one of the strings `known`.

    >>> require_choice("shift", "border", "zeros", ["zero", "reflect"])
    Traceback (most recent call last):
    chainrule.errors.ConfigError: shift: border must be 'zero' or 'reflect', got 'zeros'; did you mean 'zero'?
    """
    names = list(known)
    if isinstance(value, str) and value in names:
        return
    noun = " or ".join(filter(None, (", ".join(map(repr, names[:-1])), repr(names[-1]))))
    if not isinstance(value, str):
        raise DTypeError(f"{owner}: {argument} must be {noun}, got {describe(value)}")
    near = difflib.get_close_matches(value[:60], names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{owner}: {argument} must be {noun}, got {shown(value)}{hint}")


def require_list(owner: str, argument: str, value: Any, of: str) -> None:
    """Raise unless `value` is a list or a tuple; `of` says what of."""
    if not isinstance(value, (list, tuple)):
        raise DTypeError(f"{owner}: {argument} must be a list of {of}, got {describe(value)}")


def require_some(owner: str, argument: str, values: Sized, noun: str) -> None:
    """Raise where a list is empty; `noun` says what of.

    >>> require_some("mean", "values", [], "number")
    Traceback (most recent call last):
    chainrule.errors.ConfigError: mean: values must hold at least one number, got none
    """
    if len(values) == 0:
        raise ConfigError(f"{owner}: {argument} must hold at least one {noun}, got none")


def require_mapping(owner: str, argument: str, value: Any, of: str) -> None:
    """Raise unless `value` is a dictionary whose keys are strings; `of` says what it holds."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise DTypeError(f"{owner}: {argument} must be a dictionary of {of} by name, got {describe(value)}")


def require_function(owner: str, argument: str, value: Any) -> None:
    """Raise unless `value` can be called."""
    if not callable(value):
        raise DTypeError(f"{owner}: {argument} must be a function, got {describe(value)}")


def require_instance(owner: str, argument: str, value: Any, kind: type | tuple[type, ...], noun: str) -> None:
    """Raise unless `value` is an object of class `kind`, called `noun` in the message."""
    if not isinstance(value, kind):
        hint = "; that is the class: make one" if isinstance(value, type) and issubclass(value, kind) else ""
        raise DTypeError(f"{owner}: {argument} must be {noun}, got {describe(value)}{hint}")
