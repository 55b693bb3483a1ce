"""A linter for training: rules that find silent faults in networks, recipes, data and runs, and say how to mend them.

Training rarely fails with an error; it goes on and ends with a worse figure. Each rule guards against one such fault,
in one file under `rules`, with an example in which it must find it and one in which it must not.
"""

from __future__ import annotations

from chainrule.lint.finding import Finding as Finding
from chainrule.lint.finding import Report as Report
from chainrule.lint.linting import lint as lint
from chainrule.lint.rule import Rule as Rule
from chainrule.lint.rules import RULES as RULES
from chainrule.lint.subject import Subject as Subject
