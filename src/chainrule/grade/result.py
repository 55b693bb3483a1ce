"""What grading a submission found, as plain values: the JSON report is this and nothing else."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from chainrule.errors import DataError, describe


class CaseResult(Struct, frozen=True, kw_only=True):
    """One case. kind: "passed", "wrong", or why there are no results: "error", "time", "memory", "crash", ...

    findings: what is wrong, one line each. where: the submission's line that an exception came from. output: the start
    of what was printed.
    """

    label: str
    kind: str
    findings: list[str] = []
    where: str = ""
    output: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all is right."""
        return self.kind == "passed"


class Cause(Struct, frozen=True, kw_only=True):
    """What is probably wrong, in words, and the equation that would be right where there is one."""

    title: str
    explanation: str = ""
    equation: str = ""


class ItemResult(Struct, frozen=True, kw_only=True):
    """One item of the rubric. inherited: items that lost points themselves and that this one calls."""

    name: str
    file: str
    points: float
    earned: float
    cases: list[CaseResult]
    causes: list[Cause] = []
    inherited: list[str] = []

    @property
    def passed(self) -> int:
        """How many cases."""
        return sum(case.passed for case in self.cases)


class Report(Struct, frozen=True, kw_only=True):
    """One submission. error: why it could not be graded, "" where it was. taken: for each file of the course, the
    path in the submission that it came from. fences: what the kernel held while it ran.
    """

    name: str
    course: str
    edition: str
    title: str
    items: list[ItemResult] = []
    notes: list[str] = []
    taken: dict[str, str] = {}
    fences: list[str] = []
    seconds: float = 0.0
    error: str = ""
    total: float = 0.0

    @property
    def earned(self) -> float:
        """The points."""
        return round(sum(item.earned for item in self.items), 2)

    def to_json(self) -> str:
        """The report as JSON text."""
        plain = {"name": self.name, "points": self.earned, **msgspec.to_builtins(self)}
        return msgspec.json.format(msgspec.json.encode(plain), indent=1).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """The report that `to_json` wrote; a `DataError` for anything else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise DataError(f"Report: text must be a report in JSON, got {describe(text)}: {error}") from None
