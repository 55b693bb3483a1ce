"""Planted faults of training, an explicit list of themes: what `tools/lint_faults.py` counts.

To add one: `@FAULTS.plant` or `FAULTS.recipe` in the module of its theme. A new theme needs its line here.

fault.py        what a planted fault is
sound.py        recipes, networks, data and solvers without a fault, to plant one in
architecture.py layers and losses
settings.py     the update rule, regularisation, the length of training, what is done to the data
rows.py         inputs and labels
own_models.py   models of one's own
runs.py         finished runs
shipped.py      the page's second table: shipped recipes, sound ones and ones with known flaws
relation.py     its third: labels that have nothing to do with their inputs
page.py         docs/results/lint.md
"""

from __future__ import annotations

from planted import architecture, own_models, rows, runs, settings
from planted.fault import Fault

#: Every planted fault, in the order of the page.
FAULTS: tuple[Fault, ...] = (
    *architecture.FAULTS,
    *settings.FAULTS,
    *rows.FAULTS,
    *own_models.FAULTS,
    *runs.FAULTS,
)
