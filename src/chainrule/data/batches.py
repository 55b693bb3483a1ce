"""Streams of mini-batches: which rows training step t sees.

The first two streams are pure functions of (seed, step): step 1,000 of a resumed run gets the rows it would have got
in the unbroken one, without replaying steps 0 to 999. The third repeats historical runs and is stateful by nature.
`indices(step)` takes the 0-based global step; `steps_per_epoch` says how many steps make an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from chainrule.arrays import Stream, generator
from chainrule.errors import (
    ConfigError,
    DataError,
    DTypeError,
    describe,
    require_bool,
    require_mapping,
    require_number,
    unknown,
)


@dataclass(frozen=True)
class ShuffledBatches:
    """Each epoch is one random order of all N rows, cut into batches.

    n: N. batch_size: rows a batch; more than N gives one batch of N rows an epoch. drop_last: leave out the rows
    beyond the last full batch (other rows every epoch); with False they form a smaller last batch.

    >>> batches = ShuffledBatches(10, 4, seed=0, drop_last=False)
    >>> batches.steps_per_epoch, [len(batches.indices(step)) for step in range(4)]
    (3, [4, 4, 2, 4])
    """

    n: int
    batch_size: int
    seed: int
    drop_last: bool = True
    _latest: tuple[int, np.ndarray] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_seed(self)
        require_bool("ShuffledBatches", "drop_last", self.drop_last)

    @property
    def steps_per_epoch(self) -> int:
        """max(⌊N / batch size⌋, 1), or ⌈N / batch size⌉ where the last rows are kept."""
        return max(self.n // self.batch_size, 1) if self.drop_last else -(-self.n // self.batch_size)

    def indices(self, step: int) -> np.ndarray:
        """The rows of 0-based global `step`, int64 and read-only."""
        _check_step(self, step)
        epoch, position = divmod(int(step), self.steps_per_epoch)
        start = position * self.batch_size
        return self._order(epoch)[start : start + self.batch_size]  # (batch_size,) or fewer

    def _order(self, epoch: int) -> np.ndarray:
        latest = self._latest  # read once: another thread may replace it
        if latest is None or latest[0] != epoch:
            order = generator(self.seed, Stream.BATCHES, epoch).permutation(self.n)  # (N,)
            order.flags.writeable = False  # batches are views of it
            latest = (epoch, order)
            object.__setattr__(self, "_latest", latest)
        return latest[1]


@dataclass(frozen=True)
class ReplacementBatches:
    """Every row of every batch is drawn from all N rows, repeats allowed.

    n: N. batch_size: draws a batch, which may be more than N. An epoch is max(⌊N / batch size⌋, 1) steps.
    """

    n: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_seed(self)

    @property
    def steps_per_epoch(self) -> int:
        """max(⌊N / batch size⌋, 1)."""
        return max(self.n // self.batch_size, 1)

    def indices(self, step: int) -> np.ndarray:
        """The rows of 0-based global `step`, (batch_size,) int64."""
        _check_step(self, step)
        return generator(self.seed, Stream.BATCHES, int(step)).integers(0, self.n, self.batch_size)


class LegacyBatches:
    """`rng.choice(n, batch_size)` every step, as the classic course solvers draw; for their exact numbers only.

    n: N. batch_size: draws a batch, repeats allowed, may be more than N. rng: a `numpy.random.RandomState`, whose
    state moves with every batch: steps must be asked for in order from 0. `state` and `load_state` are for checkpoints.

    >>> rng = np.random.RandomState(0)
    >>> LegacyBatches(10, 4, rng).indices(0).tolist()
    [5, 0, 3, 3]
    """

    def __init__(self, n: int, batch_size: int, rng: np.random.RandomState) -> None:
        self.n, self.batch_size, self.rng = n, batch_size, rng
        _check_sizes(self)
        if not isinstance(rng, np.random.RandomState):
            raise DTypeError(f"LegacyBatches: rng must be a numpy.random.RandomState, got {describe(rng)}")
        self._next = 0

    @property
    def steps_per_epoch(self) -> int:
        """max(⌊N / batch size⌋, 1)."""
        return max(self.n // self.batch_size, 1)

    def indices(self, step: int) -> np.ndarray:
        """The rows of 0-based global `step`, (batch_size,), which must follow the step asked for before."""
        _check_step(self, step)
        if step != self._next:
            raise ConfigError(f"LegacyBatches: step must be {self._next}, the one after the last drawn, got {step}")
        self._next = int(step) + 1
        return self.rng.choice(self.n, self.batch_size)

    def state(self) -> dict[str, np.ndarray]:
        """The generator's state after the last batch that was drawn, as arrays."""
        kept: Any = self.rng.get_state(legacy=False)
        numbers = [kept["state"]["pos"], kept["has_gauss"], self._next]
        return {
            "key": np.array(kept["state"]["key"], np.uint32),  # (624,)
            "numbers": np.array(numbers, np.int64),
            "gauss": np.array(kept["gauss"], np.float64),
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        require_mapping("LegacyBatches", "state", state, "arrays")
        try:
            position, has_gauss, step = (int(number) for number in state["numbers"])
            key, gauss = np.array(state["key"], np.uint32), float(state["gauss"])
            self.rng.set_state(("MT19937", key, position, has_gauss, gauss))
        except (LookupError, TypeError, ValueError, OverflowError):
            raise DataError(f"LegacyBatches: state must be what state() returned, got {describe(state)}") from None
        self._next = step


def _check_sizes(batches: Any) -> None:
    owner = type(batches).__name__
    require_number(owner, "n", batches.n, integer=True, low=1)
    require_number(owner, "batch_size", batches.batch_size, integer=True, low=1)


def _check_seed(batches: Any) -> None:
    require_number(type(batches).__name__, "seed", batches.seed, integer=True, low=0, high=2**64, open_high=True)


def _check_step(batches: Any, step: int) -> None:
    require_number(type(batches).__name__, "step", step, integer=True, low=0)


class Batches(Protocol):
    """What the solver needs of a stream of mini-batches."""

    @property
    def steps_per_epoch(self) -> int:
        """How many steps make an epoch."""

    def indices(self, step: int) -> np.ndarray:
        """The rows of the 0-based global `step`."""


def make_batches(sampling: str | Batches, n: int, batch_size: int, seed: int) -> Batches:
    """The stream that a solver's `sampling` argument names: "shuffled", "replacement", or a stream itself."""
    if not isinstance(sampling, str):
        return require_batches("sampling", sampling, "a name or a stream of batches")
    if sampling == "shuffled":
        return ShuffledBatches(n, batch_size, seed, drop_last=False)
    if sampling == "replacement":
        return ReplacementBatches(n, batch_size, seed)
    raise unknown("sampling", sampling, ["shuffled", "replacement"])


def require_batches(what: str, batches: Any, expected: str = "a stream of batches") -> Batches:
    """`batches`, unless it is no stream; a typed error that says `what` had to be `expected`."""
    stream_like = callable(getattr(batches, "indices", None)) and hasattr(batches, "steps_per_epoch")
    if isinstance(batches, type) or not stream_like:
        raise DTypeError(f"{what} must be {expected}, got {describe(batches)}")
    stream: Batches = batches
    return stream


def checked_rows(what: str, batches: Batches, step: int, n: int) -> np.ndarray:
    """The rows of `step`, int64, checked against N = `n`: a stream may be the user's own."""
    rows = np.asarray(batches.indices(step))
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        raise DTypeError(f"{what} must give a vector of row numbers, got {describe(rows)}")
    if rows.min() < 0 or rows.max() >= n:
        worst = int(rows.max() if rows.min() >= 0 else rows.min())
        raise ConfigError(f"{what} must give rows 0 to {n - 1}, got row {worst}")
    return rows.astype(np.int64, copy=False)
