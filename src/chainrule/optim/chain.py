"""A rule with transforms put around it: clipping and L2 regularisation before, decoupled decay inside."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.errors import DTypeError, describe
from chainrule.optim.clip import ClipNorm, ClipValue
from chainrule.optim.decay import L2, WeightDecay
from chainrule.optim.update_rule import Transform, UpdateRule, require_rates


@dataclass(frozen=True)
class Chain(UpdateRule):
    """`rule` with its gradient clipped and regularised first; zero and None leave a part out.

    l2: adds λ w to the gradient of weights, as ½ λ ‖W‖² in the loss would (not shown in the printed loss).
    weight_decay: decoupled, η λ w is taken off the weights themselves. clip_value, clip_norm: limits, applied to the
    gradient before the regularisation.
    """

    rule: UpdateRule
    clip_value: float | None = None
    clip_norm: float | None = None
    l2: float = 0.0
    weight_decay: float = 0.0

    key = "chain"

    def __post_init__(self) -> None:
        if not isinstance(self.rule, UpdateRule):
            raise DTypeError(f"Chain: rule must be an update rule, got {describe(self.rule)}")
        require_rates("Chain", self, l2="not negative", weight_decay="not negative")
        for argument in ("clip_value", "clip_norm"):
            if getattr(self, argument) is not None:
                require_rates("Chain", self, **{argument: "positive"})

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """The rule's own."""
        return self.rule.learning_rate

    @property
    def chain(self) -> tuple[Transform, ...]:
        """Clip by value, clip by norm, L2, the rule; decoupled decay −η λ w is added at the end."""
        before: list[Transform] = []
        if self.clip_value is not None:
            before.append(ClipValue(self.clip_value))
        if self.clip_norm is not None:
            before.append(ClipNorm(self.clip_norm))
        if self.l2:
            before.append(L2(self.l2))
        after = [WeightDecay(self.weight_decay, self.learning_rate)] if self.weight_decay else []
        return (*before, *self.rule.chain, *after)
