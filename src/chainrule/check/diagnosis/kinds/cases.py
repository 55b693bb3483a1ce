"""The cases that a kind is checked on: what an argument may be declared as, and values drawn for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.layer import draw_input
from chainrule.errors import ConfigError

#: role -> shape, or a value, or what draws one.
Case = Mapping[str, Any]

#: Images, for what takes one array.
IMAGES: tuple[Case, ...] = ({"x": (3, 2, 4, 5)}, {"x": (2, 3, 3, 4)})


@dataclass(frozen=True)
class Labels:
    """Integer classes (0 to `classes` − 1), or binary labels of two given values."""

    shape: tuple[int, ...]
    classes: int = 4
    values: tuple[float, ...] | None = None

    def draw(self, rng: np.random.Generator) -> Array:
        """At least two different ones."""
        n = int(np.prod(self.shape))
        labels = rng.permutation(np.arange(n) % self.classes).reshape(self.shape)
        return labels if self.values is None else np.asarray(self.values)[labels]


@dataclass(frozen=True)
class OneHot:
    """Rows with one 1."""

    shape: tuple[int, int]

    def draw(self, rng: np.random.Generator) -> Array:
        """One row a label."""
        return np.eye(self.shape[1])[rng.permutation(np.arange(self.shape[0]) % self.shape[1])]


def draw_case(case: Case, roles: Mapping[str, str], rng: np.random.Generator) -> dict[str, Any]:
    """Values for the arguments in `roles` (argument -> role) that a case speaks of."""
    values: dict[str, Any] = {}
    for argument, role in roles.items():
        if role in case:
            values[argument] = draw(case[role], role, rng)
    return values


def draw(wanted: Any, role: str, rng: np.random.Generator) -> Any:
    """An array for a shape; whatever else is given is taken as it is."""
    if hasattr(wanted, "draw"):
        return wanted.draw(rng)
    if not isinstance(wanted, tuple):
        return dict(wanted) if isinstance(wanted, dict) else wanted
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in wanted):
        raise ConfigError(f"gradcheck: the shape of {role} must be positive integers, got {wanted}")
    if role in ("x", "y", "prev_h", "h"):
        return draw_input(wanted, rng)
    size = 1.0 if len(wanted) < 2 else 1 / np.sqrt(max(wanted[0] if len(wanted) == 2 else np.prod(wanted[1:]), 1))
    return rng.uniform(0.4, 1.4, wanted) * rng.choice([-1.0, 1.0], wanted) * size
