"""A loss before training that is far from that of a guess.

A network that knows nothing gives C classes equal chances: softmax cross-entropy ln C, logistic loss ln 2, hinge losses
C − 1 and 1. Much more means scores that are large for no reason (initial weights or inputs too large): the first epochs
go into shrinking them. Much less means that it knows the answers before it was taught.
Source: CS231n notes, "Neural networks part 3", sanity checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.arrays import Shape
from chainrule.initializers import Normal
from chainrule.lint.examples import hidden, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import BinaryHinge, Logistic, Loss, MultiClassHinge, SoftmaxCrossEntropy

HIGH, MORE, LOW = 2.5, 3.0, 0.5  # times the loss of a guess; and beyond it


class InitialLoss(Rule):
    """An initial loss of more than 2.5 times that of equal scores (and 3 above it), or less than half of it."""

    key = "initial-loss"
    needs = ("start",)
    mend = "scale the inputs, use He or Xavier initialisation, and make the last layer of weights smaller"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The loss of a batch without regularisation."""
        probe = subject.start
        assert probe is not None
        guess = guessed_loss(probe.network.loss_function, probe.network.output_shape)
        if guess is None:
            return
        if not math.isfinite(probe.loss):
            yield self.finding("the loss", f"the loss before training is {probe.loss}", severity="error")
        elif probe.loss > max(HIGH * guess, guess + MORE):
            yield self.finding("the loss", f"{probe.loss:.4g} before training; equal scores have {guess:.4g}")
        elif probe.loss < LOW * guess:
            why = (
                f"{probe.loss:.4g} before training, far below the {guess:.4g} of a guess: the answers are known already"
            )
            yield self.finding(
                "the loss", why, mend="look for the label among the inputs, and for weights that are not new"
            )

    @classmethod
    def bad(cls) -> Subject:
        """Initial weights from a normal distribution of deviation 10."""
        return with_data(hidden(init=Normal(10.0)))

    @classmethod
    def good(cls) -> Subject:
        """He initialisation."""
        return with_data()


def guessed_loss(loss: Loss, scores: Shape) -> float | None:
    """The loss where all scores of a row, of shape `scores`, are zero; None where that depends on the targets."""
    classes = scores[-1] if scores else 2
    if isinstance(loss, SoftmaxCrossEntropy):
        return math.log(classes) if loss.class_weights is None and classes > 1 else None
    if isinstance(loss, Logistic):
        return math.log(2)
    if isinstance(loss, MultiClassHinge):
        return float(classes - 1)
    return 1.0 if isinstance(loss, BinaryHinge) else None
