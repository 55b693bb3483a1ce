"""Two layers of weights with nothing but linear maps between them.

W₂(W₁x + b₁) + b₂ is one linear map: the second layer adds parameters and no power. Batch normalisation and average
pooling between them are linear too, dropout is at test time. (A narrow first layer is a factorisation, which may be
meant; say so under [lint].)
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Flatten, ReLU
from chainrule.lint.chains import WEIGHTED, chains, is_linear
from chainrule.lint.examples import declared
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class MissingNonlinearity(Rule):
    """No activation between two layers with weights."""

    key = "missing-nonlinearity"
    needs = ("layers",)
    mend = "put an activation such as ReLU between them"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Along every chain, weights that follow weights."""
        assert subject.layers is not None
        for chain in chains(subject.layers):
            before = None
            for placed in chain:
                if isinstance(placed.layer, WEIGHTED):
                    if before is not None:
                        yield self.finding(
                            placed.where, f"no activation between it and {before}: both are one linear map"
                        )
                    before = placed.where
                elif not is_linear(placed.layer):
                    before = None

    @classmethod
    def bad(cls) -> Subject:
        """Affine on affine."""
        return declared(Flatten(), Affine(20), Affine(10))

    @classmethod
    def good(cls) -> Subject:
        """With ReLU."""
        return declared(Flatten(), Affine(20), ReLU(), Affine(10))
