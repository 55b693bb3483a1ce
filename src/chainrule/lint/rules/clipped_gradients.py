"""Clipping that cuts every gradient down.

Clipping is for rare outliers. A limit of a hundredth of the usual norm makes every step the same length: the learning
rate is another one than that which is set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.optim import SGD, Chain

FACTOR = 100.0


class ClippedGradients(Rule):
    """A limit of clipping below a hundredth of the gradient's norm before training."""

    key = "clipped-gradients"
    needs = ("start", "training")
    mend = "set the limit near the norms that are usual in training, or leave it out and lower the learning rate"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare clip_norm with the norm, clip_value with the largest number."""
        assert subject.start is not None
        assert subject.training is not None
        rule = subject.training.rule
        if not isinstance(rule, Chain):
            return
        gradients = subject.start.gradients.values()
        norm = math.sqrt(sum(float(np.square(g).sum()) for g in gradients))
        largest = max((float(np.abs(g).max()) for g in gradients), default=0.0)
        for name, limit, size in (("clip_norm", rule.clip_norm, norm), ("clip_value", rule.clip_value, largest)):
            if limit is not None and size > FACTOR * limit:
                yield self.finding(name, f"a limit of {limit:g}, where gradients have {size:.3g} before training")

    @classmethod
    def bad(cls) -> Subject:
        """A limit of 1e-4."""
        return training(update_rule=Chain(SGD(0.1), clip_norm=1e-4), optim_config=None)

    @classmethod
    def good(cls) -> Subject:
        """A limit of 5."""
        return training(update_rule=Chain(SGD(0.1), clip_norm=5.0), optim_config=None)
