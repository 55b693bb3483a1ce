"""Dropout after the last weights.

It sets scores to zero at random, that of the right class as well, and the loss punishes the network for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Dropout
from chainrule.lint.chains import DROPOUTS, tail
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class DropoutOnScores(Rule):
    """Dropout after the last layer with weights."""

    key = "dropout-on-scores"
    severity = "error"
    needs = ("layers",)
    mend = "move the dropout before the last layer with weights"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Dropout in the tail."""
        assert subject.layers is not None
        for where, layer in tail(subject.layers):
            if isinstance(layer, DROPOUTS) and getattr(layer, "rate", 0) > 0:
                yield self.finding(where, "scores are dropped at random on their way into the loss")

    @classmethod
    def bad(cls) -> Subject:
        """Last."""
        return declared(Affine(10), Dropout(0.5))

    @classmethod
    def good(cls) -> Subject:
        """Before the last weights."""
        return declared(Dropout(0.5), Affine(10))
