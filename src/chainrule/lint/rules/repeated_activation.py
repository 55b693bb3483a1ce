"""Two activations in a row.

ReLU after ReLU, sigmoid or softmax changes nothing; sigmoid after ReLU never goes below ½; tanh after sigmoid uses a
fraction of its range. It is nearly always a line that was meant to be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.lint.chains import ACTIVATIONS, DROPOUTS, Placed, chains
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class RepeatedActivation(Rule):
    """An activation directly after another."""

    key = "repeated-activation"
    needs = ("layers",)
    mend = "keep one of the two"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Neighbours, with nothing or dropout between them."""
        assert subject.layers is not None
        for chain in chains(subject.layers):
            without: list[Placed] = [placed for placed in chain if not isinstance(placed.layer, DROPOUTS)]
            for first, second in pairwise(without):
                if isinstance(first.layer, ACTIVATIONS) and isinstance(second.layer, ACTIVATIONS):
                    yield self.finding(second.where, f"follows {first.where}, another activation")

    @classmethod
    def bad(cls) -> Subject:
        """Sigmoid and ReLU."""
        return declared(Affine(10), Sigmoid(), ReLU(), Affine(10))

    @classmethod
    def good(cls) -> Subject:
        """One of them."""
        return declared(Affine(10), Sigmoid(), Affine(10), ReLU(), Affine(10))
