"""A mistake that students make: our own function with the fault in it, whose results theirs may turn out to be."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.grade.cases import Case
from chainrule.grade.inside.routines import ROUTINES, Find
from chainrule.grade.judge import Finding
from chainrule.grade.result import Cause

#: (find, call of the case) -> what the routine would return with the fault; None where it does not apply.
Alter = Callable[[Find, Mapping[str, Any], str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Mistake:
    """A fault, what to say about it, and how it would look."""

    cause: Cause
    alter: Alter

    def explains(self, case: Case, got: Mapping[str, Any], find: Find, tolerance: float) -> bool:
        """Whether with this fault in our own functions the results of `case` would be what the submission's are."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):  # a fault may divide by zero
                warnings.simplefilter("ignore")
                results = self.alter(find, case.call, case.routine)
            if results is None:
                return False
            findings: list[Finding] = list(case.judge({**case.expected, **results}, got, tolerance))
        except Exception:  # or not fit the arguments of a case
            return False
        return not findings


def swapped(title: str, explanation: str, equation: str, **functions: Callable[..., Any]) -> Mistake:
    """The mistake of writing `functions`, by name, in place of ours; each takes ours as its first argument."""

    def alter(find: Find, call: Mapping[str, Any], routine: str) -> Mapping[str, Any]:
        def faulty(file: str, name: str) -> Any:
            ours = find(file, name)
            if name not in functions:
                return ours
            return lambda *args, **options: functions[name](ours, *args, **options)

        return ROUTINES[routine](faulty, call)

    return Mistake(Cause(title=title, explanation=explanation, equation=equation), alter)


def other_call(title: str, explanation: str, equation: str, change: Callable[..., Any]) -> Mistake:
    """A mistake that looks like our functions with other arguments: `change` maps a call to them, or to None."""

    def alter(find: Find, call: Mapping[str, Any], routine: str) -> Mapping[str, Any] | None:
        changed = change(dict(call))
        return None if changed is None else ROUTINES[routine](find, changed)

    return Mistake(Cause(title=title, explanation=explanation, equation=equation), alter)
