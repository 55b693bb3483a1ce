"""What a hypothesis is: one fault, and the numbers that a backward pass with that fault would return."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.sample import Sample


class Prediction(NamedTuple):
    """Numbers to compare with. label: tells variants apart; the same in every case that shows the fault."""

    array: Any
    label: str = ""
    explanation: str = ""
    equation: str = ""


class Match(NamedTuple):
    """A fault that explains the gradients of `arguments` in one case; agreement: the relative difference left."""

    arguments: tuple[str, ...]
    label: str
    explanation: str
    equation: str
    agreement: float | None


class Hypothesis:
    """One fault. A subclass says what such a backward pass returns (`wrong`), or how to mend it (`mended`).

    name, title: for reports. kinds: the kinds of layer it is about, all if empty.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    #: 0: spoils all numbers, so it comes first; 1: explains them; 2: a side effect, or said if nothing explains.
    rank: ClassVar[int] = 1

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Gradients of the argument with this fault, each a way to make it; compared with what was returned."""
        yield from ()

    def mended(self, s: Sample, name: str) -> Iterator[Prediction]:
        """What was returned, put right; compared with the derivatives by differences."""
        yield from ()

    def examine(self, s: Sample) -> Iterator[Match]:
        """The arguments that this fault explains; by default those for which the numbers agree."""
        for name in s.wrong:
            got = s.got.get(name)
            if got is None or s.failure:
                continue
            best: Match | None = None
            least = float("inf")
            for predictions, target in ((self.wrong(s, name), got), (self.mended(s, name), None)):
                for found in predictions:
                    compared = s.numeric(name) if target is None else target
                    distance = s.distance(found.array, compared)
                    good = distance <= s.tolerance(name) and np.any(compared)
                    if good and distance < least / 10:
                        least = distance
                        best = Match((name,), found.label, found.explanation, found.equation, distance)
            if best is not None:
                yield best


def gradient_name(name: str) -> str:
    """How courses call the gradient of an argument."""
    return f"d{name}"


def right_equation(s: Sample, name: str) -> str:
    """The equation that the kind declares for an argument, if its kind is known."""
    return "" if s.kind is None else s.kind.equations.get(s.roles.get(name, name), "")


def contributions(s: Sample, name: str) -> Array:
    """dout_o ∂output_o/∂argument, one row an output: (outputs, entries). Their sum is the gradient."""
    return s.dout.reshape(-1, 1) * s.jacobian(name)
