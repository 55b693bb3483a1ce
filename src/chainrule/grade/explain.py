"""What is probably wrong with an item that lost points.

First the known mistakes: which of them would have given the very results that came back. The gradients of
cases that none explains are looked at as numbers, and what is still unexplained is left to the diagnosis of gradient
checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.grade.cases import Case, Drawing
from chainrule.grade.diagnosis import diagnosed_causes
from chainrule.grade.gradients import gradient_causes
from chainrule.grade.mistakes import MISTAKES
from chainrule.grade.result import Cause
from chainrule.grade.sandbox import Sandbox

_MOST = 3


def explain(
    name: str,
    wrong: Sequence[tuple[Case, Mapping[str, Any]]],
    tolerance: float,
    drawing: Drawing,
    sandbox: Sandbox,
    deadline: float,
) -> list[Cause]:
    """Causes of wrong results, those first that explain most of them; none where nothing fits."""
    counts, left = [], list(wrong)
    for mistake in MISTAKES.get(name, []):
        explained = [pair for pair in wrong if mistake.explains(pair[0], pair[1], drawing.find, tolerance)]
        if explained:
            counts.append((len(explained), mistake.cause))
            left = [pair for pair in left if not any(pair is other for other in explained)]
    counts.sort(key=lambda pair: -pair[0])
    causes = [*(cause for _, cause in counts), *gradient_causes(left)]
    if not causes and left:
        case = max((case for case, _ in left), key=_rows)  # one row tells less
        causes = diagnosed_causes(case, drawing, sandbox, deadline)
    return causes[:_MOST]


def _rows(case: Case) -> int:
    return len(case.call["args"][0]) if case.routine == "backward" else 0
