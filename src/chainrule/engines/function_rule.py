"""Update rules as the courses write them: a function `f(w, dw, config) -> (next_w, config)`.

Each parameter has a configuration dictionary of its own, in which the function keeps what it needs (a velocity, a step
count). What is kept must reach a checkpoint, or a resumed run would start with a velocity of zero.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import CheckpointError, DTypeError, ShapeError, describe

RuleFunction = Callable[[Array, Array, dict[str, Any]], tuple[Array, dict[str, Any]]]


class FunctionRule:
    """`function` with one configuration dictionary, a copy of `optim_config` at first, for each of `names`."""

    def __init__(self, function: RuleFunction, optim_config: Mapping[str, Any] | None, names: Iterable[str]) -> None:
        self.function = function
        self._start = {} if optim_config is None else dict(optim_config)
        self.optim_configs = {name: copy.deepcopy(self._start) for name in names}

    def update(self, name: str, w: Array, gradient: Array, factor: float) -> Array:
        """The next value of parameter `name`; a schedule's `factor` multiplies the entry "learning_rate".

        The function gets copies: it may write into its arguments, and may keep them.
        """
        config = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in self.optim_configs[name].items()}
        base = config.get("learning_rate")
        scaled = None if factor == 1.0 or base is None else base * factor
        if scaled is not None:
            config["learning_rate"] = scaled
        result = self.function(w.copy(), gradient.copy(), config)
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
            raise DTypeError(f"update_rule: the function must return (next_w, config), got {describe(result)}")
        value, config = np.asarray(result[0]), dict(result[1])
        if value.dtype.kind not in "fiu":
            raise DTypeError(f"update_rule: next_w of {name} must be an array of numbers, got {describe(result[0])}")
        if value.shape != w.shape:
            raise ShapeError(f"update_rule: next_w of {name} must have shape {w.shape}, got {value.shape}")
        if scaled is not None and config.get("learning_rate") is scaled:
            config["learning_rate"] = base  # what the function set itself is its own decay, and stays
        self.optim_configs[name] = config
        return value.copy()

    def state(self) -> dict[str, Array]:
        """Copies of every number and array in the configurations, as config.NAME.ENTRY."""
        return {
            f"config.{name}.{key}": np.array(value)
            for name, config in self.optim_configs.items()
            for key, value in config.items()
            if np.asarray(value).dtype.kind in "fiub"
        }

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Put back what `state` returned; entries of any other kind start as they were given."""
        configs = {name: copy.deepcopy(self._start) for name in self.optim_configs}
        for entry, value in state.items():
            owners = [n for n in configs if entry.startswith(f"config.{n}.")]
            if not owners:
                raise CheckpointError(f"state {entry!r} belongs to none of the parameters {', '.join(configs)}")
            name = max(owners, key=len)  # W3.2 rather than W3
            key = entry.removeprefix(f"config.{name}.")
            configs[name][key] = np.array(value) if value.shape else value.item()
        self.optim_configs = configs
