"""Batches larger than the training data.

Every step then sees all rows (or, drawn with replacement, many of them several times): what is meant as noise that
helps is gone, and an epoch is a single step.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class BatchExceedsData(Rule):
    """A batch size of more rows than there are."""

    key = "batch-exceeds-data"
    needs = ("plan",)
    mend = "use a batch size of 10 to 256, well below the number of rows"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare the two."""
        assert subject.training is not None
        rows, size = len(subject.parts["train"].y), subject.training.batch_size
        if size > rows:
            yield self.finding("batch_size", f"batches of {size:,} rows, but there are {rows:,}: an epoch is one step")

    @classmethod
    def bad(cls) -> Subject:
        """1,000 of 300."""
        return training(batch_size=1000, num_epochs=100)

    @classmethod
    def good(cls) -> Subject:
        """100 of 300."""
        return training(batch_size=100, num_epochs=100)
