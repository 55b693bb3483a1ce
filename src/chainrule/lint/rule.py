"""What a lint rule is: a name, the evidence it needs, a check, and two examples from which its tests are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from chainrule.lint.finding import Finding, Severity
from chainrule.lint.subject import EVIDENCE, Subject


class Rule:
    """Base of all rules. A subclass says in its docstring's first line what it finds, and writes `check` and examples.

    key: the rule's name. severity: of its findings, unless one says otherwise. needs: the evidence without which it
    cannot run, names of `EVIDENCE`. mend: what to do, unless a finding says otherwise.
    """

    key: ClassVar[str]
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[tuple[str, ...]]
    mend: ClassVar[str] = ""

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong with `subject`; the needed evidence is there."""
        raise NotImplementedError

    @classmethod
    def bad(cls) -> Subject:
        """The smallest subject in which the rule must find something."""
        raise NotImplementedError

    @classmethod
    def good(cls) -> Subject:
        """The same without the fault, in which it must find nothing."""
        raise NotImplementedError

    def finding(self, where: str, why: str, *, severity: Severity | None = None, mend: str | None = None) -> Finding:
        """A finding of this rule."""
        return Finding(
            self.key, self.severity if severity is None else severity, where, why, self.mend if mend is None else mend
        )

    def missing(self, subject: Subject) -> str:
        """The evidence that `subject` lacks for this rule, in words; empty if it has all."""
        return ", ".join(EVIDENCE[name] for name in self.needs if not subject.has(name))
