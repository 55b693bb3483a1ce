"""What is probably wrong with an item that lost points.

First the known mistakes: which of them would have given the very results that came back. Then, for a backward pass,
the diagnosis of gradient checks, for which the forward pass is ours and only the gradients are the submission's.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.grade.cases import Case, Drawing
from chainrule.grade.diagnosis import gradient_causes
from chainrule.grade.mistakes import MISTAKES
from chainrule.grade.result import Cause
from chainrule.grade.sandbox import Outcome, Sandbox

_MOST = 3


def explain(
    name: str,
    runs: Sequence[tuple[Case, Outcome]],
    tolerance: float,
    drawing: Drawing,
    sandbox: Sandbox,
    deadline: float,
) -> list[Cause]:
    """Causes, those first that explain most of the cases that are wrong; none where nothing fits."""
    wrong = [
        (case, outcome)
        for case, outcome in runs
        if outcome.kind == "done" and case.judge(case.expected, outcome.results, tolerance)
    ]
    if not wrong:
        return []
    counts = []
    for mistake in MISTAKES.get(name, []):
        explained = sum(mistake.explains(case, outcome.results, drawing.find, tolerance) for case, outcome in wrong)
        if explained:
            counts.append((explained, mistake.cause))
    counts.sort(key=lambda pair: -pair[0])
    causes = [cause for _, cause in counts[:_MOST]]
    return causes if causes else gradient_causes(wrong)
