"""AdaDelta.

    c ← ρ c + (1 − ρ) g²        u = g √(d + ε) / √(c + ε)        d ← ρ d + (1 − ρ) u²        w ← w − η u

The numerator, the root mean square of past steps, gives the step the units of w, so η = 1 is the natural choice.
Source: Zeiler, "ADADELTA: an adaptive learning rate method", arXiv 1212.5701, 2012, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.update_rule import ScaleByLearningRate, Slots, Step, Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class MatchUnits(Transform):
    """u ← u √(d + ε) / √(c + ε), with running means c of u² before and d of u² after."""

    decay_rate: float
    epsilon: float

    slots = ("cache", "delta")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """c first, then the step, then d from the step."""
        sqrt, rho = namespace(u).sqrt, self.decay_rate
        cache = rho * slots["cache"] + (1 - rho) * (u * u)
        u = u * sqrt(slots["delta"] + self.epsilon) / sqrt(cache + self.epsilon)
        return u, {"cache": cache, "delta": rho * slots["delta"] + (1 - rho) * (u * u)}


@dataclass(frozen=True)
class AdaDelta(UpdateRule):
    """w ← w − η g √(d + ε) / √(c + ε)."""

    learning_rate: float = 1.0
    decay_rate: float = 0.95
    epsilon: float = 1e-6

    key = "adadelta"

    def __post_init__(self) -> None:
        require_rates(self.key, self, learning_rate="not negative", decay_rate="fraction", epsilon="positive")

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Give the step the units of w, scale by −η."""
        return (MatchUnits(self.decay_rate, self.epsilon), ScaleByLearningRate(self.learning_rate))
