"""The learning-rate range test: one short training whose learning rate grows until the loss does.

    rate(t) = low · (high / low)^(t / (steps − 1))          t = 0, ..., steps − 1

The loss first stays where it is (rates too small to matter), then falls, then turns and diverges. Good rates for a
constant schedule lie where it falls steeply; a tenth of the rate at which it is least is a common bound from above.
Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3; the rate grows by a
constant factor here, so that every decade gets as many steps.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ConfigError, DivergenceError, require_number, shown
from chainrule.optim import Schedule, When
from chainrule.recipes import Recipe, build
from chainrule.solver import Callback, Solver
from chainrule.typed import typed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROWTH = 4.0  # the test ends when the smoothed loss is that many times its least
SMOOTHING_SHARE = 0.04  # of the steps, on each side of the one that is smoothed
SLOPE_SHARE = 0.06  # of the steps, on each side of the one whose slope is taken
VALIDATION_ROWS = 100  # a solver measures after every epoch; that is of no use here


@dataclass(frozen=True)
class GrowingRate(Schedule):
    """The factor that makes the rate `base` of a rule grow from `low` to `high` in `steps` steps."""

    base: float
    low: float
    high: float
    steps: int

    key = "lr_range"

    def __call__(self, when: When) -> float:
        """low / base · (high / low)^(step / (steps − 1))."""
        grown: float = self.low * (self.high / self.low) ** (when.step / max(self.steps - 1, 1))
        return grown / self.base


@dataclass(frozen=True)
class LearningRateRange:
    """A range test. rates, losses, smoothed: of each step; diverged: the rate at which training diverged, or None."""

    recipe: str
    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: float | None

    @property
    def least(self) -> float:
        """The rate at which the smoothed loss is least."""
        return self.rates[int(np.argmin(self.smoothed))]

    @property
    def steepest(self) -> float | None:
        """The rate, before the least loss, at which the smoothed loss falls most per decade; None if it never falls."""
        half, end = max(round(SLOPE_SHARE * len(self.rates)), 2), int(np.argmin(self.smoothed)) + 1
        x, y = np.log10(self.rates), np.asarray(self.smoothed)
        slopes = [
            np.polyfit(x[max(i - half, 0) : i + half + 1], y[max(i - half, 0) : i + half + 1], 1)[0] for i in range(end)
        ]
        return self.rates[int(np.argmin(slopes))] if slopes and min(slopes) < 0 else None

    @property
    def suggestion(self) -> float | None:
        """The smaller of the steepest rate and a tenth of that of the least loss, two digits; None if nothing fell."""
        steepest = self.steepest
        return None if steepest is None else float(f"{min(steepest, self.least / 10):.1e}")

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        found = {"suggestion": self.suggestion, "steepest": self.steepest, "least": self.least}
        return {**dataclasses.asdict(self), **found}

    def figure(self) -> Figure:
        """Loss against learning rate, with the suggestion marked."""
        from chainrule.report.plots import BLUE, GREY, ORANGE, new_figure

        figure = new_figure((7, 4.2))
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color=GREY, linewidth=0.8, label="each step")
        axes.plot(self.rates, self.smoothed, color=BLUE, linewidth=1.8, label="smoothed")
        suggestion = self.suggestion
        if suggestion is not None:
            axes.axvline(suggestion, color=ORANGE, label=f"suggestion {suggestion:g}")
        axes.axvline(self.least, color=GREY, linestyle="--", linewidth=1, label=f"least loss at {self.least:.2g}")
        start, lowest = self.smoothed[0], min(self.smoothed)
        room = max(start - lowest, 1e-3 * max(abs(start), 1e-12))
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title=f"{self.recipe}: learning rates")
        axes.set_ylim(lowest - 0.15 * room, start + 0.6 * room)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        return figure


class _Watch(Callback):
    """Stops the test after its steps, or where the loss has grown beyond use."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, solver: Solver) -> None:
        losses = solver.loss_history
        done = len(losses) >= self.steps
        if not done and len(losses) > self.steps // 10:
            smooth = smoothed(losses, _window(self.steps))
            done = smooth[-1] > GROWTH * min(smooth)
        solver.stop = solver.stop or done


@typed
def lr_range(
    recipe: Recipe, *, low: float = 1e-6, high: float = 10.0, steps: int = 200, engine: str = "auto"
) -> LearningRateRange:
    """Train `recipe` for `steps` steps at rates from `low` to `high`, in place of its own rates and schedule.

    Raises `ConfigError` for a range that is none, and where training diverges before there is anything to see.

    >>> from chainrule.recipes import load_recipe
    >>> test = lr_range(load_recipe("digits-mlp"), low=1e-5, high=10, steps=100)
    >>> 1e-4 < test.suggestion < 0.1
    True
    """
    require_number("lr_range", "low", low, low=0, open_low=True)
    require_number("lr_range", "high", high, low=0, open_low=True)
    if not low < high:
        raise ConfigError(f"lr_range: low must be less than high, got {shown(low)} and {shown(high)}")
    require_number("lr_range", "steps", steps, integer=True, low=10, high=1_000_000)
    base = recipe.rule.learning_rate
    if not base > 0:
        raise ConfigError(f"lr_range: train.optim_config.learning_rate must be > 0, got {base!r}")
    experiment = build(recipe)
    few = {name: experiment.data[name][:VALIDATION_ROWS] for name in ("X_val", "y_val")}
    options: dict[str, Any] = {
        **experiment.solver_options,
        "lr_decay": 1.0,
        "schedule": GrowingRate(base, low, high, steps),
        "num_epochs": math.ceil(steps * recipe.train.batch_size / len(experiment.splits.train)) + 1,
        "num_train_samples": VALIDATION_ROWS,
    }
    data = {**experiment.data, **few}
    solver = Solver(experiment.network, data, callbacks=[_Watch(steps)], engine=engine, verbose=False, **options)
    schedule, diverged = options["schedule"], None
    try:
        solver.train()
    except DivergenceError:
        diverged = base * schedule(When(len(solver.loss_history), 1, steps))
    losses = [float(loss) for loss in solver.loss_history if math.isfinite(loss)]
    if len(losses) < 5:
        raise ConfigError(f"lr_range: training diverged within {len(losses) + 1} steps; low must be lower, got {low:g}")
    rates = [base * schedule(When(step, 1, steps)) for step in range(len(losses))]
    return LearningRateRange(recipe.name, rates, losses, smoothed(losses, _window(steps)), diverged)


def smoothed(losses: list[float], window: int) -> list[float]:
    """The mean of each loss and up to `window` on either side, fewer at the ends, always as many left as right.

    >>> smoothed([1.0, 2.0, 6.0, 3.0], 1)
    [1.0, 3.0, 3.6666666666666665, 3.0]
    """
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    i = np.arange(len(losses))
    half = np.minimum(np.minimum(i, len(losses) - 1 - i), window)
    means: list[float] = ((sums[i + half + 1] - sums[i - half]) / (2 * half + 1)).tolist()
    return means


def _window(steps: int) -> int:
    return max(round(SMOOTHING_SHARE * steps), 1)
