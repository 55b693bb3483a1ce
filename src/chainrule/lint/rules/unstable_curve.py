"""A learning rate that is too high for the training to settle.

The loss rises above its start, or leaps up again and again. Also one leap from which the rest of the training never
comes back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.curves import ends, finite
from chainrule.lint.examples import curve, falling
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

FEWEST = 30
SPIKE, RISEN = 3.0, 1.5


class UnstableCurve(Rule):
    """A training loss that ends well above its best, or spikes to a multiple of the usual."""

    key = "unstable-curve"
    needs = ("curve",)
    mend = "divide the learning rate by 3 to 10, decay it (schedule = cosine), or warm it up"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The end against the lowest running median; leaps above three times the first loss."""
        assert subject.history is not None
        losses = np.asarray(subject.history.loss_history, np.float64)
        if len(losses) < FEWEST or not finite(losses) or losses.min() < 0:
            return
        width = max(len(losses) // 20, 5)
        medians = [float(np.median(losses[i : i + width])) for i in range(0, len(losses) - width + 1, width)]
        _, last = ends(losses.tolist())
        lowest, start = min(medians), medians[0]
        if last > RISEN * lowest and last - lowest > 0.2 * start:
            yield self.finding("training loss", f"ends at {last:.3g}, after it had been {lowest:.3g}")
        elif losses[1:].max() > SPIKE * max(losses[0], start) and losses[1:].max() > 1:
            at = int(losses[1:].argmax()) + 2
            yield self.finding(
                "training loss", f"leaps to {losses.max():.3g} at step {at}; it began with {losses[0]:.3g}"
            )

    @classmethod
    def bad(cls) -> Subject:
        """Down and up again."""
        return curve([*falling(150), *(2.0 + 0.1 * (i % 5) for i in range(150))])

    @classmethod
    def good(cls) -> Subject:
        """Down."""
        return curve(falling())
