"""Units that are zero whatever comes in.

A ReLU whose input is negative for every row has no gradient and never comes back. It comes from a large learning rate,
a negative bias, or inputs of one sign. Ninety per cent of a layer dead leave little to learn with.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import Affine, ReLU
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.probe import Output
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

SHARE = 0.9


class DeadUnits(Rule):
    """A ReLU layer of which more than 90 % of the units are zero for every row."""

    key = "dead-units"
    needs = ("probes",)
    mend = "lower the learning rate, scale the inputs, use He initialisation with biases of zero, or LeakyReLU"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Before and after training. A channel of an image is dead if it is zero at every pixel."""
        for probe in subject.probes:
            for output in probe.outputs:
                if isinstance(output.layer, ReLU) and (dead := share_dead(output)) > SHARE:
                    why = f"{dead:.0%} of its units are zero for all of {len(output.out)} rows {probe.stage}"
                    yield self.finding(output.where, why)

    @classmethod
    def bad(cls) -> Subject:
        """A bias of −30."""
        subject = cls.good()
        assert subject.fresh is not None
        subject.fresh.params["b1"] = np.full(16, -30.0)
        return subject

    @classmethod
    def good(cls) -> Subject:
        """A bias of zero."""
        return with_data([Affine(16), ReLU(), Affine(3)])


def share_dead(output: Output) -> float:
    """The share of units (N, C, ...) that are never positive."""
    axes = (0, *range(2, output.out.ndim))
    return float(np.mean(output.out.max(axis=axes) <= 0))
