"""Regularisation of biases and of normalisation parameters.

A bias is one number a unit and cannot overfit; pulling it towards zero only hinders it, and a scale γ of a
normalisation pulled towards zero switches its channel off.
Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 7.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.layers import Affine
from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class DecayedBiases(Rule):
    """Regularisation or weight decay on biases."""

    key = "decayed-biases"
    needs = ("network", "training")
    mend = "declare such parameters with decay=False (as Param does unless told), and leave network.decay as it is"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Vectors whose entry in `decay` is one."""
        network, training = subject.fresh if subject.trained is None else subject.trained, subject.training
        assert network is not None
        assert training is not None
        if not (training.reg or training.l2 or training.weight_decay):
            return
        vectors = [name for name, shape in network.params.shapes.items() if len(shape) == 1]
        hit = [name for name in vectors if network.decay[network.params.slices[name]].any()]
        if hit:
            yield self.finding(", ".join(hit), "biases or scales are regularised like weights")

    @classmethod
    def bad(cls) -> Subject:
        """All of the flat vector."""
        subject = cls.good()
        assert subject.fresh is not None
        subject.fresh.decay[...] = 1
        return subject

    @classmethod
    def good(cls) -> Subject:
        """Weights only."""
        return training([Affine(3)], reg=0.1)
