"""A training whose best epoch is its last one.

It was cut off while it still improved; a longer one would probably be better.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST, GAIN = 5, 0.01


class StillImproving(Rule):
    """A validation score that was still rising in the last epochs."""

    key = "still-improving"
    severity = "note"
    needs = ("curve",)
    mend = "train for more epochs"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The best score is the last one, and at least one point above that of three epochs before."""
        assert subject.history is not None
        scores = [epoch.val_acc for epoch in subject.history.epochs]
        if len(scores) >= FEWEST and scores[-1] == max(scores) and scores[-1] - scores[-4] > GAIN:
            rise = 100 * (scores[-1] - scores[-4])
            yield self.finding("validation", f"rose by {rise:.1f} points in the last three epochs")

    @classmethod
    def bad(cls) -> Subject:
        """Rising to the end."""
        val = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
        return curve(falling(), train=val, val=val, val_losses=(1.0,) * 6)

    @classmethod
    def good(cls) -> Subject:
        """Level."""
        val = (0.3, 0.6, 0.8, 0.8, 0.8, 0.8)
        return curve(falling(), train=val, val=val, val_losses=(1.0,) * 6)
