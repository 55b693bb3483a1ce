"""A learning rate that is too low for the length of the training.

The loss still falls as steeply at the end as in the middle, and has not fallen far: the training was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.lint.curves import finite, thirds
from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 60
FALLEN, STEADY = 0.5, 0.6


class SlowCurve(Rule):
    """A loss that is above half of its start and falls in a nearly straight line to the last step."""

    key = "slow-curve"
    needs = ("curve",)
    mend = "multiply the learning rate by 3 to 10, or train for several times as long"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Means of thirds: the second descent is more than 0.6 of the first; beyond the noise of the steps."""
        assert subject.history is not None
        losses = subject.history.loss_history
        if len(losses) < FEWEST or not finite(losses):
            return
        (first, middle, last), error = thirds(losses)
        start = max(sum(losses[:10]) / 10, 1e-12)
        descends = first - middle > 4 * error and middle - last > 4 * error
        if descends and last > FALLEN * start and middle - last > STEADY * (first - middle):
            why = f"still falls steadily: from {start:.3g} to {last:.3g}, as much in the last third as before"
            yield self.finding("training loss", why)

    @classmethod
    def bad(cls) -> Subject:
        """A straight line."""
        return curve([2.3 - 0.001 * i + 0.02 * (i % 3) for i in range(300)])

    @classmethod
    def good(cls) -> Subject:
        """A curve that flattens."""
        return curve(falling())
