"""A linter for training: rules that find silent faults in networks, recipes, data and runs, and say how to mend them.

Training rarely fails with an error; it goes on and ends with a worse figure. Each rule guards against one such fault,
in one file under `rules`, with an example in which it must find it and one in which it must not.

    chainrule lint mine.toml              the recipe, its data, and the untrained network on a batch
    chainrule lint mine.toml --static     the recipe alone: no data is loaded
    chainrule lint runs/mine-1            a run: its curve and its trained network too

The exit status is 1 where there is an error or a warning. An error makes the figures wrong or the training useless; a
warning makes them worse, most likely; a note is worth knowing. A recipe can say that a rule does not apply to it:

    [lint]
    ignore = ["class-imbalance"]
    reason = "Accuracy over all rows is what is asked for."

On the command line `--ignore class-imbalance` says so for once; it may be repeated.

What was found in planted faults, in the shipped recipes and in shuffled labels: docs/results/lint.md.
"""

from __future__ import annotations

from chainrule.lint.finding import Finding as Finding
from chainrule.lint.finding import Report as Report
from chainrule.lint.linting import lint as lint
from chainrule.lint.rule import Rule as Rule
from chainrule.lint.rules import RULES as RULES
from chainrule.lint.subject import Subject as Subject
