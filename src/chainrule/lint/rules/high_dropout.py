"""Dropout that leaves almost nothing.

`rate` is the probability of being dropped. Courses and libraries differ: some give the probability of being kept, and
a keep probability of 0.9 taken for a rate drops nine of ten units.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Dropout
from chainrule.lint.chains import DROPOUTS, chains
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

MOST = 0.75


class HighDropout(Rule):
    """A dropout rate above 0.75."""

    key = "high-dropout"
    needs = ("layers",)
    mend = "rate is the probability of being dropped; 0.1 to 0.5 is usual"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """All dropout layers."""
        assert subject.layers is not None
        for chain in chains(subject.layers):
            for where, layer in chain:
                if isinstance(layer, DROPOUTS) and layer.rate > MOST:
                    yield self.finding(where, f"{layer.rate:.0%} of the units are dropped in training")

    @classmethod
    def bad(cls) -> Subject:
        """A keep probability taken for a rate."""
        return declared(Dropout(0.9), Affine(10))

    @classmethod
    def good(cls) -> Subject:
        """The rate that was meant."""
        return declared(Dropout(0.1), Affine(10))
