"""Predictions that change from call to call.

Dropout (or other noise) that goes on at test time: a network is evaluated with a part of itself missing. With the
layers of this package it cannot happen; with a layer or a model of your own it does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import Affine, Dropout
from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

ROWS = 32


class RandomAtTest(Rule):
    """Scores of the same rows that differ between two calls."""

    key = "random-at-test"
    severity = "error"
    needs = ("model",)
    mend = "apply dropout in training only (a layer gets train=True then)"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Score the same rows three times."""
        x = subject.sample[0][:ROWS]
        first, *others = (np.array(scores_of(subject.model, x)) for _ in range(3))
        if any(not np.allclose(first, other, rtol=1e-4, atol=1e-6, equal_nan=True) for other in others):
            yield self.finding("test mode", "the same rows get other scores every time they are predicted")

    @classmethod
    def bad(cls) -> Subject:
        """A model that drops at test time."""
        rng = np.random.default_rng(0)

        class Noisy:
            params = {"W": rng.normal(size=(8, 3))}

            def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
                return (X * (rng.random(X.shape) < 0.5)) @ self.params["W"]

        subject = with_data()
        subject.model = Noisy()
        return subject

    @classmethod
    def good(cls) -> Subject:
        """Dropout as it should be."""
        return with_data([Dropout(0.5), Affine(3)], parts())


def scores_of(model: object, x: np.ndarray) -> np.ndarray:
    """What `model` makes of `x` at test time: a network, or anything whose `loss(X)` gives scores."""
    return np.asarray(model.loss(x))  # type: ignore[attr-defined]
