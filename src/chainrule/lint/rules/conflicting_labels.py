"""Equal rows with different labels.

One of the labels is wrong, or the inputs leave out what decides. No network can get both right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHARE = 0.01


class ConflictingLabels(Rule):
    """More than 1 % of the training rows equal to a row with another label."""

    key = "conflicting-labels"
    needs = ("labels",)
    mend = "look at these rows (chainrule data check lists them), and correct or remove them"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Groups of equal rows: all rows but those of the group's most frequent label are wrong."""
        y, groups = subject.labels("train").tolist(), dict[bytes, dict[int, int]]()
        for digest, label in zip(subject.digests["train"], y, strict=True):
            counts = groups.setdefault(digest, {})
            counts[label] = counts.get(label, 0) + 1
        wrong = sum(sum(counts.values()) - max(counts.values()) for counts in groups.values() if len(counts) > 1)
        if wrong > SHARE * len(y):
            yield self.finding("y_train", f"{wrong:,} of {len(y):,} rows equal another row that has another label")

    @classmethod
    def bad(cls) -> Subject:
        """Every row twice, with the next label."""
        data = parts()
        X, y = data["X_train"], data["y_train"]
        return with_data(data=data | {"X_train": np.concatenate((X, X)), "y_train": np.concatenate((y, (y + 1) % 3))})

    @classmethod
    def good(cls) -> Subject:
        """Every row twice, with its label."""
        data = parts()
        return with_data(data=data | {f"{n}_train": np.concatenate((data[f"{n}_train"],) * 2) for n in "Xy"})
