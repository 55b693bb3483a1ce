"""Spaces: the values that a search may give to an entry of a recipe, written as one line of text.

    uniform(a, b)        a number between a and b
    log(a, b)            a number whose logarithm lies between log a and log b: for learning rates
    range(a, b)          the integers a, a + 1, ..., b;  range(a, b, s) every s-th of them
    choice(v, w, ...)    one of the values, which may be any TOML values: numbers, texts, tables

A third argument of `uniform` and `log` is the number of points on a grid. The text is read as a name and a list of
TOML values; nothing is ever evaluated.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.errors import ChainruleError, ConfigError, describe, require_number, unknown

MAX_POINTS = 1000  # of one space on a grid
DIGITS = 6  # significant ones, of the numbers drawn
_CALL = re.compile(r"\s*([A-Za-z_]+)\s*\((.*)\)\s*", re.DOTALL)


class Space:
    """Base of the spaces; u is a number from 0 to 1 and goes through a space from its low end to its high end."""

    name: ClassVar[str]

    def draw(self, u: float) -> Any:
        """The value at u, 0 <= u < 1: with u uniform, a random one."""
        raise NotImplementedError

    def grid(self) -> list[Any]:
        """The values that a grid search tries."""
        raise NotImplementedError

    def position(self, value: Any) -> float:
        """Where `value` lies in the space, from 0 to 1: the inverse of `draw`."""
        raise NotImplementedError

    def narrowed(self, values: Sequence[Any]) -> Space:
        """The part of the space around `values`, for the next stage of a search from coarse to fine."""
        raise NotImplementedError

    def ends(self) -> list[Any]:
        """The values that show whether an entry takes what the space holds."""
        return self.grid()


@dataclass(frozen=True)
class Uniform(Space):
    """Numbers from `low` to `high`."""

    low: float
    high: float
    points: int | None = None

    name = "uniform"

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            require_number(self.name, end, getattr(self, end))
        if not self.low < self.high:
            raise ConfigError(f"{self.name}: low must be below high, got {self.low!r} and {self.high!r}")
        if self.points is not None:
            require_number(self.name, "points", self.points, integer=True, low=2, high=MAX_POINTS)

    def draw(self, u: float) -> float:
        """low + u (high − low), on the scale of the space."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return self.rounded(self._value(low + u * (high - low)))

    def rounded(self, value: float) -> float:
        """The value with as many digits as anyone wants to read in a recipe."""
        return min(max(float(f"{value:.{DIGITS}g}"), float(self.low)), float(self.high))

    def grid(self) -> list[float]:
        """`points` values at equal distances, both ends among them."""
        if self.points is None:
            raise ConfigError(
                f"{self.name}: a grid needs the number of points, such as {self.name}({self.low:g}, {self.high:g}, 5)"
            )
        return [self.draw(i / (self.points - 1)) for i in range(self.points)]

    def position(self, value: float) -> float:
        """(value − low) / (high − low), on the scale of the space."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def narrowed(self, values: Sequence[float]) -> Uniform:
        """From the least of the values to the greatest, and at least a quarter of the space around their middle."""
        places = [self.position(v) for v in values]
        middle, half = (min(places) + max(places)) / 2, max(max(places) - min(places), 0.25) / 2
        return type(self)(self.draw(max(middle - half, 0.0)), self.draw(min(middle + half, 1.0)), self.points)

    def ends(self) -> list[float]:
        """Both ends."""
        return [float(self.low), float(self.high)]

    def _scaled(self, value: float) -> float:
        return float(value)

    def _value(self, scaled: float) -> float:
        return scaled


@dataclass(frozen=True)
class Log(Uniform):
    """Numbers from `low` to `high`, evenly in their logarithm."""

    name = "log"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self.name, "low", self.low, low=0, open_low=True)

    def _scaled(self, value: float) -> float:
        return math.log(value)

    def _value(self, scaled: float) -> float:
        return math.exp(scaled)


@dataclass(frozen=True)
class Range(Space):
    """The integers from `low` to `high`, both included, in steps of `step`."""

    low: int
    high: int
    step: int = 1

    name = "range"

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            require_number(self.name, end, getattr(self, end), integer=True, low=-(2**53), high=2**53)
        require_number(self.name, "step", self.step, integer=True, low=1)
        if not self.low <= self.high:
            raise ConfigError(f"{self.name}: low must not be above high, got {self.low} and {self.high}")

    @property
    def count(self) -> int:
        """How many integers there are."""
        return (self.high - self.low) // self.step + 1

    def draw(self, u: float) -> int:
        """The integer in whose share of [0, 1) u lies."""
        return self.low + self.step * min(int(u * self.count), self.count - 1)

    def grid(self) -> list[int]:
        """All of them."""
        if self.count > MAX_POINTS:
            raise ConfigError(f"{self.name}: a grid takes at most {MAX_POINTS} values, got {self.count}; give a step")
        return list(range(self.low, self.high + 1, self.step))

    def position(self, value: int) -> float:
        """The middle of the share of `value`."""
        return ((value - self.low) // self.step + 0.5) / self.count

    def narrowed(self, values: Sequence[int]) -> Range:
        """From the least of the values to the greatest, and at least a quarter of the integers around their middle."""
        first, last = ((f(values) - self.low) // self.step for f in (min, max))
        missing = max(math.ceil(self.count / 4) - (last - first + 1), 0)
        first = max(first - missing // 2, 0)
        last = min(last + missing - missing // 2, self.count - 1)
        return Range(self.low + first * self.step, self.low + last * self.step, self.step)

    def ends(self) -> list[int]:
        """The first and the last."""
        return [self.low, self.low + (self.count - 1) * self.step]


@dataclass(frozen=True)
class Choice(Space):
    """One of `values`."""

    values: tuple[Any, ...]

    name = "choice"

    def __post_init__(self) -> None:
        if not 1 <= len(self.values) <= MAX_POINTS:
            raise ConfigError(f"{self.name}: must have 1 to {MAX_POINTS} values, got {len(self.values)}")
        labels = [label(v) for v in self.values]
        for i, text in enumerate(labels):
            if text in labels[:i]:
                raise ConfigError(f"{self.name}: the values must differ, got {text} twice")

    def draw(self, u: float) -> Any:
        """The value in whose share of [0, 1) u lies."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def grid(self) -> list[Any]:
        """All of them."""
        return list(self.values)

    def position(self, value: Any) -> float:
        """The middle of the share of `value`."""
        return ([label(v) for v in self.values].index(label(value)) + 0.5) / len(self.values)

    def narrowed(self, values: Sequence[Any]) -> Choice:
        """Those of the values that are among `values`."""
        kept = {label(v) for v in values}
        return Choice(tuple(v for v in self.values if label(v) in kept))


