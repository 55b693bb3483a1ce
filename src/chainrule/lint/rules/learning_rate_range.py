"""A learning rate outside of what its rule can use.

Rules that divide by the size of the gradient (Adam, RMSProp, Lion, AdaGrad) move every weight by about η in a step,
whatever the loss: with η = 0.3 weights of 0.05 are gone after one. Plain gradient steps depend on the loss, but 10 is
beyond all use, and with momentum μ the step is 1/(1 − μ) times as long.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

#: The highest and the lowest learning rate of rules whose step has the size η, of those whose step is η g, and others.
SIGNED = {"adam": 0.1, "adamw": 0.1, "rmsprop": 0.1, "lion": 0.02, "adagrad": 1.0}
PLAIN = {"sgd": 10.0, "sgd_momentum": 2.0, "nesterov": 2.0}
LOWEST = 1e-6
MOST_MOMENTUM = 0.995


class LearningRateRange(Rule):
    """A learning rate or a momentum far outside of the usual range of its update rule."""

    key = "learning-rate-range"
    needs = ("training",)
    mend = "start from 1e-3 for Adam and RMSProp, from 1e-2 to 1e-1 for SGD, momentum 0.9"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Compare with the table above."""
        rule = subject.training.base_rule if subject.training is not None else None
        if rule is None:
            return
        high = {**SIGNED, **PLAIN}.get(rule.key)
        rate = float(rule.learning_rate)
        if high is not None and rate > high:
            yield self.finding(rule.key, f"a learning rate of {rate:g}, where more than {high:g} hardly ever trains")
        if high is not None and rate < LOWEST:
            yield self.finding(rule.key, f"a learning rate of {rate:g} moves no weight noticeably")
        momentum = getattr(rule, "momentum", 0.0)
        if momentum > MOST_MOMENTUM:
            longer = f"{1 / (1 - momentum):,.0f} times as long" if momentum < 1 else "longer without end"
            yield self.finding(rule.key, f"with a momentum of {momentum:g} steps grow {longer}")

    @classmethod
    def bad(cls) -> Subject:
        """Adam with ½."""
        return recipe("train.optim_config.learning_rate=0.5")

    @classmethod
    def good(cls) -> Subject:
        """Adam with 0.005."""
        return recipe()
