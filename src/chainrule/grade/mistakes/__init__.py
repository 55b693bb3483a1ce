"""Known mistakes of each item, against which wrong results are held to say what is probably wrong."""

from __future__ import annotations

from chainrule.grade.cases.models import ITEMS as MODELS
from chainrule.grade.mistakes import layers, models, rules
from chainrule.grade.mistakes.mistake import Mistake as Mistake

MISTAKES: dict[str, list[Mistake]] = {
    **layers.MISTAKES,
    **rules.MISTAKES,
    **dict.fromkeys(MODELS, models.ALL),
}
