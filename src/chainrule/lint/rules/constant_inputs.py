"""Features that are the same in every row.

A column that never changes tells nothing. A few are normal (the corners of digits); when most are, reading or
preprocessing went wrong: a wrong column, a mask, a scale that rounded everything to zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHARE = 0.75


class ConstantInputs(Rule):
    """More than three quarters of the features constant over the training rows, or rows that are all alike."""

    key = "constant-inputs"
    needs = ("data",)
    mend = "look at what was read (chainrule data show), and leave constant features out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Over the sample of up to 1,000 rows."""
        x = subject.sample[0].reshape(len(subject.sample[0]), -1)  # (n, D)
        if len(x) < 20:
            return
        constant = float((x == x[0]).all(axis=0).mean())
        if constant == 1:
            yield self.finding("X_train", "all rows are equal", severity="error")
        elif constant > SHARE:
            yield self.finding("X_train", f"{constant:.0%} of the features are the same in all of {len(x):,} rows")

    @classmethod
    def bad(cls) -> Subject:
        """Seven of eight features cut off."""
        mask = np.arange(8) < 1
        return with_data(data=parts(X_train=parts()["X_train"] * mask))

    @classmethod
    def good(cls) -> Subject:
        """Two of eight."""
        mask = np.arange(8) < 6
        return with_data(data=parts(X_train=parts()["X_train"] * mask))
