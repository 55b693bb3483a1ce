"""Numbers behind networks: what layers cost, what arithmetic they do, and statements of theory that run.

`count_costs` counts a list of layers under a named convention. `trace` and `trace_text` follow numbers through a
function or through equations and gradients back.
"""

from __future__ import annotations

from chainrule.analysis.cost import Costs as Costs
from chainrule.analysis.cost import Counting as Counting
from chainrule.analysis.cost import count_costs as count_costs
from chainrule.analysis.tracing.trace import Trace as Trace
from chainrule.analysis.tracing.trace import trace as trace
from chainrule.analysis.tracing.trace import trace_text as trace_text
