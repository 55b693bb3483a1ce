"""Live progress of a training run: one bar on a terminal, a line every few epochs elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chainrule.errors import DTypeError, describe
from chainrule.solver import Callback, Solver

if TYPE_CHECKING:
    from rich.console import Console

SMOOTHING = 0.98  # of the shown loss, over steps
REFRESH_SECONDS = 0.1
PLAIN_LINES = 20  # at most, where there is no terminal


class Progress(Callback):
    """Shows loss, accuracy, images per second and time left on `console`.

    Use as a context manager around training, so that the terminal is put right however training ends.
    """

    every_step = False

    def __init__(self, console: Console) -> None:
        if not callable(getattr(console, "print", None)):
            raise DTypeError(f"Progress: console must be a rich Console, got {describe(console)}")
        self.console = console
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def on_train_begin(self, solver: Solver) -> None:
        """Open the bar."""
        self._close()
        per_epoch = solver.batches.steps_per_epoch
        self._total = solver.num_epochs * per_epoch
        self._images_per_step = len(solver.X_train) / per_epoch
        self._started, self._first = time.perf_counter(), solver.engine.step_number
        self._shown, self._loss = 0.0, float("nan")
        if self.console.is_terminal:
            self._bar = self._make_bar()
            self._task = self._bar.add_task("", total=self._total, loss="", accuracy="", speed="")
            self._bar.start()

    def on_step_end(self, solver: Solver) -> None:
        """Take the loss into the running mean; redraw a few times a second."""
        loss = solver.loss_history[-1]
        self._loss = loss if self._loss != self._loss else SMOOTHING * self._loss + (1 - SMOOTHING) * loss
        now = time.perf_counter()
        if self._bar is not None and now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            self._update(solver)

    def on_epoch_end(self, solver: Solver) -> None:
        """Show the new accuracies."""
        record = solver.history.epochs[-1]
        if self._bar is not None:
            self._update(solver)
        elif record.epoch % max(solver.num_epochs // PLAIN_LINES, 1) == 0 or record.epoch == solver.num_epochs:
            self.console.print(
                f"epoch {record.epoch}/{solver.num_epochs}  loss {record.loss:.4f}  train {record.train_acc:.4f}  "
                f"val {record.val_acc:.4f}  {record.examples_per_second:,.0f} images/s"
            )

    def on_rollback(self, solver: Solver) -> None:
        """Say where training went back to, and why."""
        self.console.print(solver.history.rollbacks[-1].told(), highlight=False, markup=False, soft_wrap=True)

    def on_train_end(self, solver: Solver) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._update(solver)
        self._close()

    def _update(self, solver: Solver) -> None:
        seconds = max(time.perf_counter() - self._started, 1e-9)
        speed = (solver.engine.step_number - self._first) * self._images_per_step / seconds
        epochs = solver.history.epochs
        accuracy = f"train {epochs[-1].train_acc:.3f} val {epochs[-1].val_acc:.3f}" if epochs else ""
        self._bar.update(
            self._task,
            completed=solver.engine.step_number,
            description=f"epoch {min(solver.epoch + 1, solver.num_epochs)}/{solver.num_epochs}",
            loss=f"loss {self._loss:.4f}",
            accuracy=accuracy,
            speed=f"{speed:,.0f} images/s",
        )

    def _make_bar(self) -> Any:
        from rich import progress

        columns = ("{task.description}", progress.BarColumn(None), "{task.fields[loss]}", "{task.fields[accuracy]}")
        return progress.Progress(
            *columns, "{task.fields[speed]}", progress.TimeRemainingColumn(), console=self.console, expand=True
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
