"""Dropout directly before batch normalisation.

In training the dropped zeros raise the variance that is normalised with and remembered; at test nothing is dropped, so
the remembered variance is too large by 1/(1 − rate) and every activation is shifted.
Source: Li, Chen, Hu & Yang, "Understanding the disharmony between dropout and batch normalization", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from chainrule.layers import Affine, BatchNorm, Dropout
from chainrule.lint.chains import DROPOUTS, chains
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class DropoutBeforeBatchNorm(Rule):
    """Dropout directly before batch normalisation."""

    key = "dropout-before-batch-norm"
    needs = ("layers",)
    mend = "move the dropout behind the activation that follows the normalisation"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Pairs of neighbours."""
        assert subject.layers is not None
        for chain in chains(subject.layers):
            for first, second in pairwise(chain):
                dropping = isinstance(first.layer, DROPOUTS) and getattr(first.layer, "rate", 0) > 0
                if dropping and isinstance(second.layer, BatchNorm):
                    yield self.finding(first.where, f"{second.where} learns a variance that is too large at test time")

    @classmethod
    def bad(cls) -> Subject:
        """Dropout, batch norm."""
        return declared(Dropout(0.5), BatchNorm(), Affine(10))

    @classmethod
    def good(cls) -> Subject:
        """Batch norm, dropout."""
        return declared(BatchNorm(), Dropout(0.5), Affine(10))
