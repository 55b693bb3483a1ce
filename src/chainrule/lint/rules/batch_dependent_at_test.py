"""Predictions that depend on which rows are predicted together.

Batch normalisation that goes on using the statistics of the batch at test time: one picture alone gets another answer
than in company, and a shuffled test set another figure.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import Affine, BatchNorm, ReLU
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.rules.random_at_test import scores_of
from chainrule.lint.subject import Subject

ROWS = 32


class BatchDependentAtTest(Rule):
    """Scores of a row that change with its company."""

    key = "batch-dependent-at-test"
    severity = "error"
    needs = ("model",)
    mend = "use running statistics at test time, as BatchNorm does without train=True"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Score rows together and in two halves; a model whose scores are random anyway is another rule's."""
        x = subject.sample[0][:ROWS]
        if len(x) < 4:
            return
        together, again = (np.array(scores_of(subject.model, x)) for _ in range(2))
        halves = np.concatenate([np.array(scores_of(subject.model, part)) for part in np.array_split(x, 2)])
        scale = float(np.abs(together).max())
        if np.allclose(together, again, rtol=1e-4) and not np.allclose(together, halves, rtol=1e-3, atol=1e-3 * scale):
            yield self.finding("test mode", "the same rows get other scores in a smaller batch")

    @classmethod
    def bad(cls) -> Subject:
        """A model that normalises with the batch."""

        class Batchwise:
            params = {"W": np.random.default_rng(0).normal(size=(8, 3))}

            def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
                return (X - X.mean(axis=0)) @ self.params["W"]

        subject = with_data()
        subject.model = Batchwise()
        return subject

    @classmethod
    def good(cls) -> Subject:
        """Batch normalisation as it should be."""
        return with_data([Affine(8, bias=False), BatchNorm(), ReLU(), Affine(3)])
