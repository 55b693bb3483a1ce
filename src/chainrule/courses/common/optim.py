"""Update rules as functions f(w, dw, config) -> (next_w, config), on top of `chainrule.optim`.

`config` is changed in place and returned: defaults are filled in, slots (velocity, cache, m, v) and the step count t
are kept in it, under the names that course code reads afterwards.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule import optim
from chainrule.errors import DTypeError, ShapeError, describe
from chainrule.optim import Step, UpdateRule
from chainrule.require import as_numbers

Config = dict[str, Any]


def sgd(w: Any, dw: Any, config: Config | None = None) -> tuple[np.ndarray, Config]:
    """w ← w − η dw. config: learning_rate 1e-2."""
    return _update(optim.SGD, w, dw, config, learning_rate=1e-2)


def sgd_momentum(w: Any, dw: Any, config: Config | None = None) -> tuple[np.ndarray, Config]:
    """v ← μ v − η dw, w ← w + v. config: learning_rate 1e-2, momentum 0.9; velocity is kept in it.

    >>> config = {"learning_rate": 0.5, "momentum": 0.5, "velocity": np.ones(1)}
    >>> sgd_momentum(np.zeros(1), np.ones(1), config)[0].tolist(), config["velocity"].tolist()
    ([0.0], [0.0])
    """
    return _update(optim.Momentum, w, dw, config, learning_rate=1e-2, momentum=0.9)


def rmsprop(w: Any, dw: Any, config: Config | None = None) -> tuple[np.ndarray, Config]:
    """c ← ρ c + (1 − ρ) dw², w ← w − η dw/(√c + ε).

    config: learning_rate 1e-2, decay_rate 0.99, epsilon 1e-8; cache is kept in it.
    """
    return _update(optim.RMSProp, w, dw, config, learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8)


def adam(w: Any, dw: Any, config: Config | None = None) -> tuple[np.ndarray, Config]:
    """Adam; t, the number of the step, grows by one before it is used.

    config: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8; m, v and t, from 0, are kept in it.
    """
    config = {} if config is None else config
    if isinstance(config, dict):  # anything else is refused below
        config["t"] = config.get("t", 0) + 1
    return _update(optim.Adam, w, dw, config, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)


def _update(kind: Any, w: Any, dw: Any, config: Config | None, **defaults: float) -> tuple[np.ndarray, Config]:
    config = {} if config is None else config
    if not isinstance(config, dict):
        raise DTypeError(f"{kind.key}: config must be a dictionary, got {describe(config)}")
    for name, value in defaults.items():
        config.setdefault(name, value)
    rule = _rule(kind, **{name: _as_number(config[name]) for name in defaults})
    w, dw = as_numbers(kind.key, "w", w), as_numbers(kind.key, "dw", dw)
    if w.shape != dw.shape:
        raise ShapeError(f"{kind.key}: dw must have the shape of w, {w.shape}, got {dw.shape}")
    if w.dtype.kind != "f":
        raise DTypeError(f"{kind.key}: w must hold floating-point numbers, got dtype {w.dtype}")
    dw = dw if dw.dtype.kind == "f" else dw.astype(w.dtype)
    slots = {name: config[name] if config.get(name) is not None else np.zeros_like(w) for name in rule.slot_names}
    step, slots = rule.update(dw, slots, w, Step(config.get("t", 1)))
    config.update(slots)
    return w + step, config


@functools.lru_cache(maxsize=256, typed=True)
def _rule(kind: Any, **numbers: Any) -> UpdateRule:
    rule: UpdateRule = kind(**numbers)
    return rule


def _as_number(value: Any) -> Any:
    """A Python number: a NumPy scalar, as a random search draws it, would turn float32 weights into float64."""
    if isinstance(value, (np.generic, np.ndarray)) and value.shape == ():
        return value.item()
    if not isinstance(value, (int, float)):
        raise DTypeError(f"config must hold numbers, got {describe(value)}")
    return value
