"""A learning rate that is gone before the training is half over, or never arrives.

A decay a epoch of 0.5 leaves a thousandth after ten epochs; the rest of the training changes nothing. A warm-up longer
than the training never reaches the learning rate.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

GONE = 1e-3


class VanishingSchedule(Rule):
    """A schedule that stays below a thousandth for half of the training, or below a half for all of it."""

    key = "vanishing-schedule"
    needs = ("training",)
    mend = "decay more slowly, warm up for fewer steps, or train for as long as the schedule is meant for"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The factor at 200 steps; where the number of rows is not known, steps stand for epochs."""
        assert subject.training is not None
        rows = len(subject.parts["train"].y) if subject.has("data") else 100 * subject.training.batch_size
        factors = subject.training.factors(rows)
        if not factors:
            return
        gone = sum(abs(factor) < GONE for factor in factors) / len(factors)
        if gone >= 0.5:
            yield self.finding(
                "schedule", f"for {gone:.0%} of the training the learning rate is below {GONE:g} of itself"
            )
        elif max(factors) < 0.5:
            yield self.finding("schedule", f"the learning rate never exceeds {max(factors):.0%} of what is set")

    @classmethod
    def bad(cls) -> Subject:
        """A half an epoch, 40 epochs."""
        return cls._decayed(0.5)

    @classmethod
    def good(cls) -> Subject:
        """95 % an epoch."""
        return cls._decayed(0.95)

    @classmethod
    def _decayed(cls, decay: float) -> Subject:
        from chainrule.optim import EpochDecay

        subject = recipe()
        assert subject.training is not None
        subject.training = subject.training._replace(schedule=EpochDecay(decay))
        return subject
