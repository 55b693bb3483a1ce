"""Adam, and AdamW with decoupled weight decay.

    m ← β₁ m + (1 − β₁) g            m̂ = m / (1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²           v̂ = v / (1 − β₂ᵗ)
    w ← w − η m̂ / (√v̂ + ε)           AdamW: w ← w − η (m̂ / (√v̂ + ε) + λ w)

m and v start at zero, so after t steps they hold only a fraction 1 − βᵗ of the averages they stand for; dividing by
that fraction removes the bias. t is the step number, 1 at the first.
Source: Kingma & Ba, ICLR 2015, algorithm 1; Loshchilov & Hutter, ICLR 2019, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.decay import WeightDecay
from chainrule.optim.update_rule import (
    ScaleByLearningRate,
    Slots,
    Step,
    Transform,
    UpdateRule,
    require_rates,
)


@dataclass(frozen=True)
class AdaptiveMoments(Transform):
    """u ← m̂ / (√v̂ + ε), m and v being running means of u and u²."""

    beta1: float
    beta2: float
    epsilon: float

    slots = ("m", "v")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """m̂/(√v̂ + ε) = (√c₂/c₁) m/(√v + ε √c₂) with c = 1 − βᵗ: the corrections are numbers, applied once.

        Steps in place change only arrays made here; they save the time of writing new ones.
        """
        m = slots["m"] * self.beta1
        m += u * (1 - self.beta1)
        v = u * u
        v *= 1 - self.beta2
        v += slots["v"] * self.beta2
        correction1, correction2 = 1 - self.beta1**step.number, 1 - self.beta2**step.number
        root = namespace(v).sqrt(v)
        root += self.epsilon * correction2**0.5
        new = m / root
        new *= correction2**0.5 / correction1
        return new, {"m": m, "v": v}


@dataclass(frozen=True)
class Adam(UpdateRule):
    """w ← w − η m̂ / (√v̂ + ε)."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    key = "adam"

    def __post_init__(self) -> None:
        require_rates(
            self.key, self, learning_rate="not negative", beta1="fraction", beta2="fraction", epsilon="positive"
        )

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Divide the mean gradient by its root mean square, then scale by −η."""
        return (
            AdaptiveMoments(self.beta1, self.beta2, self.epsilon),
            ScaleByLearningRate(self.learning_rate),
        )


@dataclass(frozen=True)
class AdamW(UpdateRule):
    """w ← w − η (m̂ / (√v̂ + ε) + λ w), the decay λ applying to weights only."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 1e-2

    key = "adamw"

    def __post_init__(self) -> None:
        require_rates(
            self.key,
            self,
            learning_rate="not negative",
            beta1="fraction",
            beta2="fraction",
            epsilon="positive",
            weight_decay="not negative",
        )

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Adam's chain, then −η λ w."""
        return (
            AdaptiveMoments(self.beta1, self.beta2, self.epsilon),
            ScaleByLearningRate(self.learning_rate),
            WeightDecay(self.weight_decay, self.learning_rate),
        )
