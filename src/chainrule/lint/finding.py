"""What the linter says: findings, and the report that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]

#: From worst to mildest. Errors and warnings are alarms; a note states what is worth knowing and may well be wanted.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One fault. rule: its name. where: the layer, entry or part. why: what was seen. mend: what to do about it."""

    rule: str
    severity: Severity
    where: str
    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.why} [{self.rule}]\n  mend: {self.mend}"


@dataclass(frozen=True)
class Report:
    """All findings on one subject, the worst first.

    checked: the rules that ran. ignored: those that were asked not to, each with the reason. skipped: those that had
    nothing to look at, each with the evidence that was missing (data, a curve, ...).
    """

    subject: str
    findings: Sequence[Finding]
    checked: Sequence[str]
    ignored: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def alarms(self) -> list[Finding]:
        """The errors and warnings."""
        return [f for f in self.findings if f.severity != "note"]

    @property
    def ok(self) -> bool:
        """Whether there is neither error nor warning."""
        return not self.alarms

    @property
    def rules(self) -> list[str]:
        """The names of the rules that found something, each once, the worst first."""
        return list(dict.fromkeys(f.rule for f in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, for JSON."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "findings": [dict(vars(f)) for f in self.findings],
            "checked": list(self.checked),
            "ignored": dict(self.ignored),
            "skipped": dict(self.skipped),
        }

    @property
    def summary(self) -> str:
        """What was found and checked, in one line."""
        counts = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES}
        found = ", ".join(f"{n} {s}{'s' if n > 1 else ''}" for s, n in counts.items() if n)
        last = f"{self.subject}: {found if found else 'nothing found'}; {len(self.checked)} rules checked"
        return last + (f", {len(self.skipped)} had nothing to look at" if self.skipped else "")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), self.summary])
