"""Engines: what turns (network, update rule) into a program with `step`, `loss_and_gradients` and `predict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.engines.engine import Engine as Engine
from chainrule.engines.engine import Evaluation as Evaluation
from chainrule.engines.foreign import ForeignEngine as ForeignEngine
from chainrule.engines.reference import ReferenceEngine as ReferenceEngine
from chainrule.errors import unknown
from chainrule.network import Network
from chainrule.optim import UpdateRule

#: The engines that run a `Network`, by the name users choose them with, the preferred one first.
ENGINES: dict[str, Callable[[Network, UpdateRule], Engine]] = {"reference": ReferenceEngine}


def make_engine(
    model: Any,
    rule: UpdateRule | Callable[..., Any],
    engine: str = "auto",
    optim_config: Mapping[str, Any] | None = None,
) -> Engine:
    """The engine that runs `model` with `rule`: "auto" takes the preferred one that can.

    A model that is not a `Network`, or a rule that is a bare function, runs by the model's own `loss`.
    """
    if engine != "auto" and engine not in ENGINES:
        raise unknown("engine", engine, ["auto", *ENGINES])
    if isinstance(model, Network) and isinstance(rule, UpdateRule):
        return ENGINES[next(iter(ENGINES)) if engine == "auto" else engine](model, rule)
    return ForeignEngine(model, rule, optim_config)
