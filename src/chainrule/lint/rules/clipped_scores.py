"""A rectifier after the last weights.

Scores below zero become zero: classes that should be ruled out cannot be, and where all scores of a row are zero no
gradient comes back at all. A regression through ReLU cannot predict anything negative.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, ReLU
from chainrule.lint.chains import RECTIFIERS, tail
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import SquaredError


class ClippedScores(Rule):
    """ReLU or a relative of it after the last weights."""

    key = "clipped-scores"
    needs = ("layers",)
    mend = "leave the last activation out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """A rectifier in the tail; fine for a regression whose targets are all positive."""
        assert subject.layers is not None
        if isinstance(subject.loss, SquaredError) and (not subject.has("data") or subject.parts["train"].y.min() >= 0):
            return
        for where, layer in tail(subject.layers):
            if isinstance(layer, RECTIFIERS):
                yield self.finding(where, f"{layer.name} cuts the scores off before the loss")

    @classmethod
    def bad(cls) -> Subject:
        """ReLU last."""
        return declared(Affine(10), ReLU())

    @classmethod
    def good(cls) -> Subject:
        """ReLU between weights."""
        return declared(Affine(10), ReLU(), Affine(10))
