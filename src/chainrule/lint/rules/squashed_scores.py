"""Scores forced into an interval before a loss that needs them free.

The logistic loss applies the sigmoid itself; softmax of numbers between 0 and 1 (or −1 and 1) can never be sure: for
ten classes no probability exceeds e/(e + 9) = 0.23 (after tanh e²/(e² + 9) = 0.45), and the loss has a floor.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Sigmoid, Tanh
from chainrule.lint.chains import tail
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import BinaryHinge, Logistic, MultiClassHinge, SoftmaxCrossEntropy


class SquashedScores(Rule):
    """Sigmoid or tanh after the last weights, before a loss that takes scores."""

    key = "squashed-scores"
    severity = "error"
    needs = ("layers",)
    mend = "leave the last activation out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """A squashing function after the last weights."""
        assert subject.layers is not None
        if not isinstance(subject.loss, (SoftmaxCrossEntropy, Logistic, MultiClassHinge, BinaryHinge)):
            return
        for where, layer in tail(subject.layers):
            if isinstance(layer, (Sigmoid, Tanh)):
                twice = isinstance(layer, Sigmoid) and isinstance(subject.loss, Logistic)
                why = "applies a sigmoid itself" if twice else "needs scores without bounds"
                yield self.finding(where, f"scores go through {layer.name} before {subject.loss.name}, which {why}")

    @classmethod
    def bad(cls) -> Subject:
        """Sigmoid before softmax cross-entropy."""
        return declared(Affine(10), Sigmoid())

    @classmethod
    def good(cls) -> Subject:
        """Sigmoid where it belongs."""
        return declared(Affine(10), Sigmoid(), Affine(10))
