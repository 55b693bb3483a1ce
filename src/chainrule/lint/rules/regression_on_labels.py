"""Class numbers as targets of a regression.

The squared error takes class 9 to be far from class 0 and near to class 8; numbers of classes have no such order.
Half a unit of rounding decides the class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import Squeeze
from chainrule.lint.examples import hidden, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import SquaredError

MOST_CLASSES = 20


class RegressionOnLabels(Rule):
    """Squared error on labels of classes."""

    key = "regression-on-labels"
    needs = ("data",)
    mend = "use SoftmaxCrossEntropy with one score a class (Logistic with one score for two classes)"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Whole numbers 0 ... C − 1 as targets, three or more and each of them often."""
        y = subject.parts["train"].y
        if not isinstance(subject.loss, SquaredError) or y.ndim > 2 or (y.ndim == 2 and y.shape[1] > 1):
            return
        values, counts = np.unique(y, return_counts=True)
        named = subject.classes is not None
        numbered = np.array_equal(values, np.arange(len(values))) and counts.min() >= 5
        if numbered and (named or 3 <= len(values) <= MOST_CLASSES):
            yield self.finding("the loss", f"{subject.loss.name} on {len(values)} class numbers, which have no order")

    @classmethod
    def bad(cls) -> Subject:
        """Labels 0, 1, 2."""
        return with_data([*hidden(classes=1), Squeeze()], loss=SquaredError())

    @classmethod
    def good(cls) -> Subject:
        """The same as a classification."""
        return with_data()
