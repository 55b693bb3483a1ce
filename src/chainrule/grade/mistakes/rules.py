"""Mistakes in update rules, each written out as the faulty rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.grade.mistakes.mistake import Mistake, swapped

_DEFAULTS = {
    "sgd": {"learning_rate": 1e-2},
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
Step = Callable[[Any, Any, dict[str, Any]], Any]


def _rule(name: str, title: str, explanation: str, equation: str, step: Step) -> Mistake:
    """A rule of which `step(w, dw, config)` is the faulty step, config being filled in and kept by it."""

    def faulty(ours: Any, w: Any, dw: Any, config: Any = None) -> Any:
        config = {} if config is None else config
        for key, value in _DEFAULTS[name].items():
            config.setdefault(key, value)
        return step(w, dw, config), config

    return swapped(title, explanation, equation, **{name: faulty})


def _slot(c: dict[str, Any], key: str, w: Any) -> Any:
    value = c.get(key)
    return np.zeros_like(w) if value is None else value


def _momentum(sign: float = 1, store: bool = True, scaled_later: bool = False, nesterov: bool = False) -> Step:
    def step(w: Any, dw: Any, c: dict[str, Any]) -> Any:
        before = _slot(c, "velocity", w)
        if scaled_later:
            v = c["momentum"] * before + dw
            c["velocity"] = v
            return w - c["learning_rate"] * v
        v = c["momentum"] * before - sign * c["learning_rate"] * dw
        if store:
            c["velocity"] = v
        return w - c["momentum"] * before + (1 + c["momentum"]) * v if nesterov else w + v

    return step


def _rmsprop(inside: bool = False, swap: bool = False, no_root: bool = False, stale: bool = False) -> Step:
    def step(w: Any, dw: Any, c: dict[str, Any]) -> Any:
        rate = 1 - c["decay_rate"] if swap else c["decay_rate"]
        old = _slot(c, "cache", w)
        cache = rate * old + (1 - rate) * dw**2
        c["cache"] = cache
        used = old if stale else cache
        if no_root:
            return w - c["learning_rate"] * dw / (used + c["epsilon"])
        return w - c["learning_rate"] * dw / (np.sqrt(used + c["epsilon"]) if inside else np.sqrt(used) + c["epsilon"])

    return step


def _adam(
    correct: bool = True, late: bool = False, inside: bool = False, count: bool = True, same_beta: bool = False
) -> Step:
    def step(w: Any, dw: Any, c: dict[str, Any]) -> Any:
        t = c.get("t", 0) + (0 if late else 1)
        c["m"] = c["beta1"] * _slot(c, "m", w) + (1 - c["beta1"]) * dw
        c["v"] = c["beta2"] * _slot(c, "v", w) + (1 - c["beta2"]) * dw**2
        m, v = c["m"], c["v"]
        if correct:
            with np.errstate(all="ignore"):
                m = m / (1 - c["beta1"] ** t)
                v = v / (1 - c["beta1" if same_beta else "beta2"] ** t)
        if count:
            c["t"] = t + (1 if late else 0)
        return w - c["learning_rate"] * m / (np.sqrt(v + c["epsilon"]) if inside else np.sqrt(v) + c["epsilon"])

    return step


_INSIDE = ("epsilon under the root", "epsilon is added to the root, not under it.")
_V = "v = momentum * v - learning_rate * dw; next_w = w + v"
_RMS = "next_w = w - learning_rate * dw / (np.sqrt(cache) + epsilon)"
_CACHE = "cache = decay_rate * cache + (1 - decay_rate) * dw**2"
_ADAM = "m_hat = m / (1 - beta1**t); v_hat = v / (1 - beta2**t)"

MISTAKES: dict[str, list[Mistake]] = {
    "sgd": [
        _rule(
            "sgd",
            "wrong sign",
            "The step goes against the gradient.",
            "next_w = w - learning_rate * dw",
            lambda w, dw, c: w + c["learning_rate"] * dw,
        ),
    ],
    "sgd_momentum": [
        _rule("sgd_momentum", "wrong sign", "The velocity must take in minus the gradient.", _V, _momentum(sign=-1)),
        _rule(
            "sgd_momentum",
            "velocity not stored",
            "The new velocity must be kept in config.",
            "config['velocity'] = v",
            _momentum(store=False),
        ),
        _rule(
            "sgd_momentum",
            "learning rate outside of the velocity",
            "The course's velocity takes in the gradient already multiplied by the learning rate.",
            _V,
            _momentum(scaled_later=True),
        ),
        _rule("sgd_momentum", "Nesterov momentum", "The plain rule is asked for.", _V, _momentum(nesterov=True)),
    ],
    "rmsprop": [
        _rule("rmsprop", *_INSIDE, _RMS, _rmsprop(inside=True)),
        _rule(
            "rmsprop",
            "decay the wrong way round",
            "decay_rate is the share of the old cache.",
            _CACHE,
            _rmsprop(swap=True),
        ),
        _rule("rmsprop", "root missing", "The step is divided by the root of the cache.", _RMS, _rmsprop(no_root=True)),
        _rule(
            "rmsprop",
            "stale cache",
            "The new cache must be used, not the one before this step.",
            _RMS,
            _rmsprop(stale=True),
        ),
    ],
    "adam": [
        _rule(
            "adam",
            "bias correction missing",
            "m and v start at zero, and must be corrected for that.",
            _ADAM,
            _adam(correct=False),
        ),
        _rule(
            "adam",
            "t counted after its use",
            "t must grow by one before it is used.",
            "config['t'] += 1, first",
            _adam(late=True),
        ),
        _rule(
            "adam",
            "t not counted",
            "t must grow by one in every step, and be kept in config.",
            "config['t'] += 1, first",
            _adam(count=False),
        ),
        _rule("adam", *_INSIDE, "next_w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)", _adam(inside=True)),
        _rule("adam", "beta1 in the correction of v", "v is corrected with beta2.", _ADAM, _adam(same_beta=True)),
    ],
}
