"""A case: one call of a submission's functions on drawn inputs, and how its results are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.courses.course import Edition
from chainrule.errors import unknown
from chainrule.grade.inside.routines import ROUTINES
from chainrule.grade.judge import Finding, compare_all

#: (expected, got, tolerance) -> what is wrong.
Judge = Callable[[Mapping[str, Any], Mapping[str, Any], float], Sequence[Finding]]


@dataclass(frozen=True)
class Case:
    """One run: `routine` of `inside.routines` with `call`.

    label: what is special about it. expected: what this package's own functions give; computed in this process, and
    never sent. judge: compares.
    """

    label: str
    routine: str
    call: Mapping[str, Any]
    expected: Mapping[str, Any]
    judge: Judge = compare_all


@dataclass
class Drawing:
    """What the cases of one item are drawn with.

    edition: whose functions give the expected results. count: how many cases are wanted.
    """

    edition: Edition
    rng: np.random.Generator
    count: int

    def path(self, stem: str) -> str:
        """The file called `stem` in the course's code base: "fc_net" -> "classifiers/fc_net.py"."""
        for path in self.edition.files:
            if path.rpartition("/")[2] == f"{stem}.py":
                return path
        raise unknown(f"file of {self.edition.course} {self.edition.name}", stem, self.edition.files)

    def find(self, file: str, name: str) -> Any:
        """Our own function of that name."""
        return getattr(self.edition.module(file), name)

    def case(self, label: str, routine: str, call: Mapping[str, Any], judge: Judge = compare_all) -> Case:
        """A case whose expected results our own functions give."""
        return Case(label, routine, call, self.expected(routine, call), judge)

    def expected(self, routine: str, call: Mapping[str, Any]) -> Mapping[str, Any]:
        """What our own functions give."""
        state = np.random.get_state()  # dropout draws from the global generator, which is not ours to move
        try:
            return ROUTINES[routine](self.find, call)
        finally:
            np.random.set_state(state)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal numbers, none so near to zero that rounding decides about its sign."""
        x = self.rng.normal(size=shape)
        return np.where(abs(x) < 1e-3, 0.5, x)

    def size(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))


@dataclass(frozen=True)
class Item:
    """Something that a rubric gives points for.

    stem: of the file it is in. names: what the file must define. make: draws its cases. needs: items whose faults
    this one inherits, as it calls them. applies: whether an edition that has the names means the same by them.
    """

    stem: str
    names: tuple[str, ...]
    make: Callable[[Drawing], list[Case]]
    needs: tuple[str, ...] = ()
    applies: Callable[[Edition], bool] = lambda edition: True
