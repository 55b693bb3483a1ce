"""A loss that stops at the floor of a softmax applied twice.

Softmax of probabilities gives the right class at most e/(e + C − 1): the loss cannot fall below ln(1 + (C − 1)/e),
1.4612 for ten classes. Where a model of your own does it inside, no layer shows it, but the curve does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.lint.curves import ends, finite
from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import SoftmaxCrossEntropy

BELOW, ABOVE = 0.995, 1.15
ACCURATE = 0.6


class LossFloor(Rule):
    """A loss that ends at ln(1 + (C − 1)/e) while most rows are predicted right."""

    key = "loss-floor"
    needs = ("curve",)
    mend = "leave one of the two softmaxes out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The lowest losses lie just above the floor, and the accuracy says they should lie far below it."""
        assert subject.history is not None
        losses, scores = subject.history.loss_history, subject.history.train_acc_history
        classes = len(subject.counts("train")) if subject.classes is None and subject.has("labels") else subject.classes
        if subject.loss is not None and not isinstance(subject.loss, SoftmaxCrossEntropy):
            return
        if classes is None or classes < 3 or not scores or not finite(losses) or len(losses) < 30:
            return
        floor = math.log(1 + (classes - 1) / math.e)
        _, last = ends(losses)
        if min(losses) > BELOW * floor and last < ABOVE * floor and max(scores) > ACCURATE:
            why = f"ends at {last:.4g} with an accuracy of {max(scores):.0%}: the floor of two softmaxes is {floor:.4f}"
            yield self.finding("training loss", why)

    @classmethod
    def bad(cls) -> Subject:
        """At 1.48 with 90 %."""
        return curve(falling(end=1.48, noise=0.002))

    @classmethod
    def good(cls) -> Subject:
        """At 0.3 with 90 %."""
        return curve(falling())
