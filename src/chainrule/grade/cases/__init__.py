"""What can be graded: for each function, rule and model of the courses, how its cases are drawn."""

from __future__ import annotations

from chainrule.grade.cases import layers, models, rules
from chainrule.grade.cases.case import Case as Case
from chainrule.grade.cases.case import Drawing as Drawing
from chainrule.grade.cases.case import Item as Item

#: By the name that a rubric gives points to.
ITEMS: dict[str, Item] = {**layers.ITEMS, **rules.ITEMS, **models.ITEMS}
