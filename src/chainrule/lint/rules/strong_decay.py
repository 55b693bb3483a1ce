"""Weight decay so strong that it does the training.

Decoupled decay takes the share η λ off every weight in every step; 1 % a step leaves a third after 110 steps, whatever
the data say.
Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, equation 12.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

MOST = 0.01


class StrongDecay(Rule):
    """More than 1 % of every weight decayed away in every step."""

    key = "strong-decay"
    needs = ("training",)
    mend = "divide it by 10 or 100; shares η λ of 1e-6 to 1e-3 a step are usual"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """η λ, without the schedule."""
        training = subject.training
        assert training is not None
        rate = 0.0 if training.rule is None else float(training.rule.learning_rate)
        share = training.weight_decay * rate
        if share > MOST:
            yield self.finding("weight decay", f"every step takes {share:.1%} off every weight")

    @classmethod
    def bad(cls) -> Subject:
        """A hundred times what digits-mlp has."""
        return recipe("train.weight_decay=5.0")

    @classmethod
    def good(cls) -> Subject:
        """What it has."""
        return recipe()
