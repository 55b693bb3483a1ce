"""The engine for any object with `params` (a dictionary of arrays) and `loss(X, y)`: a student's own model.

`loss(X, y)` must return (loss, gradients by name) and `loss(X)` scores. Update rules are this package's, or a
function `f(w, dw, config) -> (next_w, config)` as the courses write them; each parameter has slots of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.data.normalized import NormalizedRows
from chainrule.engines.engine import Evaluation, StepByStep, require_same_arrays
from chainrule.engines.function_rule import FunctionRule, RuleFunction
from chainrule.errors import (
    ConfigError,
    DivergenceError,
    DTypeError,
    ShapeError,
    describe,
    require_function,
    require_mapping,
    require_number,
    unknown,
)
from chainrule.optim import Step, UpdateRule
from chainrule.require import as_numbers


class ForeignEngine(StepByStep):
    """Runs a model it knows nothing of but `params` and `loss`."""

    def __init__(
        self, model: Any, rule: UpdateRule | RuleFunction, optim_config: Mapping[str, Any] | None = None
    ) -> None:
        params = getattr(model, "params", None)
        if not isinstance(params, Mapping) or not callable(getattr(model, "loss", None)):
            raise DTypeError(f"model must have a dictionary `params` and a method `loss(X, y)`, got {describe(model)}")
        if not params:
            raise ConfigError("model.params must hold at least one array, got an empty dictionary")
        for name, w in params.items():
            if not isinstance(w, np.ndarray) or w.dtype.kind != "f":
                raise DTypeError(
                    f"model.params[{name!r}] must be an array of floating-point numbers, got {describe(w)}"
                )
        if not isinstance(rule, UpdateRule):
            require_function("ForeignEngine", "rule", rule)
        if optim_config is not None:
            require_mapping("ForeignEngine", "optim_config", optim_config, "numbers")
        self.model, self.step_number = model, 0
        self.rule = rule if isinstance(rule, UpdateRule) else FunctionRule(rule, optim_config, params)
        self.slots: dict[str, dict[str, Array]] = {}
        if isinstance(rule, UpdateRule):
            self.slots = {name: rule.init(w.reshape(-1)) for name, w in params.items()}

    def step(self, x: Array, y: Array, factor: float = 1.0) -> float:
        """Ask the model for loss and gradients, check them, update parameter after parameter."""
        with np.errstate(all="ignore"):
            loss, gradients = self.loss_and_gradients(x, y)
            self._require_finite(loss, gradients)
            self._update(gradients, factor)
            self.step_number += 1
        return loss

    def _update(self, gradients: Mapping[str, Array], factor: float) -> None:
        """Apply the rule to every parameter; nothing is kept unless all of them went well and stayed finite."""
        configs = dict(self.rule.optim_configs) if isinstance(self.rule, FunctionRule) else {}
        slots = {name: {s: slot.copy() for s, slot in own.items()} for name, own in self.slots.items()}
        try:
            new = {n: self._updated(n, w, gradients[n], slots, factor) for n, w in self.model.params.items()}
            for name, w in new.items():
                bad = w[~np.isfinite(w)]
                if bad.size:
                    what = f"the updated parameter {name}"
                    raise DivergenceError(self.step_number + 1, "the model", what, float(bad[0]))
            for name, own in slots.items():
                for s, slot in own.items():
                    if not np.isfinite(slot).all():
                        what, value = f"the updated slot {s!r} of {name}", float(slot[~np.isfinite(slot)][0])
                        raise DivergenceError(self.step_number + 1, "the model", what, value)
        except Exception:
            if isinstance(self.rule, FunctionRule):
                self.rule.optim_configs = configs
            raise
        self.model.params.update(new)
        self.slots = slots

    def _updated(
        self, name: str, w: Array, gradient: Array, slots: dict[str, dict[str, Array]], factor: float
    ) -> Array:
        if isinstance(self.rule, FunctionRule):
            return self.rule.update(name, w, gradient, factor)
        new = w.copy().reshape(-1)
        self.rule.apply(new, gradient.astype(w.dtype).reshape(-1), slots[name], self._step(w, factor))
        return new.reshape(w.shape)

    def _step(self, w: Array, factor: float) -> Step:
        # Weights are told from biases by their rank: a model of unknown make declares nothing else.
        return Step(self.step_number + 1, factor, None if w.ndim > 1 else np.zeros(w.size, w.dtype))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, Mapping[str, Array]]:
        """What `model.loss(x, y)` returns, checked for its form and for the gradients' names and shapes."""
        x, y = as_array("x", x), as_array("y", y)
        if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
            raise ShapeError(f"ForeignEngine: x and y must have equally many rows, got {x.shape} and {y.shape}")
        result = self.model.loss(x, y)
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
            raise DTypeError(f"model.loss(X, y) must return (loss, gradients by name), got {describe(result)}")
        loss, gradients = result
        if np.shape(loss) != () or np.asarray(loss).dtype.kind not in "fiu":
            raise DTypeError(f"model.loss(X, y) must return a number as the loss, got {describe(loss)}")
        checked = {}
        for name, w in self.model.params.items():
            if name not in gradients:
                raise ConfigError(f"model.loss(X, y) gave no gradient for {name!r}, only {sorted(gradients)}")
            gradient = as_array(f"the gradient of {name!r}", gradients[name])
            if gradient.shape != w.shape:
                raise ShapeError(f"the gradient of {name!r} must have shape {w.shape}, got {gradient.shape}")
            checked[name] = gradient
        return float(loss), checked

    def _require_finite(self, loss: float, gradients: Mapping[str, Array]) -> None:
        if not np.isfinite(loss):
            raise DivergenceError(self.step_number + 1, "the loss", "its value", loss)
        for name, gradient in gradients.items():
            bad = gradient[~np.isfinite(gradient)]
            if bad.size:
                raise DivergenceError(self.step_number + 1, "the model", f"the gradient of {name}", float(bad[0]))

    def predict(self, x: Array) -> Array:
        """`model.loss(x)`."""
        x = _rows(x)
        scores = as_array("what model.loss(X) returns", self.model.loss(x))
        if scores.ndim not in (1, 2) or len(scores) != len(x):
            raise ShapeError(f"model.loss(X) must return scores ({len(x)}, C) or ({len(x)},), got {scores.shape}")
        if scores.ndim == 2 and scores.shape[1] < 2:
            raise ShapeError(
                f"model.loss(X) must return scores of two or more classes, got {scores.shape}; for two classes told by "
                f"the sign of one score, return scores of shape ({len(x)},)"
            )
        return scores

    def evaluate(self, x: Array, y: Array, batch_size: int = 1000) -> Evaluation:
        """Accuracy: the highest of (N, C) scores, or the sign of (N,) scores; the loss stays unknown.

        A row whose highest score is NaN or infinite has no prediction: the set then scores −∞.
        """
        x, targets = _rows(x), as_array("y", y)
        with np.errstate(all="ignore"):
            parts = [self.predict(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
        scores = np.concatenate(parts)
        if targets.shape != (len(scores),):
            raise ShapeError(f"y must have shape ({len(scores)},), one label a row, got {targets.shape}")
        highest = scores if scores.ndim == 1 else scores.max(axis=1)  # one class at −∞, as of log 0, is no harm
        if not np.isfinite(highest).all():
            return Evaluation(-math.inf, None)
        labels = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        if scores.ndim == 1 and targets.min(initial=0) < 0:
            labels = 2 * labels - 1
        return Evaluation(float(np.mean(labels == targets)), None)

    def weights(self) -> dict[str, Array]:
        """Copies of the parameters."""
        return {name: w.copy() for name, w in self.model.params.items()}

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Put copies of `weights` into the model."""
        require_mapping("ForeignEngine", "weights", weights, "arrays")
        for name, w in weights.items():
            if name not in self.model.params:
                raise unknown("parameter", name, self.model.params)
            if as_array(name, w).shape != self.model.params[name].shape:
                shapes = f"{self.model.params[name].shape}, got {np.shape(w)}"
                raise ShapeError(f"ForeignEngine: weights[{name!r}] must have shape {shapes}")
        for name, w in weights.items():
            self.model.params[name] = np.array(w)

    def state(self) -> dict[str, Array]:
        """Parameters, and slots or what a function keeps."""
        slots = {f"slot.{p}.{s}": slot.copy() for p, own in self.slots.items() for s, slot in own.items()}
        kept = self.rule.state() if isinstance(self.rule, FunctionRule) else {}
        return {**{f"param.{n}": w for n, w in self.weights().items()}, **slots, **kept}

    def load_state(self, state: Mapping[str, Array], step_number: int) -> None:
        """Put everything back; a set, a shape or a dtype that does not fit is refused before anything is changed."""
        require_mapping("ForeignEngine", "state", state, "arrays")
        require_number("ForeignEngine", "step_number", step_number, integer=True, low=0)
        kept = {n: a for n, a in state.items() if isinstance(self.rule, FunctionRule) and n.startswith("config.")}
        own_state = {n: a for n, a in self.state().items() if not n.startswith("config.")}
        require_same_arrays(own_state, {n: a for n, a in state.items() if n not in kept})
        if isinstance(self.rule, FunctionRule):
            self.rule.load_state(kept)
        for name in self.model.params:
            self.model.params[name] = np.array(state[f"param.{name}"])
        for p, own in self.slots.items():
            for s in own:
                own[s] = np.array(state[f"slot.{p}.{s}"])
        self.step_number = step_number


def as_array(what: str, value: Any) -> Array:
    """`value` as an array of real numbers, or a typed error."""
    return as_numbers("ForeignEngine", what, value)


def _rows(x: Any) -> Array:
    rows = x if isinstance(x, NormalizedRows) else as_array("x", x)
    if len(rows.shape) == 0 or len(rows) == 0:
        raise ShapeError(f"ForeignEngine: x must hold at least one row, got shape {rows.shape}")
    return rows
