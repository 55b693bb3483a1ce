"""Weights pulled towards zero in more than one place.

½ λ ‖W‖² in the loss, L2 in the rule and decoupled weight decay do the same work under three names; setting two of them
usually means that one was forgotten, and the pull is their sum.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.examples import recipe
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class RegularizedTwice(Rule):
    """More than one of model.reg, train.l2 and weight decay."""

    key = "regularized-twice"
    needs = ("training",)
    mend = "set one of reg, l2 and weight_decay, and leave the others 0"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Count those that are not zero."""
        training = subject.training
        assert training is not None
        given = {"reg": training.reg, "l2": training.l2, "weight_decay": training.weight_decay}
        active = [f"{name} = {value:g}" for name, value in given.items() if value]
        if len(active) > 1:
            yield self.finding(
                "settings of training", f"weights are regularised more than once: {' and '.join(active)}"
            )

    @classmethod
    def bad(cls) -> Subject:
        """Decay (which digits-mlp has) and λ in the loss."""
        return recipe("model.reg=1e-3")

    @classmethod
    def good(cls) -> Subject:
        """Decay alone."""
        return recipe()
