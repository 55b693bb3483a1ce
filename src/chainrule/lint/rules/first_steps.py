"""A learning rate at which the loss explodes in the first steps.

A copy of the network is trained for ten steps on training rows, with the rule and the schedule as they are set. A loss
that grows to a multiple of that of a guess has been thrown away, and mostly does not come back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.rules.initial_loss import guessed_loss
from chainrule.lint.subject import Subject

FACTOR, LAST = 4.0, 3


class FirstSteps(Rule):
    """A loss that multiplies within ten steps of training."""

    key = "first-steps"
    needs = ("trial",)
    mend = "divide the learning rate by 10, or warm it up"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The mean of the last three losses against the first one, or that of a guess where it is larger."""
        trial = subject.trial
        assert subject.fresh is not None
        if trial.error:
            yield self.finding("learning rate", f"after {len(trial.losses) - 1} steps: {trial.error}", severity="error")
            return
        if len(trial.losses) < 2 * LAST:
            return
        guess = guessed_loss(subject.fresh.loss_function, subject.fresh.output_shape)
        first = max(trial.losses[0], 0.0 if guess is None else guess)
        last = float(np.mean(trial.losses[-LAST:]))
        if last > FACTOR * first:
            yield self.finding("learning rate", f"the loss goes from {trial.losses[0]:.3g} to {last:.3g} in ten steps")

    @classmethod
    def bad(cls) -> Subject:
        """SGD with 30."""
        return training(optim_config={"learning_rate": 30.0})

    @classmethod
    def good(cls) -> Subject:
        """SGD with 0.1."""
        return training()
