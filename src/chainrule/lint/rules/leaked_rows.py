"""Rows of validation or test data that are in the training data too.

What a network was trained on it may simply remember; its figure there says nothing about new rows. It comes from
splitting after rows were copied or augmented, from overlapping downloads, or from a wrong index.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHARE = 0.01


class LeakedRows(Rule):
    """Equal rows in training and in validation or test data."""

    key = "leaked-rows"
    needs = ("parts",)
    mend = "remove the copies from training, and split before rows are copied or augmented"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Rows whose digest is among those of training: an alarm from 1 % on, a note below."""
        train = set(subject.digests["train"])
        for part in ("val", "test"):
            digests = subject.digests.get(part, [])
            leaked = sum(digest in train for digest in digests)
            if leaked:
                share = leaked / len(digests)
                why = f"{leaked:,} of {len(digests):,} rows ({share:.1%}) are in the training data too"
                yield self.finding(f"X_{part}", why, severity="warning" if share > SHARE else "note")

    @classmethod
    def bad(cls) -> Subject:
        """Half of the test rows."""
        data = parts()
        data["X_test"][:50], data["y_test"][:50] = data["X_train"][:50], data["y_train"][:50]
        return with_data(data=data)

    @classmethod
    def good(cls) -> Subject:
        """None."""
        return with_data()
