"""Batch normalisation on batches that are too small.

The mean and variance of one row are the row itself and zero: its output is β whatever comes in, and nothing is learnt.
Of two or three rows they are noise. In convolutions the pixels count too, which softens it.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, BatchNorm, Flatten, ReLU
from chainrule.lint.chains import WEIGHTED, chains
from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 4


class BatchNormBatchSize(Rule):
    """Batch normalisation with a batch size below 4."""

    key = "batch-norm-batch-size"
    needs = ("layers", "training")
    mend = "use batches of 16 or more, or LayerNorm or GroupNorm, which do not look at the batch"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The first batch normalisation, which stands for all."""
        assert subject.layers is not None
        assert subject.training is not None
        size = subject.training.batch_size
        if size >= FEWEST:
            return
        for chain in chains(subject.layers):
            weighted = None
            for where, layer in chain:
                weighted = layer if isinstance(layer, (*WEIGHTED, Flatten)) else weighted
                if isinstance(layer, BatchNorm):
                    useless = size == 1 and isinstance(weighted, (Affine, Flatten))
                    why = f"is trained on batches of {size}"
                    why += ": each row is normalised with itself, and its output does not depend on it" * useless
                    yield self.finding(where, why, severity="error" if useless else "warning")
                    return

    @classmethod
    def bad(cls) -> Subject:
        """One row."""
        return cls._sized(1)

    @classmethod
    def good(cls) -> Subject:
        """32 rows."""
        return cls._sized(32)

    @classmethod
    def _sized(cls, size: int) -> Subject:
        subject = recipe(f"train.batch_size={size}")
        subject.layers = [Flatten(), Affine(20), BatchNorm(), ReLU(), Affine(10)]
        return subject
