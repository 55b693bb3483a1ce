"""Scores so large that the network is never in doubt.

A score of 100 more than the others is a probability of 1 − 10⁻⁴³. Errors then cost as much, gradients come from single
rows, and float32 is not far from its limits. Missing regularisation or a learning rate too high.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import Logistic, SoftmaxCrossEntropy

HUGE = 100.0


class HugeScores(Rule):
    """Scores of a trained classifier whose typical spread exceeds 100."""

    key = "huge-scores"
    needs = ("trained",)
    mend = "use weight decay or label smoothing, and scale the inputs"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The median over rows of the largest distance to the row's mean score."""
        probe = subject.end
        assert probe is not None
        if not isinstance(probe.network.loss_function, (SoftmaxCrossEntropy, Logistic)):
            return
        scores = probe.scores.astype(np.float64)
        centred = scores - scores.mean(axis=1, keepdims=True) if scores.ndim == 2 else scores[:, None]
        spread = float(np.median(np.abs(centred).max(axis=1)))
        if spread > HUGE:
            yield self.finding("scores", f"typical scores are {spread:.3g} away from the mean")

    @classmethod
    def bad(cls) -> Subject:
        """Weights of 1,000."""
        subject = cls.good()
        assert subject.trained is not None
        subject.trained.params["W2"] = subject.trained.params["W2"] * 1000
        return subject

    @classmethod
    def good(cls) -> Subject:
        """Usual ones."""
        subject = with_data()
        subject.trained, subject.fresh = subject.fresh, None
        return subject