SPACES: dict[str, type[Space]] = {space.name: space for space in (Uniform, Log, Range, Choice)}


def parse_space(text: str, where: str = "space") -> Space:
    """The space that a line declares; a `ConfigError` that starts with `where` if it declares none.

    >>> parse_space("log(1e-5, 1e-1)")
    Log(low=1e-05, high=0.1, points=None)
    >>> parse_space("choice(50, 100, 200)").grid()
    [50, 100, 200]
    """
    call = _CALL.fullmatch(text) if isinstance(text, str) else None
    if call is None:
        example = "such as log(1e-5, 1e-1), uniform(0, 1), range(1, 5) or choice(50, 100)"
        raise ConfigError(f"{where}: must be a space, {example}, got {describe(text)}")
    name, inside = call.groups()
    try:
        if name not in SPACES:
            raise unknown("space", name, SPACES)
        try:
            values = tomllib.loads(f"values = [{inside}\n]")
        except (tomllib.TOMLDecodeError, RecursionError):
            values = {}
        if list(values) != ["values"]:  # also where a bracket in the text would have closed the list
            raise ConfigError(
                f'{name}: must hold TOML values separated by commas, such as 0.5, 1e-3, "adam", got {inside!r:.100}'
            )
        arguments = values["values"]
        if name == Choice.name:
            return Choice(tuple(arguments))
        if not 2 <= len(arguments) <= 3:
            raise ConfigError(f"{name}: must have a low and a high end, got {len(arguments)} values")
        return SPACES[name](*arguments)
    except ChainruleError as error:
        raise ConfigError(f"{where}: {error}") from None


def label(value: Any) -> str:
    """A value of a choice as a short text, different for different values.

    >>> label("adam"), label(0.5), label({"schedule": "cosine"})
    ('adam', '0.5', "{'schedule': 'cosine'}")
    """
    return value if isinstance(value, str) and not _reads_as_other(value) else repr(value)


def _reads_as_other(text: str) -> bool:
    """Whether a text looks like another kind of value, such as '5' or 'True'."""
    return not text or text[0] in "0123456789+-.[{'\"" or text in ("True", "False", "nan", "inf")
