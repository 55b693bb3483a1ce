"""What every mode hands to the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Program(NamedTuple):
    """A model about to be trained: `train(k)` takes k steps and waits for the last; `step()` one as a loop would."""

    train: Callable[[int], object]
    step: Callable[[], object] | None = None


class UnavailableError(Exception):
    """This mode cannot run here; the message says why."""
