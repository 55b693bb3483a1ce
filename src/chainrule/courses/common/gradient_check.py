"""Numerical gradients as the course notebooks call them: x is perturbed in place and restored, whatever happens.

These are plain central differences, kept for the notebooks; `chainrule.check_gradient` is far more precise.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from random import randrange
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, describe, require_number
from chainrule.require import as_numbers
from chainrule.typed import typed


@typed
def eval_numerical_gradient(
    f: Callable[[np.ndarray], Any], x: np.ndarray, verbose: bool = True, h: float = 0.00001
) -> np.ndarray:
    """(f(x + h) − f(x − h))/2h for a number-valued f, one coordinate after the other; `verbose` prints each."""
    require_number("eval_numerical_gradient", "h", h, low=0, open_low=True)
    grad = np.zeros_like(_changeable(x))
    for index in np.ndindex(x.shape):
        with _moved(x, index, h):
            above = _number(f(x))
        with _moved(x, index, -h):
            below = _number(f(x))
        grad[index] = (above - below) / (2 * h)
        if verbose:
            print(index, grad[index])
    return grad


@typed
def eval_numerical_gradient_array(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, df: Any, h: float = 1e-5
) -> np.ndarray:
    """Σ df (f(x + h) − f(x − h))/2h for an array-valued f and its cotangent df."""
    require_number("eval_numerical_gradient_array", "h", h, low=0, open_low=True)
    df = as_numbers("eval_numerical_gradient_array", "df", df)
    grad = np.zeros_like(_changeable(x))
    for index in np.ndindex(x.shape):
        with _moved(x, index, h):
            above = as_numbers("eval_numerical_gradient_array", "f's value", f(x)).copy()
        with _moved(x, index, -h):
            below = as_numbers("eval_numerical_gradient_array", "f's value", f(x)).copy()
        if above.shape != df.shape:
            raise ShapeError(f"eval_numerical_gradient_array: df must have f's shape, {above.shape}, got {df.shape}")
        grad[index] = np.sum((above - below) * df) / (2 * h)
    return grad


@typed
def eval_numerical_gradient_blobs(
    f: Callable[..., Any], inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[np.ndarray]:
    """One gradient an input, for f(*inputs, output) that writes `output.vals`; `output.diffs` is the cotangent.

    Blobs are objects with the arrays `vals` and `diffs`.
    """
    require_number("eval_numerical_gradient_blobs", "h", h, low=0, open_low=True)
    for argument, blob in (*(("inputs", blob) for blob in inputs), ("output", output)):
        for attribute in ("vals", "diffs"):
            if not isinstance(getattr(blob, attribute, None), np.ndarray):
                raise DTypeError(f"blobs: {argument} must have arrays vals and diffs, got {describe(blob)}")
    if not _takes(f, len(inputs) + 1):
        raise DTypeError(
            f"eval_numerical_gradient_blobs: f must take the {len(inputs)} of inputs and output, got {describe(f)}"
        )
    gradients = []
    for blob in inputs:
        grad = np.zeros_like(blob.diffs)
        for index in np.ndindex(_changeable(blob.vals).shape):
            with _moved(blob.vals, index, h):
                f(*inputs, output)
                above = np.copy(output.vals)
            with _moved(blob.vals, index, -h):
                f(*inputs, output)
                below = np.copy(output.vals)
            grad[index] = np.sum((above - below) * output.diffs) / (2.0 * h)
        gradients.append(grad)
    return gradients


@typed
def eval_numerical_gradient_net(net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5) -> list[np.ndarray]:
    """`eval_numerical_gradient_blobs` for an object whose `forward()` reads and writes the blobs."""
    if not callable(getattr(net, "forward", None)):
        raise DTypeError(f"eval_numerical_gradient_net: net must have a method forward, got {describe(net)}")
    return eval_numerical_gradient_blobs(lambda *blobs: net.forward(), inputs, output, h=h)


@typed
def grad_check_sparse(
    f: Callable[[np.ndarray], Any], x: np.ndarray, analytic_grad: np.ndarray, num_checks: int = 10, h: float = 1e-5
) -> None:
    """Compare numerical and analytic gradient in `num_checks` random coordinates, and print the relative errors."""
    _changeable(x)
    require_number("grad_check_sparse", "h", h, low=0, open_low=True)
    require_number("grad_check_sparse", "num_checks", num_checks, integer=True, low=0, high=10**9)
    analytic_grad = as_numbers("grad_check_sparse", "analytic_grad", analytic_grad)
    if analytic_grad.shape != x.shape:
        got = f"{x.shape}, got {analytic_grad.shape}"
        raise ShapeError(f"grad_check_sparse: analytic_grad must have the shape of x, {got}")
    for _ in range(num_checks):
        index = tuple(randrange(length) for length in x.shape)
        with _moved(x, index, h):
            above = _number(f(x))
        with _moved(x, index, -h):
            below = _number(f(x))
        numerical, analytic = (above - below) / (2 * h), analytic_grad[index]
        size = abs(numerical) + abs(analytic)
        error = abs(numerical - analytic) / size if size > 0 else 0.0
        print(f"numerical: {numerical:f} analytic: {analytic:f}, relative error: {error:e}")


@contextlib.contextmanager
def _moved(x: np.ndarray, index: tuple[int, ...], by: float) -> Iterator[None]:
    old = x[index]
    x[index] = old + by
    try:
        yield
    finally:
        x[index] = old


def _takes(f: Callable[..., Any], count: int) -> bool:
    """Whether f can be called with `count` arguments; True where that cannot be told."""
    try:
        inspect.signature(f, follow_wrapped=False).bind(*range(count))  # as it is called, not what it wraps
    except TypeError:
        return False
    except ValueError:  # a function without a signature
        return True
    return True


def _number(value: Any) -> Any:
    """What f returned, a single number, or a typed error."""
    array = as_numbers("gradient check", "f's value", value)
    if array.size != 1:
        raise ShapeError(f"gradient check: f must return a number, got an array of shape {array.shape}")
    return value


def _changeable(x: Any) -> np.ndarray:
    if (
        not isinstance(x, np.ndarray)
        or isinstance(x, (np.ma.MaskedArray, np.matrix))
        or x.dtype.kind != "f"
        or not x.flags.writeable
    ):
        raise DTypeError(f"x must be an array of floats that can be changed in place, got {describe(x)}")
    return x
