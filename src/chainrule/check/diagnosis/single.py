"""The probable cause for `check_gradient`, which knows one argument and nothing of the code behind it."""

from __future__ import annotations

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.arguments import Prepared
from chainrule.check.diagnosis.engine import probable_causes
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.subject import Run, Subject, Values
from chainrule.check.differences import Watched
from chainrule.errors import ChainruleError

#: Beyond these sizes the Jacobian takes longer than the check itself.
MOST_ENTRIES, MOST_DERIVATIVES = 400, 40_000


class OneArgument(Subject):
    """A function of one array, and a gradient that was made already."""

    def __init__(self, f: Watched, name: str, gradient: Array, takes_dout: bool) -> None:
        self.name, self.arguments, self.wanted = name, (name,), (name,)
        self.f, self.gradient, self.takes_dout = f, gradient, takes_dout

    def output(self, values: Values) -> Array:
        """f(x)."""
        return self.f(values[self.name])

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """The gradient as given, whatever the values: the hypotheses that need another run are not asked."""
        return Run({self.name: self.gradient})

    def forward_changes(self, values: Values) -> str | None:
        """`check_gradient` sees to that itself."""
        return None


def probable_cause(f: Watched, x: Array, dout: Array, gradient: Array, name: str, *, takes_dout: bool) -> str:
    """`the sign is wrong: dx = -(yours)`, or nothing where no hypothesis explains the numbers."""
    if x.size > MOST_ENTRIES or x.size * dout.size > MOST_DERIVATIVES:
        return ""
    subject = OneArgument(f, name, np.asarray(gradient), takes_dout)
    try:
        sample = Sample(Prepared(subject, None, {name: name}, []), {name: x}, 0, dout=dout)
        with np.errstate(all="ignore"):
            causes = probable_causes(sample)
    except (ChainruleError, ArithmeticError, TypeError, ValueError):
        return ""  # a diagnosis is an extra: it never stands in the way of the report
    if not causes:
        return ""
    first = causes[0]
    return f"{first.title}: {first.equation}" if first.equation else first.title
