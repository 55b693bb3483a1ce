"""Gradients that are lost on the way to the first layers.

Every sigmoid multiplies the gradient by ¼ at most, every layer of small weights by less: after ten of them the first
layers stand still while the last one learns.
Source: Hochreiter, Bengio, Frasconi & Schmidhuber, "Gradient flow in recurrent nets", 2001.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.layers import Affine, Layer, ReLU, Sigmoid
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.probe import weight_gradients
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

RATIO, NEXT_TO_BIASES = 1e-4, 1e-6


class VanishingGradients(Rule):
    """Gradients of the first weights far below those of the last ones, or of all weights far below those of biases."""

    key = "vanishing-gradients"
    needs = ("start",)
    mend = "use ReLU with He initialisation, batch normalisation, or residual blocks"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Root mean squares of the gradients of the first and the last weights; of all weights and of the biases."""
        probe = subject.start
        assert probe is not None
        sizes = list(weight_gradients(probe))
        biases = [float(np.sqrt(np.mean(np.square(g)))) for g in probe.gradients.values() if g.ndim == 1]
        if len(sizes) < 2:
            return
        (first, lowest), (last, highest) = sizes[0], sizes[-1]
        largest = max(size for _, size in sizes)
        if biases and largest < NEXT_TO_BIASES * max(biases):
            why = f"gradients of all weights are below {largest / max(biases):.0e} times those of the biases"
            mend = "use He or Xavier initialisation: with weights this small no input gets through to the scores"
            yield self.finding(f"{first} to {last}", why, mend=mend)
        elif highest > 0 and lowest / highest < RATIO:
            yield self.finding(first, f"its gradient is {lowest / highest:.1e} times that of {last} before training")

    @classmethod
    def bad(cls) -> Subject:
        """Ten sigmoids."""
        return cls._deep(Sigmoid())

    @classmethod
    def good(cls) -> Subject:
        """Ten ReLUs."""
        return cls._deep(ReLU())

    @classmethod
    def _deep(cls, activation: Layer) -> Subject:
        return with_data([*(layer for _ in range(10) for layer in (Affine(16), activation)), Affine(3)])
