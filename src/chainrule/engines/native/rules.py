"""Update rules for the native engine: which transforms have a kernel, and the numbers they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.engines.native.memory import SLOTS
from chainrule.optim import UpdateRule
from chainrule.optim.adadelta import MatchUnits
from chainrule.optim.adagrad import DivideBySumOfSquares
from chainrule.optim.adam import AdaptiveMoments
from chainrule.optim.clip import ClipValue
from chainrule.optim.decay import L2, WeightDecay
from chainrule.optim.lion import SignOfMean
from chainrule.optim.momentum import Velocity
from chainrule.optim.rmsprop import DivideByRMS
from chainrule.optim.update_rule import ScaleByLearningRate, Transform, _slot_names

Part = tuple[int, list[float], list[int]]

#: Transform -> (its number in native/program.hpp, the numbers its kernel takes). Whole-gradient ones have none.
_KERNELS: dict[type[Transform], Callable[[Any], tuple[int, list[float]]]] = {
    ScaleByLearningRate: lambda t: (0, [t.learning_rate]),
    Velocity: lambda t: (2 if t.nesterov else 1, [t.momentum]),
    AdaptiveMoments: lambda t: (3, [t.beta1, t.beta2, t.epsilon]),
    DivideBySumOfSquares: lambda t: (4, [t.epsilon]),
    DivideByRMS: lambda t: (5, [t.decay_rate, t.epsilon]),
    MatchUnits: lambda t: (6, [t.decay_rate, t.epsilon]),
    SignOfMean: lambda t: (7, [t.beta1, t.beta2]),
    L2: lambda t: (8, [t.reg]),
    WeightDecay: lambda t: (9, [t.weight_decay, t.learning_rate]),
    ClipValue: lambda t: (10, [t.limit]),
}

#: Memory spaces that are left for slots.
_MOST_SLOTS = 16 - SLOTS


def native_parts(rule: Any, reg: float) -> list[Part] | None:
    """The chain of `rule` as kernels take it, `reg` · w added to the gradient first; None where a part has none."""
    if not isinstance(rule, UpdateRule) or type(rule).apply is not UpdateRule.apply:
        return None
    if any(type(t) not in _KERNELS for t in rule.chain):
        return None
    names = rule.slot_names
    if len(names) > _MOST_SLOTS:
        return None
    parts: list[Part] = [] if reg == 0.0 else [(8, [reg], [])]
    for transform, own in zip(rule.chain, _slot_names(rule.chain), strict=True):
        number, values = _KERNELS[type(transform)](transform)
        parts.append((number, [float(v) for v in values], [SLOTS + names.index(n) for n in own]))
    return parts
