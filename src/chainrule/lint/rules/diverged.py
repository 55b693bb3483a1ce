"""A training that ended in NaN or infinity.

The step that would have made a number infinite was refused, so the weights before it are good; but the training is not
finished.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Outcome, Subject


class Diverged(Rule):
    """A training that diverged, or a loss that is not finite."""

    key = "diverged"
    severity = "error"
    needs = ("outcome",)
    mend = "divide the learning rate by 10, clip gradients (train.clip_norm), scale the inputs"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """What the results say, then the curve."""
        assert subject.outcome is not None
        losses = [] if subject.history is None else subject.history.loss_history
        bad = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if subject.outcome.status == "diverged":
            yield self.finding("training", subject.outcome.error)
        elif bad is not None:
            yield self.finding("training", f"the loss is {losses[bad]} at step {bad + 1}")

    @classmethod
    def bad(cls) -> Subject:
        """NaN on the way."""
        return curve([2.3, 5.0, math.nan, math.nan], outcome=Outcome("finished"))

    @classmethod
    def good(cls) -> Subject:
        """A falling loss."""
        return curve(falling(), outcome=Outcome("finished"))
