"""Batch normalisation after the last weights.

Scores of every class get the same mean and spread over each batch: the network cannot prefer frequent classes, and how
sure it may be depends on γ alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, BatchNorm
from chainrule.lint.chains import WEIGHTED, chains
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class BatchNormOnScores(Rule):
    """Batch normalisation between the last weights and the loss."""

    key = "batch-norm-on-scores"
    needs = ("layers",)
    mend = "leave the last batch normalisation out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """A normalisation behind the last affine layer of the main chain."""
        assert subject.layers is not None
        main = chains(subject.layers)[0]
        weighted = [i for i, placed in enumerate(main) if isinstance(placed.layer, WEIGHTED)]
        if not weighted or not isinstance(main[weighted[-1]].layer, Affine):
            return
        for where, layer in main[weighted[-1] + 1 :]:
            if isinstance(layer, BatchNorm):
                yield self.finding(where, "the scores of every class are normalised over the batch")

    @classmethod
    def bad(cls) -> Subject:
        """Last."""
        return declared(Affine(10, bias=False), BatchNorm())

    @classmethod
    def good(cls) -> Subject:
        """Before the last weights."""
        return declared(BatchNorm(), Affine(10))
