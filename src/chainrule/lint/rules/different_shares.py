"""Parts with different shares of the classes.

Sorted or grouped rows that were split in order: the validation part shows what training hardly saw, and its figure
describes other data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

Z_LIMIT = 6.0  # standard deviations; chance alone goes beyond once in 10⁹
DISTANCE = 0.1  # half the sum of differences of shares


class DifferentShares(Rule):
    """Classes whose shares in validation or test differ from training by far more than chance."""

    key = "different-shares"
    needs = ("labels", "parts")
    mend = 'split with data.split = "stratified", or shuffle before splitting'

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Pearson's χ² of the table of counts, and the distance of the shares (so that large sets are not picky)."""
        train = subject.counts("train").astype(np.float64)
        for part in ("val", "test"):
            if part not in subject.parts:
                continue
            other = subject.counts(part).astype(np.float64)
            table = np.stack((train, other))[:, train + other > 0]
            expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
            chi2, freedom = float((np.square(table - expected) / expected).sum()), table.shape[1] - 1
            shares = table / table.sum(axis=1, keepdims=True)
            distance = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
            if freedom and (chi2 - freedom) / np.sqrt(2 * freedom) > Z_LIMIT and distance > DISTANCE:
                worst = int(np.argmax(np.abs(train / train.sum() - other / other.sum())))
                here, there = (float(c[worst] / c.sum()) for c in (other, train))
                why = f"class {subject.class_name(worst)} is {here:.0%} of the rows, in training {there:.0%}"
                yield self.finding(f"y_{part}", why)

    @classmethod
    def bad(cls) -> Subject:
        """Validation of one class."""
        data = parts()
        only = data["y_val"] == 1
        return with_data(data=data | {"X_val": data["X_val"][only], "y_val": data["y_val"][only]})

    @classmethod
    def good(cls) -> Subject:
        """Random parts."""
        return with_data()
