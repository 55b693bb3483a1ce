"""A training after which the network knows no more than before.

The loss of the last steps is that of the first ones. The learning rate is far too low or far too high, the units are
dead, or the labels have nothing to do with the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.curves import ends, finite
from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 30
SHARE = 0.03


class LearnedNothing(Rule):
    """A training loss that has fallen by less than 3 %."""

    key = "learned-nothing"
    severity = "error"
    needs = ("curve",)
    mend = "try learning rates of a tenth and of ten times this one; overfit a batch of ten rows first"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Medians of the first and the last tenth; scores that rose anyway are no failure."""
        assert subject.history is not None
        losses = subject.history.loss_history
        if len(losses) < FEWEST or not finite(losses):
            return
        first, last = ends(losses)
        scores = subject.history.train_acc_history
        risen = len(scores) > 1 and max(scores[1:]) > scores[0] + 0.2
        if abs(last) > (1 - SHARE) * abs(first) and last > first - SHARE * abs(first) and not risen:
            yield self.finding("training loss", f"{first:.4g} at the beginning, {last:.4g} at the end")

    @classmethod
    def bad(cls) -> Subject:
        """A flat curve."""
        return curve(falling(start=2.3, end=2.3), train=(0.1, 0.1, 0.11), val=(0.1, 0.1, 0.1))

    @classmethod
    def good(cls) -> Subject:
        """A falling one."""
        return curve(falling())
