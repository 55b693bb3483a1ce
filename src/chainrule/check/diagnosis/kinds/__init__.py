"""The kinds of layer that are recognised by name, each with the arguments it takes and the right gradients.

One entry of `KINDS` in the module of its theme declares a kind; a new module gets a line in the explicit list here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chainrule.check.diagnosis.kinds import (
    activations,
    affine,
    dropout,
    losses,
    normalization,
    recurrent,
    windows,
)
from chainrule.check.diagnosis.kinds.kind import Kind
from chainrule.errors import unknown

#: Every kind, the more special patterns first, across modules too.
KINDS: tuple[Kind, ...] = (
    *losses.KINDS,
    *windows.KINDS,
    *normalization.KINDS,
    *dropout.KINDS,
    *affine.KINDS,
    *recurrent.KINDS,
    *activations.KINDS,
)


def kind_named(name: str) -> Kind:
    """The kind of that name; raises `ConfigError` with the nearest."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise unknown("kind", name, [kind.name for kind in KINDS])


def kinds_for(base: str, parameters: Sequence[str], *, loss: bool) -> list[Kind]:
    """The kinds that a function called `base` may be, the likeliest first."""
    lowered = base.lower()
    found = [k for k in KINDS if k.loss == loss and re.search(k.pattern, lowered)]
    first = parameters[0].lower() if parameters else ""
    weighted = first in ("w", "weights", "theta", "weight")
    return [k for k in found if ("classifier" in k.name) == (loss and weighted)]
