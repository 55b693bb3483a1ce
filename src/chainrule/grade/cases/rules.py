"""Cases of update rules: several steps in a row, the defaults, and numbers far enough from them to tell them apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.grade.cases.case import Case, Drawing, Item
from chainrule.grade.cases.layers import shapes

#: Of each rule: numbers of its own, with an epsilon that is seen, and the arrays that it keeps in config.
RULES: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {
    "sgd": ({"learning_rate": 0.3}, ()),
    "sgd_momentum": ({"learning_rate": 0.03, "momentum": 0.6}, ("velocity",)),
    "rmsprop": ({"learning_rate": 0.02, "decay_rate": 0.8, "epsilon": 0.05}, ("cache",)),
    "adam": ({"learning_rate": 0.02, "beta1": 0.7, "beta2": 0.9, "epsilon": 0.05}, ("m", "v")),
}


def rule_item(name: str) -> Item:
    """config=None, numbers of one's own, arrays kept from before, one weight."""
    numbers, kept = RULES[name]

    def make(d: Drawing) -> list[Case]:
        cases = []
        for i in range(d.count):
            shape = [(d.size(2, 5), d.size(2, 5)), (d.size(3, 7),), (2, 3, 2), (1,)][i % 4]
            config: dict[str, Any] | None = None if i % 4 == 0 else dict(numbers)
            label = "config = None" if config is None else "other numbers in config"
            if config is not None and i % 4 == 2 and kept:
                config |= {key: abs(d.normal(*shape)) for key in kept}
                config |= {"t": 5} if name == "adam" else {}
                label += f", {' and '.join(kept)} from before"
            w, steps = d.normal(*shape), [d.normal(*shape) * scale for scale in (1.0, 0.3, 2.0)]
            call = {"file": d.path("optim"), "name": name, "w": w, "steps": steps, "config": config}
            keep = [*kept, "learning_rate", *(["t"] if name == "adam" else [])]
            cases.append(d.case(f"{shapes(('w', np.asarray(w)))}, 3 steps, {label}", "update", {**call, "keep": keep}))
        return cases

    return Item("optim", (name,), make)


ITEMS: dict[str, Item] = {name: rule_item(name) for name in RULES}
