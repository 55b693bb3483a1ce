"""Early stopping that cannot stop anything.

With a patience of as many epochs as there are, training always runs to its end.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class IdleEarlyStopping(Rule):
    """A patience that is not less than the number of epochs."""

    key = "idle-early-stopping"
    severity = "note"
    needs = ("training",)
    mend = "lower the patience, or raise the number of epochs"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare the two."""
        assert subject.training is not None
        early, epochs = subject.training.early_stopping, subject.training.epochs
        if early is not None and 0 < epochs <= early.patience:
            yield self.finding(
                "early stopping", f"a patience of {early.patience} cannot stop a training of {epochs} epochs"
            )

    @classmethod
    def bad(cls) -> Subject:
        """50 of 40."""
        return recipe("train.early_stopping.patience=50")

    @classmethod
    def good(cls) -> Subject:
        """5 of 40."""
        return recipe("train.early_stopping.patience=5")
