"""A network with another number of scores than there are classes.

With too many, the surplus classes are learnt to be impossible, and the parameters are wasted; it usually means that the
network was made for other data.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import hidden, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import MultiClassHinge, SoftmaxCrossEntropy


class OutputCount(Rule):
    """More scores than classes."""

    key = "output-count"
    needs = ("labels", "probes")
    mend = "give the last layer as many units as there are classes"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare the two; fewer scores than labels is an error of the loss already."""
        network = subject.probes[0].network
        if not isinstance(subject.loss, (SoftmaxCrossEntropy, MultiClassHinge)):
            return
        seen = len(subject.counts("train"))
        classes = seen if subject.classes is None else max(subject.classes, seen)
        if network.output_shape[-1] > classes:
            yield self.finding("the last layer", f"{network.output_shape[-1]} scores for {classes} classes")

    @classmethod
    def bad(cls) -> Subject:
        """Ten scores for three classes."""
        return with_data(hidden(classes=10))

    @classmethod
    def good(cls) -> Subject:
        """Three."""
        return with_data(hidden(classes=3))
