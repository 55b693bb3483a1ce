"""Arrays that come from outside: what every pass, loss, rule and network asks of them before it computes.

Two kinds of caller: pure functions take an array as it is (`require_array`), of any array library; what holds numbers
of its own takes whatever NumPy reads as one (`as_numbers`). Neither broadcasts, drops a mask, or lets an object through
whose operators mean something else (`numpy.matrix`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.arrays import Array, namespace
from chainrule.errors import DataError, DTypeError, ShapeError, describe


def require_array(owner: str, argument: str, x: Any, *, floating: bool = True) -> None:
    """Raise unless `x` is an array of floating-point numbers (of any real numbers where not `floating`).

    Arrays of every library that follows the array API are taken; of NumPy's subclasses only memory-mapped files.
    """
    if type(x) is np.ndarray:
        kind = x.dtype.kind
        if kind == "f" or kind in ("c" if floating else "iub"):
            return
    elif not _is_array(x):
        raise DTypeError(f"{owner}: {argument} must be an array, got {describe(x)}")
    elif isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        raise DTypeError(
            f"{owner}: {argument} must be a plain array, got {type(x).__name__} of shape {x.shape}; "
            "numpy.asarray makes one, after what is masked has been filled in"
        )
    if not _is_numeric(x, floating=floating):
        noun = "floating-point numbers" if floating else "real numbers"
        raise DTypeError(f"{owner}: {argument} must hold {noun}, got dtype {x.dtype}")


def as_numbers(owner: str, argument: str, value: Any, kinds: str = "fiub") -> np.ndarray:
    """`value` as a NumPy array of real numbers, of a dtype kind in `kinds`, or a typed error."""
    array: Any = value
    if type(value) is not np.ndarray:
        require_unmasked(owner, argument, value)
        try:
            array = np.asarray(value)
        except ValueError:
            raise ShapeError(f"{owner}: {argument} must be an array, got rows of unequal lengths") from None
        except Exception:  # an object's own way to become an array may raise anything
            raise DTypeError(f"{owner}: {argument} must be an array of real numbers, got {describe(value)}") from None
    if array.dtype.kind not in kinds:
        raise DTypeError(f"{owner}: {argument} must be an array of real numbers, got {describe(value)}")
    return array


def require_unmasked(owner: str, argument: str, value: Any) -> None:
    """Raise where `value` is an array of which entries are masked, whose numbers mean nothing."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        count = np.ma.count_masked(value)
        raise DataError(f"{owner}: {argument} must hold no masked entries, got {count} of them; fill them in")


def plain_fields(cls: type) -> None:
    """Make `cls`, a frozen dataclass, take NumPy's numbers as Python's, so that what it declares can be compared."""
    check = cls.__dict__.get("__post_init__")
    if check is None:
        return

    @functools.wraps(check)
    def wrapper(self: Any) -> None:
        for name, value in vars(self).items():
            if isinstance(value, (np.number, np.ndarray)) and value.shape == () and value.dtype.kind in "iuf":
                object.__setattr__(self, name, value.item())
        check(self)

    setattr(cls, "__post_init__", wrapper)  # noqa: B010


def _is_array(x: Any) -> bool:
    return isinstance(getattr(x, "shape", None), tuple) and hasattr(x, "dtype") and hasattr(x, "__array_namespace__")


def _is_numeric(x: Array, *, floating: bool) -> bool:
    if isinstance(x.dtype, np.dtype):  # NumPy and JAX; bfloat16 and its kin report kind "V", and have a number's size
        kind = x.dtype.kind
        return kind in ("fc" if floating else "fiub") or (kind == "V" and x.dtype.fields is None)
    kinds = ("real floating", *(("complex floating",) if floating else ("integral", "bool")))
    return bool(namespace(x).isdtype(x.dtype, kinds))
