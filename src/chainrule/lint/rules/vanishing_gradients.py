"""Gradients that are lost on the way to the first layers.

Every sigmoid multiplies the gradient by ¼ at most, every layer of small weights by less: after ten of them the first
layers stand still while the last one learns.
Source: Hochreiter, Bengio, Frasconi & Schmidhuber, "Gradient flow in recurrent nets", 2001.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine, Layer, ReLU, Sigmoid
from chainrule.lint.examples import with_data
from chainrule.lint.finding import Finding
from chainrule.lint.probe import weight_gradients
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

RATIO = 1e-4


class VanishingGradients(Rule):
    """A gradient of the first weights below a ten-thousandth of that of the last ones, before training."""

    key = "vanishing-gradients"
    needs = ("start",)
    mend = "use ReLU with He initialisation, batch normalisation, or residual blocks"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Root mean squares of the gradients of the first and the last weights; both zero is no ratio."""
        assert subject.start is not None
        sizes = list(weight_gradients(subject.start))
        if len(sizes) < 2 or sizes[-1][1] == 0:
            return
        ratio = sizes[0][1] / sizes[-1][1]
        if ratio < RATIO:
            first, last = sizes[0][0], sizes[-1][0]
            yield self.finding(first, f"its gradient is {ratio:.1e} times that of {last} before training")

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
