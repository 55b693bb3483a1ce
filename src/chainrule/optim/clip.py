"""Gradient clipping, by value and by global norm.

    value    g ← min(max(g, −c), c)                     element by element
    norm     g ← g · min(1, c / ‖g‖)                    ‖g‖ over all parameters together

Clipping by norm keeps the direction; clipping by value does not.
Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.arrays import Array, namespace
from chainrule.optim.update_rule import Slots, Step, Transform, require_rates


@dataclass(frozen=True)
class ClipValue(Transform):
    """Limit every entry to [−limit, limit]."""

    limit: float

    def __post_init__(self) -> None:
        require_rates("ClipValue", self, limit="positive")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """u ← min(max(u, −c), c)."""
        return namespace(u).clip(u, -self.limit, self.limit), slots


@dataclass(frozen=True)
class ClipNorm(Transform):
    """Shrink the whole gradient to Euclidean norm `limit` if it is longer."""

    limit: float

    whole = True

    def __post_init__(self) -> None:
        require_rates("ClipNorm", self, limit="positive")

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """u ← u · min(1, c / ‖u‖), with ‖u‖ = largest · ‖scaled‖, a product that may overflow and so is never made."""
        xp = namespace(u)
        if 0 in u.shape:
            return u, slots
        largest = xp.max(xp.abs(u))
        scaled = u / xp.where(largest > 0, largest, xp.ones_like(largest))  # in [-1, 1]
        length = xp.sqrt(xp.sum(scaled * scaled))  # from 1 to √n, or 0
        limit = min(self.limit, float(xp.finfo(u.dtype).max))
        allowed = limit / xp.where(length > 0, length, xp.ones_like(length))  # the largest entry of a clipped u
        return xp.where(largest > allowed, scaled * allowed, u), slots
