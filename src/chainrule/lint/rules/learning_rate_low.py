"""A learning rate that cannot get anywhere in the steps there are.

To first order a step changes the loss by the gradient times the step. All steps together, each as long as the first
one, would lower it by less than 2 %: training ends where it began.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.probe import copy_of
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.optim import Step

SHARE = 0.02


class LearningRateLow(Rule):
    """Steps too short to lower the loss by 2 % over the whole training."""

    key = "learning-rate-low"
    needs = ("trial",)
    mend = "multiply the learning rate by 10 or 100, or train for longer"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """−g·Δw of the rule on the first gradient, summed over the schedule; momentum lengthens steps by 1/(1 − μ)."""
        assert subject.start is not None
        assert subject.training is not None
        probe, training = subject.start, subject.training
        rule, rows = training.rule, len(subject.parts["train"].y)
        assert rule is not None
        factors = training.factors(rows)
        total = training.steps_per_epoch(rows) * training.epochs
        if not factors or probe.loss <= 0:
            return
        network = copy_of(probe.network)
        network.loss(probe.x, probe.y)
        g = network.gradients.flat
        with np.errstate(all="ignore"):
            step, _ = rule.update(g, rule.init(network.params.flat), network.params.flat, Step(1, 1.0, network.decay))
            gain = -float(np.dot(g.astype(np.float64), step)) * float(np.mean(factors)) * total
        momentum = getattr(training.base_rule, "momentum", 0.0)
        gain /= max(1 - momentum, 1e-6)
        if 0 <= gain < SHARE * probe.loss:
            why = f"all {total:,} steps together lower the loss of {probe.loss:.3g} by about {gain:.1e}"
            yield self.finding("learning rate", why)

    @classmethod
    def bad(cls) -> Subject:
        """SGD with 1e-7."""
        return training(optim_config={"learning_rate": 1e-7})

    @classmethod
    def good(cls) -> Subject:
        """SGD with 0.1."""
        return training()
