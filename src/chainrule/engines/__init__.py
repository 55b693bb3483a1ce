"""Engines: what turns (network, update rule) into a program with `step`, `loss_and_gradients` and `predict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.engines.engine import Engine as Engine
from chainrule.engines.engine import Evaluation as Evaluation
from chainrule.engines.foreign import ForeignEngine as ForeignEngine
from chainrule.engines.function_rule import FunctionRule as FunctionRule
from chainrule.engines.native import NativeEngine as NativeEngine
from chainrule.engines.native import is_available
from chainrule.engines.reference import ReferenceEngine as ReferenceEngine
from chainrule.errors import ConfigError, DTypeError, describe, require_function, require_mapping, unknown
from chainrule.network import Network
from chainrule.optim import UpdateRule

#: The engines that run a `Network`, by the name users choose them with, the preferred one first.
ENGINES: dict[str, Callable[[Network, UpdateRule], Engine]] = {"native": NativeEngine, "reference": ReferenceEngine}


def make_engine(
    model: Any,
    rule: UpdateRule | Callable[..., Any],
    engine: str = "auto",
    optim_config: Mapping[str, Any] | None = None,
) -> Engine:
    """The engine that runs `model` with `rule`: "auto" takes the preferred one that can.

    A model that is not a `Network` runs by its own `loss`; a rule that is a bare function, a dtype other than float32,
    and an installation without the compiled module are the reference engine's.
    """
    if not isinstance(engine, str):
        raise DTypeError(f"engine must be a name, got {describe(engine)}")
    if engine != "auto" and engine not in ENGINES:
        raise unknown("engine", engine, ["auto", *ENGINES])
    if not isinstance(rule, UpdateRule):
        require_function("make_engine", "rule", None if isinstance(rule, type) else rule)
    if optim_config is not None:
        require_mapping("make_engine", "optim_config", optim_config, "numbers")
    if not isinstance(model, Network):
        if engine != "auto":
            raise ConfigError(f"engine must be 'auto' for a model that runs by its own loss, got {engine!r}")
        return ForeignEngine(model, rule, optim_config)
    if not isinstance(rule, UpdateRule):
        if engine not in ("auto", "reference"):
            raise ConfigError(f"engine must be 'auto' or 'reference' for a rule that is a function, got {engine!r}")
        return ReferenceEngine(model, FunctionRule(rule, optim_config, model.params))
    if engine == "auto":
        engine = "native" if model.dtype.name == "float32" and is_available() else "reference"
    if engine == "native" and not is_available():
        raise ConfigError(
            "engine must be 'auto' or 'reference' here, got 'native': chainrule was installed without a C++ compiler; "
            "with one, install chainrule again"
        )
    return ENGINES[engine](model, rule)
