"""Softmax applied twice.

The softmax cross-entropy takes scores and applies softmax itself. Of scores that are probabilities already it makes
nearly equal ones: for C classes the loss cannot fall below ln(1 + (C − 1)/e), 1.4612 for ten, gradients are small, and
training is slow and stops early. A hinge loss on probabilities wants margins of 1 that they cannot have.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Softmax
from chainrule.lint.chains import tail
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import MultiClassHinge, SoftmaxCrossEntropy


class SoftmaxBeforeLoss(Rule):
    """Softmax as the last layer, before a loss that takes scores."""

    key = "softmax-before-loss"
    severity = "error"
    needs = ("layers",)
    mend = "leave the last Softmax out; network.predict_proba gives probabilities"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """A softmax after the last weights."""
        assert subject.layers is not None
        if not isinstance(subject.loss, (SoftmaxCrossEntropy, MultiClassHinge)):
            return
        mend = None
        if subject.recipe is not None and getattr(subject.recipe.model, "double_softmax", False):
            mend = "set model.double_softmax = false"
        for where, layer in tail(subject.layers):
            if isinstance(layer, Softmax):
                applies = "applies it itself" if isinstance(subject.loss, SoftmaxCrossEntropy) else "needs margins"
                yield self.finding(where, f"softmax is applied before a loss that {applies}", mend=mend)

    @classmethod
    def bad(cls) -> Subject:
        """Softmax last."""
        return declared(Affine(10), Softmax())

    @classmethod
    def good(cls) -> Subject:
        """Scores."""
        return declared(Affine(10))
