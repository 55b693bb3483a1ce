"""Learning-rate schedules: pure functions of where training stands, so a resumed run needs no state of theirs.

A schedule maps `When` to the factor that multiplies the rule's learning rate:

    per-epoch decay    d^epoch
    step               γ^⌊epoch / every⌋
    cosine             f + (1 − f) (1 + cos(π t)) / 2          t = step / total steps
    cyclic cosine      the same, t = (step mod ℓ) / ℓ          ℓ = ⌈total steps / cycles⌉
    warm-up            (step + 1) / n for the first n steps, then another schedule
    one-cycle          up from s to 1 along a cosine over the first part, then down to f along another
    reduce on plateau  γ^(how often `patience` epochs passed without a better metric)

Sources: cosine: Loshchilov & Hutter, ICLR 2017, equation 5; cyclic cosine: Huang et al., "Snapshot ensembles: train 1,
get M for free", ICLR 2017, equation 2; one-cycle: Smith & Topin 2018; warm-up: Goyal et al. 2017.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from chainrule.errors import DTypeError, describe, require_number
from chainrule.require import plain_fields


class When(NamedTuple):
    """Where training stands: `step` counts from 0; `metrics` holds one validation score an epoch, higher is better."""

    step: int
    steps_per_epoch: int
    total_steps: int
    metrics: Sequence[float] = ()

    @property
    def epoch(self) -> int:
        """Epochs completed before this step."""
        return self.step // self.steps_per_epoch


class Schedule:
    """Base of the schedules: `schedule(when)` is the factor on the learning rate."""

    key: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the check of `when` in front of the subclass's `__call__`."""
        super().__init_subclass__(**kwargs)
        plain_fields(cls)
        if "__call__" in cls.__dict__:
            setattr(cls, "__call__", _checked(cls.__dict__["__call__"]))  # noqa: B010

    def __call__(self, when: When) -> float:
        """The factor at `when`."""
        raise NotImplementedError


def _checked(factor: Callable[..., float]) -> Callable[..., float]:
    @functools.wraps(factor)
    def wrapper(self: Schedule, when: When) -> float:
        owner = type(self).__name__  # a schedule of the caller's own needs no key
        if type(when) is not When:
            raise DTypeError(f"{owner}: when must be a When, got {describe(when)}")
        for argument, least in (("step", 0), ("steps_per_epoch", 1)):
            require_number(owner, f"when.{argument}", getattr(when, argument), integer=True, low=least)
        require_number(owner, "when.total_steps", when.total_steps, integer=True)
        return factor(self, when)

    return wrapper


@dataclass(frozen=True)
class EpochDecay(Schedule):
    """decay^epoch: the classic solver's `lr_decay`.

    >>> EpochDecay(0.5)(When(step=20, steps_per_epoch=10, total_steps=100))
    0.25
    """

    decay: float

    key = "epoch_decay"

    def __post_init__(self) -> None:
        require_number(self.key, "decay", self.decay, low=0)

    def __call__(self, when: When) -> float:
        """decay^epoch."""
        return self.decay**when.epoch


@dataclass(frozen=True)
class StepDecay(Schedule):
    """gamma^⌊epoch / every⌋, `every` in epochs."""

    every: int
    gamma: float = 0.1

    key = "step"

    def __post_init__(self) -> None:
        require_number(self.key, "every", self.every, integer=True, low=1)
        require_number(self.key, "gamma", self.gamma, low=0)

    def __call__(self, when: When) -> float:
        """gamma^⌊epoch / every⌋."""
        return self.gamma ** (when.epoch // self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 at the first step to `final` at the end."""

    final: float = 0.0

    key = "cosine"

    def __post_init__(self) -> None:
        require_number(self.key, "final", self.final, low=0, high=1)

    def __call__(self, when: When) -> float:
        """f + (1 − f) (1 + cos(π t)) / 2."""
        return _cosine(1.0, self.final, when.step / max(when.total_steps, 1))


@dataclass(frozen=True)
class CyclicCosine(Schedule):
    """`cycles` equal half cosines from 1 to `final`, one after the other; a snapshot is taken at the end of each.

    >>> [CyclicCosine(2)(When(step, 10, 20)) for step in (0, 5, 10)]
    [1.0, 0.5, 1.0]
    """

    cycles: int
    final: float = 0.0

    key = "cyclic_cosine"

    def __post_init__(self) -> None:
        require_number(self.key, "cycles", self.cycles, integer=True, low=1)
        require_number(self.key, "final", self.final, low=0, high=1)

    def __call__(self, when: When) -> float:
        """f + (1 − f) (1 + cos(π (step mod ℓ)/ℓ)) / 2."""
        length = self.length(when.total_steps)
        return _cosine(1.0, self.final, when.step % length / length)

    def length(self, total_steps: int) -> int:
        """ℓ, the steps of a cycle; the last one is shorter where `cycles` does not divide `total_steps`."""
        require_number(self.key, "total_steps", total_steps, integer=True)
        return max(-(-total_steps // self.cycles), 1)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight line from 1/steps to 1 over the first `steps` steps, then the schedule `then` (constant if None).

    `then` counts its steps from the end of the warm-up.
    """

    steps: int
    then: Schedule | None = None

    key = "warm_up"

    def __post_init__(self) -> None:
        require_number(self.key, "steps", self.steps, integer=True, low=1)
        if self.then is not None and not isinstance(self.then, Schedule):
            raise DTypeError(f"{self.key}: then must be a schedule, got {describe(self.then)}")

    def __call__(self, when: When) -> float:
        """(step + 1) / steps, then `then`."""
        if when.step < self.steps:
            return (when.step + 1) / self.steps
        if self.then is None:
            return 1.0
        return self.then(when._replace(step=when.step - self.steps, total_steps=when.total_steps - self.steps))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from `start` to 1 over the first `rise` of all steps, then down to `final`, both along cosines."""

    rise: float = 0.3
    start: float = 0.04
    final: float = 1e-4

    key = "one_cycle"

    def __post_init__(self) -> None:
        require_number(self.key, "rise", self.rise, low=0, high=1, open_low=True, open_high=True)
        require_number(self.key, "start", self.start, low=0, high=1)
        require_number(self.key, "final", self.final, low=0, high=1)

    def __call__(self, when: When) -> float:
        """Two half cosines that meet at 1."""
        t = when.step / max(when.total_steps, 1)
        if t < self.rise:
            return _cosine(self.start, 1.0, t / self.rise)
        return _cosine(1.0, self.final, (t - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiply by `gamma` each time `patience` epochs in a row were not better than the best by `threshold`."""

    gamma: float = 0.1
    patience: int = 5
    threshold: float = 1e-4

    key = "reduce_on_plateau"

    def __post_init__(self) -> None:
        require_number(self.key, "gamma", self.gamma, low=0, high=1, open_high=True)
        require_number(self.key, "patience", self.patience, integer=True, low=1)
        require_number(self.key, "threshold", self.threshold, low=0)

    def __call__(self, when: When) -> float:
        """Replay the metrics: a pure function of the history needs no memory."""
        best, waited, factor = -math.inf, 0, 1.0
        for metric in when.metrics:
            if metric > best + self.threshold:
                best, waited = metric, 0
            else:
                waited += 1
                if waited == self.patience:
                    factor, waited = factor * self.gamma, 0
        return factor


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(max(t, 0.0), 1.0))) / 2


#: The closed list that recipes may name.
SCHEDULES: tuple[type[Schedule], ...] = (
    EpochDecay,
    StepDecay,
    Cosine,
    CyclicCosine,
    WarmUp,
    OneCycle,
    ReduceOnPlateau,
)
