"""Initialisers: the distribution a parameter starts from.

An initialiser is called with the shape of the tensor and a NumPy generator (or NumPy's legacy `RandomState`, where
historical draws are wanted) and returns float64 numbers; the network casts them to its dtype.
Fan-in and fan-out are D and M for an affine W (D, M), and C·HH·WW and F·HH·WW for a convolution W (F, C, HH, WW).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import ConfigError, DTypeError, describe, require_choice, require_number, shown
from chainrule.require import plain_fields

__all__ = [
    "Constant",
    "He",
    "Initializer",
    "Normal",
    "Ones",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zeros",
    "he_normal",
    "ones",
    "xavier_normal",
    "zeros",
]


def fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of a weight tensor.

    >>> fans((784, 100)), fans((32, 3, 7, 7))
    ((784, 100), (147, 1568))
    """
    if len(shape) == 0:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _checked(draw: Callable[..., Array]) -> Callable[..., Array]:
    @functools.wraps(draw)
    def wrapper(self: Any, shape: Shape, rng: Any) -> Array:
        owner = type(self).__name__
        if not isinstance(shape, (tuple, list)):
            raise DTypeError(f"{owner}: shape must be a tuple of integers, got {describe(shape)}")
        for size in shape:
            require_number(owner, "each entry of shape", size, integer=True, low=0)
        if self.is_random:
            require_generator(owner, rng)
        try:
            return draw(self, tuple(map(int, shape)), rng)
        except (MemoryError, ValueError, OverflowError):
            raise ConfigError(f"{owner}: shape must fit in memory, got {shown(shape)}") from None

    return wrapper


class Initializer:
    """Base of the initialisers: `init(shape, rng)` returns a float64 array of that shape."""

    #: False where every draw is the same, and the generator is not looked at.
    is_random: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the check of shape and generator in front of the subclass's `__call__`."""
        super().__init_subclass__(**kwargs)
        plain_fields(cls)
        if "__call__" in cls.__dict__:
            setattr(cls, "__call__", _checked(cls.__dict__["__call__"]))  # noqa: B010

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros."""

    is_random = False

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` (`rng` is not used)."""
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All ones."""

    is_random = False

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` (`rng` is not used)."""
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """Every entry equal to `value`."""

    value: float

    is_random = False

    def __post_init__(self) -> None:
        require_number("Constant", "value", self.value)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` (`rng` is not used)."""
        return np.full(shape, float(self.value))


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal with mean 0 and standard deviation `scale`."""

    scale: float = 1e-2

    def __post_init__(self) -> None:
        require_number("Normal", "scale", self.scale, low=0)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        return rng.normal(0.0, self.scale, shape)


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform on [−scale, scale]."""

    scale: float = 1e-2

    def __post_init__(self) -> None:
        require_number("Uniform", "scale", self.scale, low=0)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        return rng.uniform(-self.scale, self.scale, shape)


@dataclass(frozen=True)
class He(Initializer):
    """Variance gain/fan_in, with gain 2 for ReLU (He et al. 2015, equation 10)."""

    distribution: Literal["normal", "uniform"] = "normal"
    gain: float = 2.0

    def __post_init__(self) -> None:
        require_number("He", "gain", self.gain, low=0)
        _check_distribution("He", self.distribution)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        fan_in, _ = fans(shape)
        return _with_variance(self.gain / max(fan_in, 1), self.distribution, shape, rng)


@dataclass(frozen=True)
class Xavier(Initializer):
    """Variance 2/(fan_in + fan_out) (Glorot & Bengio 2010, equation 16)."""

    distribution: Literal["normal", "uniform"] = "normal"

    def __post_init__(self) -> None:
        _check_distribution("Xavier", self.distribution)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        fan_in, fan_out = fans(shape)
        return _with_variance(2.0 / max(fan_in + fan_out, 1), self.distribution, shape, rng)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """`gain` times a random matrix with orthonormal rows or columns (Saxe, McClelland & Ganguli 2014).

    Tensors of more than two axes are drawn as a matrix of their first axis against all others.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        require_number("Orthogonal", "gain", self.gain)

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw a tensor of `shape` from `rng`."""
        rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
        q, r = np.linalg.qr(rng.normal(0.0, 1.0, (max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # the sign makes the distribution uniform (Haar)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


def require_initializer(owner: str, argument: str, value: Any) -> None:
    """Raise unless `value` is an initialiser."""
    if not isinstance(value, Initializer):
        raise DTypeError(
            f"{owner}: {argument} must be an initialiser such as he_normal or Normal(), got {describe(value)}"
        )


def require_generator(owner: str, rng: Any) -> None:
    """Raise unless `rng` is a NumPy generator, of the new or the legacy kind."""
    if not isinstance(rng, (np.random.Generator, np.random.RandomState)):
        raise DTypeError(f"{owner}: rng must be a NumPy generator such as default_rng(0), got {describe(rng)}")


def _check_distribution(owner: str, distribution: str) -> None:
    require_choice(owner, "distribution", distribution, ("normal", "uniform"))


def _with_variance(variance: float, distribution: str, shape: Shape, rng: np.random.Generator) -> Array:
    if distribution == "normal":
        return rng.normal(0.0, math.sqrt(variance), shape)
    bound = math.sqrt(3.0 * variance)
    return rng.uniform(-bound, bound, shape)


#: The closed list that recipes and checkpoints may name.
INITIALIZERS: tuple[type[Initializer], ...] = (Zeros, Ones, Constant, Normal, Uniform, He, Xavier, Orthogonal)

zeros = Zeros()
ones = Ones()
he_normal = He()
xavier_normal = Xavier()
