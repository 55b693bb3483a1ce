"""Gradients that grow on the way to the first layers, or are huge altogether.

Every layer with weights that are too large multiplies the gradient; one step then throws the weights away, or the loss
becomes infinite. Also an infinite or NaN gradient before training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.initializers import Normal
from chainrule.layers import Affine, ReLU
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

HUGE = 1e3


class ExplodingGradients(Rule):
    """A gradient whose norm exceeds 1,000, or is not finite."""

    key = "exploding-gradients"
    needs = ("probes",)
    mend = "use He or Xavier initialisation, scale the inputs, normalise, or clip (train.clip_norm)"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The norm over all parameters, before and after training."""
        for probe in subject.probes:
            norms = {name: float(np.linalg.norm(g)) for name, g in probe.gradients.items()}
            total = math.sqrt(sum(norm**2 for norm in norms.values())) if norms else 0.0
            if not math.isfinite(total):
                yield self.finding("gradients", f"the norm of the gradient is {total} {probe.stage}", severity="error")
            elif total > HUGE:
                largest = max(norms, key=lambda name: norms[name])
                yield self.finding(largest, f"the norm of the gradient is {total:.3g} {probe.stage}")

    @classmethod
    def bad(cls) -> Subject:
        """Deep, with weights of deviation 2."""
        wide = [layer for _ in range(4) for layer in (Affine(32, init=Normal(2.0)), ReLU())]
        return with_data([*wide, Affine(3)])

    @classmethod
    def good(cls) -> Subject:
        """Deep, with He initialisation."""
        return with_data([*(layer for _ in range(4) for layer in (Affine(32), ReLU())), Affine(3, init=Normal(0.1))])
