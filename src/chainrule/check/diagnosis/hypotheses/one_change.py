"""What is tried where no fault explains the numbers: changing the code itself, one line at a time."""

from __future__ import annotations

from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis


class OneChange(Hypothesis):
    """One small change of one line (a sign, a transpose, an axis, a name, a factor) makes every gradient right.

    Searched for by `repair.py`, and only where nothing else explains what is wrong.
    """

    name, title = "one-change", "one line is wrong"
    rank = 2
