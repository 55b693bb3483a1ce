"""What is probably wrong with an item that lost points."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.grade.cases import Case, Drawing
from chainrule.grade.result import Cause
from chainrule.grade.sandbox import Outcome, Sandbox


def explain(
    name: str,
    runs: Sequence[tuple[Case, Outcome]],
    tolerance: float,
    drawing: Drawing,
    sandbox: Sandbox,
    deadline: float,
) -> list[Cause]:
    """Causes, most probable first; none where nothing fits."""
    return []
