"""Validation or test rows that went through another preprocessing than the training rows.

Statistics fitted on each part, a scale applied twice or forgotten: the network meets numbers it was never trained on,
and its figures there mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHIFT, RATIO = 1.0, 2.0


class PartsScaledDifferently(Rule):
    """A part whose inputs have another mean or spread than those of training."""

    key = "parts-scaled-differently"
    severity = "error"
    needs = ("parts",)
    mend = "fit one Normalizer on the training rows and apply it to every part"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Mean over all numbers by more than one standard deviation, or spread by more than a factor of two."""
        x = subject.sample[0].astype(np.float64)
        mean, spread = x.mean(), x.std()
        for part in ("val", "test"):
            if part not in subject.parts or len(subject.parts[part].y) < 10:
                continue
            other = subject.rows(part, 500)[0].astype(np.float64)
            off, ratio = abs(other.mean() - mean), other.std() / spread if spread > 0 else 1.0
            if off > SHIFT * spread > 0 or not 1 / RATIO <= ratio <= RATIO:
                here = f"mean {other.mean():.3g}, deviation {other.std():.3g}"
                yield self.finding(f"X_{part}", f"inputs have {here}; in training {mean:.3g} and {spread:.3g}")

    @classmethod
    def bad(cls) -> Subject:
        """A validation part that was scaled twice."""
        return with_data(data=parts(X_val=parts()["X_val"] / 10))

    @classmethod
    def good(cls) -> Subject:
        """All alike."""
        return with_data()
