"""Numbers behind networks: what layers cost, what arithmetic they do, and statements of theory that run.

`count_costs` counts a list of layers under a named convention.
"""

from __future__ import annotations

from chainrule.analysis.cost import Costs as Costs
from chainrule.analysis.cost import Counting as Counting
from chainrule.analysis.cost import count_costs as count_costs
