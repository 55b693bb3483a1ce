"""A penalty on weights that outweighs the loss.

Where ½ λ ‖W‖² is many times the loss of the data, training makes weights small before it makes them right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.network import Network

FACTOR = 5.0


class DominantRegularization(Rule):
    """A regularisation term more than five times as large as the loss, before training."""

    key = "dominant-regularization"
    needs = ("start",)
    mend = "divide λ (model.reg, train.l2) by 10 or 100"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """½ λ ‖W‖² of the loss and of the rule together against the loss of the data."""
        probe = subject.start
        assert probe is not None
        reg = probe.network.reg + (0.0 if subject.training is None else subject.training.l2)
        penalty = reg * half_square(probe.network)
        if penalty > FACTOR * abs(probe.loss):
            why = f"the regularisation is {penalty:.3g}, the loss of the data {probe.loss:.3g}"
            yield self.finding(f"λ = {reg:g}", why)

    @classmethod
    def bad(cls) -> Subject:
        """λ = 3."""
        return with_data(reg=3.0)

    @classmethod
    def good(cls) -> Subject:
        """λ = 0.001."""
        return with_data(reg=1e-3)


def half_square(network: Network) -> float:
    """½ ‖W‖² over the weights that regularisation applies to."""
    pulled = (network.params.flat * network.decay).astype(np.float64)
    return 0.5 * float(pulled @ pulled)
