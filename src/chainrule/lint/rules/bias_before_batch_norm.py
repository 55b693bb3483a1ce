"""A bias that the next layer takes away again.

Batch normalisation subtracts the mean of each channel, and any bias with it; its own β is the bias. The first one gets
no gradient and only takes memory and time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from chainrule.layers import Affine, BatchNorm, ReLU
from chainrule.lint.chains import WEIGHTED, chains
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class BiasBeforeBatchNorm(Rule):
    """A layer with a bias directly before batch normalisation."""

    key = "bias-before-batch-norm"
    severity = "note"
    needs = ("layers",)
    mend = "give these layers bias=False"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Pairs of neighbours; one finding for all of them."""
        assert subject.layers is not None
        found = [
            first.where
            for chain in chains(subject.layers)
            for first, second in pairwise(chain)
            if isinstance(first.layer, WEIGHTED) and first.layer.bias and isinstance(second.layer, BatchNorm)
        ]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield self.finding(
                f"{found[0]}{more}", "its bias has no effect: the batch normalisation after it removes it"
            )

    @classmethod
    def bad(cls) -> Subject:
        """Affine with a bias."""
        return declared(Affine(10), BatchNorm(), ReLU(), Affine(10))

    @classmethod
    def good(cls) -> Subject:
        """Affine without."""
        return declared(Affine(10, bias=False), BatchNorm(), ReLU(), Affine(10))
