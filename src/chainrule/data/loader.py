"""The loader: batches that are ready before the engine asks for them.

Rows are gathered from the set where it lies (bytes, floats, a memory map), transformed, normalised, and queued by
background threads, a few batches ahead. A batch is a pure function of (seed, step): any number of threads, and a run
that goes on from a checkpoint, get the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from chainrule.arrays import one_hot
from chainrule.data.augment.augmentation import Augmentation
from chainrule.data.augment.transform import Transform, require_images
from chainrule.data.batches import Batches, checked_rows, require_batches
from chainrule.data.memory import Memory
from chainrule.data.normalized import NormalizedRows
from chainrule.errors import ChainruleError, ConfigError, DataError, DTypeError, ShapeError, describe, require_number
from chainrule.typed import typed

Batch = tuple[np.ndarray, np.ndarray]


class Loader:
    """Batches (x, y) of a training set, augmented, in floats where the set is normalised.

    X: an array (N, ...), a memory map included, or `NormalizedRows` of one. y: (N, ...). batches: which rows a step
    sees; its `indices` are asked for in order, some steps ahead. augment: transforms, see `Augmentation`; seed: what
    they draw from. classes: C, where labels are mixed and so become probabilities (N, C); by default the highest
    label plus one. workers: threads; 0 makes each batch when it is asked for. ahead: how many batches may wait.

    >>> from chainrule.data.batches import ShuffledBatches
    >>> X, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    >>> loader = Loader(X, y, ShuffledBatches(6, 4, seed=0, drop_last=False))
    >>> with loader.stream(0, 2) as stream:
    ...     [len(x) for x, y in stream]
    [4, 2]
    """

    def __init__(
        self,
        X: np.ndarray | NormalizedRows,
        y: np.ndarray,
        batches: Batches,
        augment: Sequence[Transform] = (),
        *,
        seed: int = 0,
        classes: int | None = None,
        workers: int = 1,
        ahead: int = 4,
    ) -> None:
        if not isinstance(X, (np.ndarray, NormalizedRows)):
            raise DTypeError(f"Loader: X must be an array or NormalizedRows, got {describe(X)}")
        if not isinstance(y, np.ndarray):
            raise DTypeError(f"Loader: y must be an array, got {describe(y)}")
        if isinstance(y, np.ma.MaskedArray) or (isinstance(y, np.ndarray) and y.dtype.kind not in "fiub"):
            raise DTypeError(f"Loader: y must be a plain array of real numbers, got {describe(y)}")
        if X.ndim == 0 or y.ndim == 0 or len(X) == 0 or len(X) != len(y):
            raise ShapeError(f"Loader: X and y must have equally many rows (>= 1), got {X.shape} and {y.shape}")
        if y.dtype.kind in "iu" and y.ndim == 2 and y.shape[1] == 1:  # it would broadcast against scores
            raise ShapeError(f"Loader: labels y must have shape ({len(y)},), got a column {y.shape}; use y[:, 0]")
        if len(X) > 2**32:
            raise ShapeError(f"Loader: X must have at most 2**32 rows, got {len(X)}")
        if classes is not None:
            require_number("Loader", "classes", classes, integer=True, low=1)
        require_number("Loader", "workers", workers, integer=True, low=0)
        require_number("Loader", "ahead", ahead, integer=True, low=1)
        self.normalized = X if isinstance(X, NormalizedRows) else None
        self.X: np.ndarray = X.X if isinstance(X, NormalizedRows) else X
        self.y, self.batches, self.workers, self.ahead = y, require_batches("Loader: batches", batches), workers, ahead
        self.augmentation = Augmentation(augment, seed)
        self.classes = self._classes(classes) if self.augmentation.mixes_targets else None
        self._gathered, self._ready = Memory(), Memory()
        if self.augmentation.transforms:
            require_images("Loader", self.X[:1])
            self._try()

    @typed
    def batch(self, step: int) -> Batch:
        """The batch of 0-based global `step`."""
        return self.make(self.rows(step), step)

    @typed
    def stream(self, first: int, last: int) -> BatchStream:
        """The batches of the steps from `first` to before `last`, in order; a context that ends its threads."""
        require_number("Loader", "first", first, integer=True, low=0)
        require_number("Loader", "last", last, integer=True, low=0)
        return BatchStream(self, int(first), int(last))

    @typed
    def rows(self, step: int) -> np.ndarray:
        """Which rows of the set are in the batch of `step`."""
        return checked_rows("Loader: batches", self.batches, step, len(self.X))

    def make(self, rows: np.ndarray, step: int) -> Batch:
        """The batch of the given rows as `step` sees it."""
        try:
            return self._make(rows, step)
        except ChainruleError:
            raise
        except Exception as error:  # of a memory map whose file went away, of too little memory
            raise DataError(f"Loader: the batch of step {step} failed: {type(error).__name__}: {error}") from error

    def _make(self, rows: np.ndarray, step: int) -> Batch:
        augmentation, epoch = self.augmentation, int(step) // self.batches.steps_per_epoch
        words = augmentation.words(rows, epoch)
        plain = self.normalized is None and not augmentation.transforms  # then what is gathered is what is returned
        x = self._gather(rows, self._ready if plain else self._gathered)
        y = self.y[rows]
        x = augmentation.on_pixels(x, words, epoch)
        if self.normalized is not None:
            x = self.normalized.normalize(x, self._ready.array(x.shape, self.normalized.dtype))
        if self.classes is not None:
            y = one_hot(y, self.classes, x)
        out: Batch = augmentation.on_numbers(x, y, words, epoch)
        return out

    def _gather(self, rows: np.ndarray, memory: Memory) -> np.ndarray:
        """The rows of X in the order given."""
        x = memory.array((len(rows), *self.X.shape[1:]), self.X.dtype)
        if self.X.flags.c_contiguous:
            np.take(self.X, rows, axis=0, out=x, mode="clip")  # rows were checked; the other modes copy once more
        else:
            x[...] = self.X[rows]  # `take` would make the whole set contiguous first
        return x

    def _classes(self, classes: int | None) -> int | None:
        """C where y holds labels; targets that are floats are mixed as they are."""
        if self.y.dtype.kind == "f":
            return None
        if self.y.dtype.kind not in "iu" or self.y.ndim != 1 or int(self.y.min()) < 0:
            raise DataError(f"Loader: y must hold labels (N,) from 0, or floats, to be mixed, got {describe(self.y)}")
        highest = int(self.y.max())
        if classes is None:
            return highest + 1
        require_number("Loader", "classes", classes, integer=True, low=2)
        if highest >= classes:
            raise DataError(f"Loader: y must hold labels from 0 to {classes - 1}, got {highest}")
        return int(classes)

    def _try(self) -> None:
        """Run every transform on one image, so that what does not fit is known before training."""
        before = self.X.shape[1:]
        x, _ = self._make(np.zeros(1, np.int64), 0)
        if x.shape[1:] != before:
            raise ConfigError(f"Loader: augment must keep the shape of images, {before}, got {x.shape[1:]}")


class BatchStream:
    """Batches in the order of their steps, made ahead by threads that end with the `with` block."""

    def __init__(self, loader: Loader, first: int, last: int) -> None:
        self._loader, self._step, self._last = loader, first, last
        self._waiting: deque[Future[Batch]] = deque()
        self._pool = ThreadPoolExecutor(loader.workers, "chainrule-loader") if loader.workers else None

    def __enter__(self) -> BatchStream:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.close()

    def __iter__(self) -> BatchStream:
        return self

    def __next__(self) -> Batch:
        if self._pool is None:
            return self._made_now()
        self._fill(self._pool)
        if not self._waiting:
            raise StopIteration
        try:
            batch = self._waiting.popleft().result()
        except BaseException:  # Ctrl-C while it waits, too
            self.close()
            raise
        self._fill(self._pool)  # the place that became free
        return batch

    def _made_now(self) -> Batch:
        if self._step >= self._last:
            raise StopIteration
        self._step += 1
        return self._loader.batch(self._step - 1)

    def close(self) -> None:
        """Drop what waits and end the threads, after the batches they are at; no more batches follow."""
        self._last = self._step
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        while len(self._waiting) < self._loader.ahead and self._step < self._last:
            try:  # rows are drawn here, in order, for the sake of streams that keep a state
                made = pool.submit(self._loader.make, self._loader.rows(self._step), self._step)
            except Exception as error:  # is raised in its turn, after the batches before it
                made = Future()
                made.set_exception(error)
            self._waiting.append(made)
            self._step += 1
