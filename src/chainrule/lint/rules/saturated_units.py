"""Sigmoids and tanhs at the ends of their range.

There they are flat: a slope below 5 % of the steepest lets hardly any gradient through. It comes from inputs or initial
weights that are too large, or from a learning rate that threw the weights there.
Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.initializers import Normal
from chainrule.layers import Affine, Sigmoid, Tanh
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SLOPE = 0.05  # of the steepest
BEFORE, AFTER = 0.5, 0.9


class SaturatedUnits(Rule):
    """Sigmoid or tanh outputs of which most are where the function is flat."""

    key = "saturated-units"
    needs = ("probes",)
    mend = "scale the inputs, use Xavier initialisation, lower the learning rate, or normalise before the activation"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """More than half before training, more than 90 % after it."""
        for probe in subject.probes:
            for where, layer, _, y in probe.outputs:
                if not isinstance(layer, (Sigmoid, Tanh)):
                    continue
                slope = 4 * y * (1 - y) if isinstance(layer, Sigmoid) else 1 - y * y
                flat = float(np.mean(slope < SLOPE))
                if flat > (BEFORE if probe.train else AFTER):
                    yield self.finding(where, f"{flat:.0%} of its outputs are saturated {probe.stage}")

    @classmethod
    def bad(cls) -> Subject:
        """Large initial weights."""
        return with_data([Affine(16, init=Normal(10.0)), Sigmoid(), Affine(3)])

    @classmethod
    def good(cls) -> Subject:
        """Small ones."""
        return with_data([Affine(16, init=Normal(0.3)), Sigmoid(), Affine(3)])
