"""A run that did not come to its end.

It was interrupted, killed, or failed: its weights are the best so far, its figures those of a part of the training.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Outcome, Subject


class Unfinished(Rule):
    """A run that was interrupted or failed."""

    key = "unfinished"
    severity = "note"
    needs = ("outcome",)
    mend = "run it again, or judge it as what it is"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The status in the results; a divergence is another rule's."""
        assert subject.outcome is not None
        status, error, *_ = subject.outcome
        if status not in ("finished", "diverged"):
            yield self.finding("training", f"the run is {status}" + (f": {error}" if error else ""))

    @classmethod
    def bad(cls) -> Subject:
        """Interrupted."""
        return curve(falling(), outcome=Outcome("interrupted"))

    @classmethod
    def good(cls) -> Subject:
        """Finished."""
        return curve(falling(), outcome=Outcome("finished"))
