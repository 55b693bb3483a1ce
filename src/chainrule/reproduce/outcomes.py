"""Finished trainings, read back from their run folders."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.recipes.run import HISTORY, RESULTS
from chainrule.reproduce.jobs import Job
from chainrule.reproduce.worker import MEASURED


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one training left: "finished", "diverged", "failed" or "missing", its figures, and its curves by epoch."""

    state: str
    results: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""

    def figure(self, name: str) -> float:
        """A figure such as test_accuracy; NaN where the training did not come to one."""
        value = self.measured.get(name, self.results.get(name))
        return math.nan if value is None or self.state != "finished" else float(value)

    def sampling_error(self, name: str) -> float:
        """The standard error that a figure has from the rows it is measured on; NaN where it is not known.

        √(p (1 − p)/n) for the share p of n rows that are right, the deviation of the rows' losses over √n for a loss.
        """
        part, _, kind = name.partition("_")
        n = self.measured.get(f"{part}_rows")
        if kind == "accuracy" and n:
            p = min(max(self.figure(name), 0.0), 1.0)
            return math.sqrt(p * (1 - p) / n)
        error = self.measured.get(f"{part}_loss_error") if kind == "loss" else None
        return math.nan if error is None else float(error)


def read(job: Job, kept: Path, failure: str | None = None) -> Outcome:
    """The outcome of `job` among the kept trainings; `failure` is what its process said where it left none."""
    folder = job.folder(kept)
    measured = _json(folder / MEASURED)
    if measured is None:
        return Outcome("missing" if failure is None else "failed", why="" if failure is None else failure)
    state, _, why = measured["outcome"].partition(": ")
    history, results = _json(folder / HISTORY), _json(folder / RESULTS)
    epochs = [] if history is None else history["epochs"]
    return Outcome(state, {} if results is None else results, measured, epochs, why)


def mean(values: list[float]) -> float:
    """The mean; NaN of nothing.

    >>> mean([1.0, 2.0])
    1.5
    """
    return float(np.mean(values)) if values else math.nan


def deviation(values: list[float]) -> float | None:
    """The standard deviation of a sample; None of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
