"""A class that training never shows.

Rows of it in validation and test are all predicted wrong. It comes from splitting sorted rows in order, or from labels
that are counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class MissingClasses(Rule):
    """Classes without a training row."""

    key = "missing-classes"
    severity = "error"
    needs = ("labels",)
    mend = 'split with data.split = "stratified", which keeps the shares of the classes; count labels from 0'

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Classes of the other parts, of the data set, and below the highest label."""
        counts = subject.counts("train")
        known = len(counts) if subject.classes is None else max(subject.classes, len(counts))
        missing = [c for c in range(known) if c >= len(counts) or counts[c] == 0]
        if missing:
            shown = ", ".join(subject.class_name(c) for c in missing[:3]) + (", ..." if len(missing) > 3 else "")
            yield self.finding("y_train", f"no training row of class {shown}")

    @classmethod
    def bad(cls) -> Subject:
        """Class 2 in the other parts only."""
        data = parts()
        keep = data["y_train"] != 2
        return with_data(data=data | {"X_train": data["X_train"][keep], "y_train": data["y_train"][keep]})

    @classmethod
    def good(cls) -> Subject:
        """All of them."""
        return with_data()
