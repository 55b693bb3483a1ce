"""The reference engine: a loop over the layer files, then the update rule over one flat vector."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.engines.engine import Evaluation, StepByStep, require_same_arrays
from chainrule.engines.finite import HARMLESS, first_nonfinite, is_tame
from chainrule.engines.function_rule import FunctionRule
from chainrule.engines.one_thread import one_thread
from chainrule.errors import DivergenceError, require_instance, require_mapping, require_number, require_text
from chainrule.network import Network, as_array
from chainrule.optim import Step, UpdateRule


class ReferenceEngine(StepByStep):
    """Runs a `Network` by its layers' own `forward` and `backward`, with an `UpdateRule` or a function as the rule."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the check of network and rule in front of a faster engine's constructor too."""
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _checked_init(cls.__dict__["__init__"]))  # noqa: B010

    def __init__(self, network: Network, rule: UpdateRule | FunctionRule) -> None:
        _require_network_and_rule(type(self).__name__, network, rule)
        self.network, self.rule = network, rule
        self.slots = rule.init(network.params.flat) if isinstance(rule, UpdateRule) else {}
        self.step_number = 0

    def step(self, x: Array, y: Array, factor: float = 1.0) -> float:
        """Forward, loss, backward, check, update; the running statistics last."""
        net = self.network
        with one_thread(), np.errstate(all="ignore"):  # what is not finite is reported by name below, not as a warning
            batch, targets = net.as_input(x), as_array("y", y)
            scores, cache = net.forward(batch, train=True, step=self.step_number)
            value, dscores = net.loss_function(scores, targets)
            net.backward(dscores, cache)
            loss = net.regularize(float(value))
            size = float(net.gradients.flat @ net.gradients.flat)  # ‖g‖²
            if not (math.isfinite(loss) and (math.isfinite(size) or is_finite(net.gradients.flat))):
                raise net.diagnose(batch, targets, self.step_number + 1)
            statistics = net.new_buffers(cache)
            for name, statistic in statistics.items():
                if not np.isfinite(statistic).all():
                    bad = float(statistic[~np.isfinite(statistic)][0])
                    raise DivergenceError(self.step_number + 1, net.owner(name), f"running statistic {name}", bad)
            self._update(factor, size)
            self.step_number += 1
            net.buffers.update(statistics)
        return loss

    def _update(self, factor: float, size: float) -> None:
        """Apply the rule. Where that may fail or overflow, put back what was there if it does, and raise."""
        if not self._may_overflow(factor, size):
            self._apply(factor)
            return
        net = self.network
        changed = (net.params.flat, *self.slots.values())
        before = [array.copy() for array in changed]
        configs = dict(self.rule.optim_configs) if isinstance(self.rule, FunctionRule) else {}
        try:
            self._apply(factor)
            if (bad := first_nonfinite(self)) is not None:
                raise DivergenceError(self.step_number + 1, bad[0], f"the updated {bad[1]}", bad[2])
        except Exception:
            for kept, array in zip(before, changed, strict=True):
                np.copyto(array, kept)
            if isinstance(self.rule, FunctionRule):
                self.rule.optim_configs = configs
            raise

    def _apply(self, factor: float) -> None:
        net = self.network
        if isinstance(self.rule, UpdateRule):
            step = Step(self.step_number + 1, factor, net.decay)
            self.rule.apply(net.params.flat, net.gradients.flat, self.slots, step)
        else:
            for name, w in net.params.items():
                net.params[name] = self.rule.update(name, w, net.gradients[name], factor)

    def _may_overflow(self, factor: float, size: float) -> bool:
        """Whether this step could leave the range of numbers, or runs a function that may do anything.

        Single precision ends at 3e38. With ‖g‖ (`size` is its square), ‖w‖ and the rate below 1e12 no rule of ours
        comes near it, and the copies that undoing needs are saved: they take longer than the check.
        """
        return not (size < HARMLESS**2 and is_tame(self.network, self.rule, factor))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, Mapping[str, Array]]:
        """As the next step would see them."""
        with one_thread():
            return self.network.loss(x, as_array("y", y), step=self.step_number)  # without y: scores

    def predict(self, x: Array) -> Array:
        """Scores in test mode."""
        with one_thread():
            return self.network.scores(x)

    def evaluate(self, x: Array, y: Array, batch_size: int = 1000) -> Evaluation:
        """Score and mean loss, without the regularisation term; scores that are not finite score −∞."""
        targets = as_array("y", y)
        with one_thread(), np.errstate(all="ignore"):
            return self._evaluation(self.network.scores(x, batch_size), targets)

    def _evaluation(self, scores: Array, targets: Array) -> Evaluation:
        with np.errstate(all="ignore"):
            loss, _ = self.network.loss_function(scores, targets)
            score = self.network.loss_function.score(scores, targets)
            return Evaluation(score if np.isfinite(scores).all() else -math.inf, float(loss))

    def weights(self) -> dict[str, Array]:
        """Copies of parameters and buffers."""
        return {**self.network.params.copy(), **self.network.buffers.copy()}

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Write parameters and buffers back."""
        require_mapping(type(self).__name__, "weights", weights, "arrays")
        for name, value in weights.items():
            (self.network.params if name in self.network.params else self.network.buffers)[name] = value

    def state(self) -> dict[str, Array]:
        """Parameters, buffers and slots, each one flat vector; what a function keeps, entry by entry."""
        slots = {f"slot.{name}": slot.copy() for name, slot in self.slots.items()}
        kept = self.rule.state() if isinstance(self.rule, FunctionRule) else {}
        return {"params": self.network.params.flat.copy(), "buffers": self.network.buffers.flat.copy(), **slots, **kept}

    def load_state(self, state: Mapping[str, Array], step_number: int) -> None:
        """Copy the vectors back; a set, a size or a dtype that does not fit is refused before anything is changed."""
        require_mapping(type(self).__name__, "state", state, "arrays")
        require_number(type(self).__name__, "step_number", step_number, integer=True, low=0)
        own = {"params": self.network.params.flat, "buffers": self.network.buffers.flat}
        own |= {f"slot.{name}": slot for name, slot in self.slots.items()}
        kept = {n: a for n, a in state.items() if isinstance(self.rule, FunctionRule) and n.startswith("config.")}
        require_same_arrays(own, {n: a for n, a in state.items() if n not in kept})
        if isinstance(self.rule, FunctionRule):
            self.rule.load_state(kept)
        for name, vector in own.items():
            vector[...] = state[name]
        self.step_number = int(step_number)


def _require_network_and_rule(owner: str, network: Any, rule: Any) -> None:
    require_instance(owner, "network", network, Network, "a Network")
    require_instance(owner, "rule", rule, (UpdateRule, FunctionRule), "an update rule such as SGD()")


def _checked_init(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def wrapper(self: Any, network: Network, rule: UpdateRule | FunctionRule, *options: Any, **named: Any) -> None:
        _require_network_and_rule(type(self).__name__, network, rule)
        if named.get("instruction_set") is not None:
            require_text(type(self).__name__, "instruction_set", named["instruction_set"])
        init(self, network, rule, *options, **named)

    return wrapper


def is_finite(flat: Array) -> bool:
    """Whether every entry is finite; a dot product answers in one pass unless it overflows."""
    return bool(math.isfinite(float(flat @ flat)) or np.isfinite(flat).all())
