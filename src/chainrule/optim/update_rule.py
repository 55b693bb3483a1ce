"""What an update rule is, and how one is applied.

An update rule turns gradients into steps. It is pure: state goes in and comes out, nothing is hidden, so a checkpoint
that holds the slots holds everything. Rules are chains of small transforms, each of which maps

    (u, slots, w, step)  ->  (u, slots)

u being the gradient at first and, after the last transform, what is *added* to the parameters w:

    SGD        = scale by −learning rate
    momentum   = scale by −learning rate, then v ← μ v + u, u ← v
    Adam       = u ← m̂ / (√v̂ + ε), then scale by −learning rate

A transform works element by element unless it says otherwise (`whole`), so it runs on a flat vector block by block,
each block staying in cache through the whole chain.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.arrays import Array, namespace
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, require_number
from chainrule.require import plain_fields, require_array

Slots = dict[str, Array]

#: Numbers in a block: 16 Ki float32 of u, w and the slots stay in a 512 KiB cache.
BLOCK = 1 << 14


class Step(NamedTuple):
    """What a transform may know of the step besides the arrays.

    number: 1 for the first step. factor: what a schedule multiplies the learning rate with. decay: 1 where an entry
    of the flat vector belongs to a weight that regularisation applies to, else 0 (None: everywhere).
    """

    number: int
    factor: float = 1.0
    decay: Array | None = None


class Transform:
    """Base of the small rules that chains are made of."""

    #: Names of the arrays, in the shape of the parameters, that the transform keeps from step to step.
    slots: ClassVar[tuple[str, ...]] = ()
    #: True if the transform must see the whole gradient at once (a norm).
    whole: ClassVar[bool] = False

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """Return the new u and slots; the arguments are not changed."""
        raise NotImplementedError


@dataclass(frozen=True)
class ScaleByLearningRate(Transform):
    """u ← −η f u, with learning rate η and schedule factor f."""

    learning_rate: float

    def update(self, u: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """u ← −η f u."""
        return u * (-self.learning_rate * step.factor), slots


class UpdateRule:
    """Base of the update rules: a frozen dataclass of hyperparameters that states its `chain` of transforms."""

    #: The name used in recipes and by the solver's `update_rule` argument.
    key: ClassVar[str]
    learning_rate: float

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take NumPy's numbers as Python's."""
        super().__init_subclass__(**kwargs)
        plain_fields(cls)

    @property
    def chain(self) -> tuple[Transform, ...]:
        """The transforms, in the order in which they act."""
        raise NotImplementedError

    @functools.cached_property
    def slot_names(self) -> tuple[str, ...]:
        """The names of all slots; a name that two transforms share is numbered."""
        return tuple(name for names in _slot_names(self.chain) for name in names)

    def init(self, w: Array) -> Slots:
        """The slots before the first step: zeros in the shape of `w`."""
        require_array(self.key, "w", w)
        return {name: namespace(w).zeros_like(w) for name in self.slot_names}

    def update(self, g: Array, slots: Slots, w: Array, step: Step) -> tuple[Array, Slots]:
        """The step to add to `w` for gradient `g`, and the new slots. Pure.

        >>> import numpy as np
        >>> from chainrule.optim import SGD
        >>> SGD(learning_rate=0.1).update(np.ones(2), {}, np.zeros(2), Step(1))[0].tolist()
        [-0.1, -0.1]
        """
        self._check(g, slots, w, step)
        new: Slots = {}
        u = g
        for transform, names in zip(self.chain, _slot_names(self.chain), strict=True):
            u, own = transform.update(u, _own(transform, names, slots), w, step)
            new.update(zip(names, (own[s] for s in transform.slots), strict=True))
        return u, new

    def apply(self, w: Array, g: Array, slots: Slots, step: Step) -> None:
        """Update the flat vectors `w` and `slots` in place, as `update` says, block by block.

        A `whole` transform is applied to all of u at once; the element-wise ones between two of them run together
        on one block after the other, which changes no number and keeps the block in cache.
        """
        self._check(g, slots, w, step)
        if not w.flags.writeable:
            raise DTypeError(f"{self.key}: w must be an array that can be changed in place, got a read-only one")
        chain, names = self.chain, _slot_names(self.chain)
        last = max((i for i, t in enumerate(chain) if t.whole), default=-1)
        u: Array = g
        for transform, own in zip(chain[: last + 1], names, strict=False):
            u, new = transform.update(u, _own(transform, own, slots), w, step)
            for name, slot in zip(own, transform.slots, strict=True):
                slots[name][...] = new[slot]
        rest = list(zip(chain[last + 1 :], names[last + 1 :], strict=True))
        for start in range(0, w.size, BLOCK):
            at = slice(start, start + BLOCK)
            here = step if step.decay is None else step._replace(decay=step.decay[at])
            step_block = u[at]
            for transform, own in rest:
                old = {s: slots[name][at] for name, s in zip(own, transform.slots, strict=True)}
                step_block, new = transform.update(step_block, old, w[at], here)
                for name, s in zip(own, transform.slots, strict=True):
                    slots[name][at] = new[s]
            w[at] += step_block

    def _check(self, g: Array, slots: Mapping[str, Array], w: Array, step: Step) -> None:
        """Raise a typed error unless gradient and slots are arrays of the shape of `w`; nothing is broadcast."""
        if not isinstance(step, Step):
            raise DTypeError(f"{self.key}: step must be a Step, got {describe(step)}")
        require_number(self.key, "step.number", step.number, integer=True, low=1)
        require_number(self.key, "step.factor", step.factor)
        if not isinstance(slots, Mapping) or any(name not in slots for name in self.slot_names):
            given = sorted(map(str, slots)) if isinstance(slots, Mapping) else describe(slots)
            raise ConfigError(f"{self.key}: slots must hold {', '.join(self.slot_names)}, got {given}")
        named = {"w": w, "g": g, **{f"slot {name!r}": slots[name] for name in self.slot_names}}
        if step.decay is not None:
            named["step.decay"] = step.decay
        for name, value in named.items():
            require_array(self.key, name, value)
            if value.shape != w.shape:
                raise ShapeError(f"{self.key}: {name} must have the shape of w, {w.shape}, got {value.shape}")
            if isinstance(w.dtype, np.dtype) and value.dtype.kind != w.dtype.kind:
                raise DTypeError(f"{self.key}: {name} must be of a dtype like that of w, {w.dtype}, got {value.dtype}")


def require_rates(owner: str, rule: Any, **rates: str) -> None:
    """Check hyperparameters: "positive" (> 0, or 0 for a learning rate that freezes), "fraction" (in [0, 1))."""
    for argument, kind in rates.items():
        value = getattr(rule, argument)
        if kind == "fraction":
            require_number(owner, argument, value, low=0, high=1, open_high=True)
        else:
            require_number(owner, argument, value, low=0, open_low=kind == "positive")


def _own(transform: Transform, names: tuple[str, ...], slots: Mapping[str, Array]) -> Slots:
    return {slot: slots[name] for name, slot in zip(names, transform.slots, strict=True)}


@functools.lru_cache(maxsize=256)
def _slot_names(chain: tuple[Transform, ...]) -> tuple[tuple[str, ...], ...]:
    seen: dict[str, int] = {}
    result = []
    for transform in chain:
        names = []
        for slot in transform.slots:
            seen[slot] = seen.get(slot, 0) + 1
            names.append(slot if seen[slot] == 1 else f"{slot}{seen[slot]}")
        result.append(tuple(names))
    return tuple(result)
