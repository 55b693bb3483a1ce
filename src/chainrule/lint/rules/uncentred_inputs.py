"""Inputs whose mean is far from zero, measured in their own spread.

All inputs then have the same sign, and so have all gradients of a unit's weights: they can only grow or shrink
together, and the loss is a long narrow valley. Below three standard deviations (grey pixels from 0 to 1 have one or
two) it only slows training and is a note; above it decides what is learnt.
Source: LeCun, Bottou, Orr & Müller, "Efficient backprop", 1998, section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.rules.unscaled_inputs import normalizes_first
from chainrule.lint.subject import Subject

WARNED, NOTED = 3.0, 1.5


class UncentredInputs(Rule):
    """Means of the features that are large beside their standard deviations."""

    key = "uncentred-inputs"
    needs = ("data",)
    mend = 'subtract the mean of the training rows: data.normalize = "center", "standard" or "channel"'

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Root mean square of the means over that of the deviations."""
        if subject.layers is not None and normalizes_first(subject):
            return
        x = subject.sample[0].astype(np.float64).reshape(len(subject.sample[0]), -1)  # (n, D)
        offset, spread = np.sqrt(np.mean(np.square(x.mean(axis=0)))), np.sqrt(np.mean(x.var(axis=0)))
        if spread > 0 and offset > NOTED * spread:
            why = f"means of the features are {offset / spread:.1f} standard deviations from zero"
            yield self.finding("X_train", why, severity="warning" if offset > WARNED * spread else "note")

    @classmethod
    def bad(cls) -> Subject:
        """Years, say."""
        return with_data(data=parts(X_train=parts()["X_train"] + 10))

    @classmethod
    def good(cls) -> Subject:
        """Around zero."""
        return with_data()
