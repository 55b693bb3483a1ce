"""Hidden units that start alike, and so stay alike.

With weights that are all zero, or all equal, every unit of a layer computes the same and gets the same gradient: a
layer of 100 units is one unit, however long it is trained. One layer alone may start at zero.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 8.4.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.initializers import Zeros
from chainrule.lint.examples import hidden, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class IdenticalUnits(Rule):
    """A hidden layer whose units all have the same weights."""

    key = "identical-units"
    severity = "error"
    needs = ("network",)
    mend = "draw initial weights at random: He for ReLU, Xavier for tanh and sigmoid"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare the columns of every matrix of weights but the last."""
        for network in (subject.fresh, subject.trained):
            if network is None:
                continue
            declared = network.body.params
            names = [name for name in declared if declared[name].decay and network.params[name].ndim > 1]
            for name in names[:-1]:
                W = network.params[name]  # (D, M), or (F, C, k, k)
                units = W.T if W.ndim == 2 else W.reshape(len(W), -1)
                if len(units) > 1 and np.all(units == units[:1]):
                    yield self.finding(network.owner(name), f"all {len(units)} units have the same weights {name}")

    @classmethod
    def bad(cls) -> Subject:
        """Zeros."""
        return with_data(hidden(init=Zeros()))

    @classmethod
    def good(cls) -> Subject:
        """Random weights."""
        return with_data()
