"""A training of a handful of steps.

Every step moves the weights a little; thirty of them rarely get anywhere. It happens with a batch size as large as the
data, or with few rows and few epochs.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 30


class TooFewSteps(Rule):
    """Fewer than 30 steps in all."""

    key = "too-few-steps"
    needs = ("plan",)
    mend = "train for more epochs, or with smaller batches"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Steps an epoch times epochs."""
        assert subject.training is not None
        rows, training = len(subject.parts["train"].y), subject.training
        steps = training.steps_per_epoch(rows) * training.epochs
        if steps < FEWEST:
            why = f"{steps} steps in all: {training.epochs} epochs of {rows:,} rows in batches of {training.batch_size}"
            yield self.finding("epochs", why)

    @classmethod
    def bad(cls) -> Subject:
        """Six steps."""
        return training(batch_size=100, num_epochs=2)

    @classmethod
    def good(cls) -> Subject:
        """300 steps."""
        return training(batch_size=10, num_epochs=10)
