"""Numbers that are not finite: where they are in an engine's state, and steps that are undone if they leave one.

Engines look at loss and gradients before they change anything, and at rates. With those below 1e12 no rule of ours
leaves the range of numbers, unless weights are huge already, or decay takes more off a weight than there is, so that it
grows from step to step. `is_tame` rules these out by bounds that are cheap to look at; `guarded_step` is for the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import DivergenceError
from chainrule.network import Network
from chainrule.optim import UpdateRule
from chainrule.optim.decay import L2, WeightDecay

#: What gradients, rates and the norm of the weights stay below in a step that cannot leave the range of numbers.
HARMLESS = 1e12


def is_tame(network: Network, rule: Any, factor: float) -> bool:
    """Whether the next steps, at this factor of the learning rate, are sure to leave finite weights and slots."""
    if not isinstance(rule, UpdateRule):
        return False
    pulls = [p.reg if isinstance(p, L2) else p.weight_decay for p in rule.chain if isinstance(p, (L2, WeightDecay))]
    rate = rule.learning_rate * abs(factor)
    if not (rate < HARMLESS and rate * (network.reg + sum(pulls)) < 1):
        return False
    with np.errstate(all="ignore"):
        return float(network.params.flat @ network.params.flat) < HARMLESS**2


def first_nonfinite(engine: Any) -> tuple[str, str, float] | None:
    """Layer, tensor and value of the first number of the engine's state that is not finite."""
    network: Network | None = getattr(engine, "network", None)
    for name, array in engine.state().items():
        if array.dtype.kind != "f" or name.startswith("config."):  # what a function keeps is its own affair
            continue
        bad = ~np.isfinite(array)
        if bad.any():
            value = float(array[bad][0])
            if network is None:
                return "the model", name.removeprefix("param."), value
            views = network.buffers if name == "buffers" else network.params
            tensor = views.name_at(int(np.flatnonzero(bad)[0]))
            kinds = {"params": "parameter", "buffers": "running statistic"}
            kind = kinds.get(name, f"slot {name.removeprefix('slot.')!r} of")
            return network.owner(tensor), f"{kind} {tensor}", value
    return None


def require_finite(engine: Any) -> None:
    """Raise `DivergenceError` if the state that the next step would start from holds NaN or infinity."""
    if (bad := first_nonfinite(engine)) is not None:
        raise DivergenceError(engine.step_number + 1, *bad)


def guarded_step(engine: Any, x: Array, y: Array, factor: float) -> float:
    """`engine.step`, undone if it leaves a number that is not finite."""
    before, number = engine.state(), engine.step_number
    loss: float = engine.step(x, y, factor)
    if (bad := first_nonfinite(engine)) is not None:
        engine.load_state(before, number)
        raise DivergenceError(number + 1, *bad)
    return loss
