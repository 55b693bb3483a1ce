"""Ctrl-C into `Solver.train` in Python, as in a notebook: the step ends, a checkpoint is written, nothing is lost."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from chainrule.errors import ConfigError
from chainrule.solver import Callback, Solver, TrainingCheckpoints, resume_training
from chainrule.solver.resumption import checkpoints
from crashes.solvers import ENGINES, make, outcome

ARGUMENTS: dict[str, tuple[Any, ...]] = {e: ("dropout norm augment one_cycle early", "adam", e) for e in ENGINES}


class CtrlCAt(Callback):
    """Presses it after a step, or at the end of an epoch, so often."""

    def __init__(self, step: int | None = None, epoch: int | None = None, times: int = 1) -> None:
        self.step, self.epoch, self.times = step, epoch, times

    def _press(self) -> None:
        for _ in range(self.times):
            self.times -= 1
            signal.raise_signal(signal.SIGINT)

    def on_train_begin(self, solver: Solver) -> None:
        if self.step == 0:
            self._press()

    def on_step_end(self, solver: Solver) -> None:
        if solver.engine.step_number == self.step:
            self._press()

    def on_epoch_end(self, solver: Solver) -> None:
        if solver.epoch == self.epoch:
            self._press()


@pytest.fixture(autouse=True)
def _python_has_its_own_handler() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("when", [{"step": 0}, {"step": 9}, {"epoch": 2}], ids=["at once", "in an epoch", "at its end"])
def test_it_goes_on_here_and_elsewhere(tmp_path: Path, engine: str, when: dict[str, int]) -> None:
    unbroken = make(*ARGUMENTS[engine], [])
    unbroken.train()
    solver = make(*ARGUMENTS[engine], [CtrlCAt(**when), TrainingCheckpoints(tmp_path, seconds=1e9)])
    with pytest.raises(KeyboardInterrupt) as stop:
        solver.train()
    at = solver.engine.step_number
    assert (
        at == {"step": when.get("step", 0) + 1, "epoch": 13}[next(iter(when))]
    )  # the step after, as the signal came when that one had ended
    assert [path.name for path in checkpoints(tmp_path)] == [f"step-{at:012d}"]
    assert f"training stopped after step {at} of 30; solver.train() goes on from there" in str(stop.value)
    assert f"resume_training({str(tmp_path)!r}, solver)" in str(stop.value)
    solver.train()
    assert outcome(solver) == outcome(unbroken)
    elsewhere = make(*ARGUMENTS[engine], [])
    resume_training(tmp_path, elsewhere)
    elsewhere.train()
    assert outcome(elsewhere) == outcome(unbroken)


def test_a_second_one_ends_at_once_and_a_checkpoint_mends_it(tmp_path: Path) -> None:
    arguments = ARGUMENTS["reference"]
    unbroken = make(*arguments, [])
    unbroken.train()
    solver = make(*arguments, [TrainingCheckpoints(tmp_path, seconds=0)])
    step, presses = solver.engine.step, [8]

    def interrupted(*batch: Any) -> float:
        if solver.engine.step_number in presses:
            presses.clear()
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return float(step(*batch))

    solver.engine.step = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        solver.train()
    with pytest.raises(ConfigError, match="interrupted within a step; load a checkpoint"):
        solver.train()
    assert resume_training(tmp_path, solver).step == 8
    solver.train()
    assert outcome(solver) == outcome(unbroken)


def test_other_handlers_and_other_threads_are_left_alone() -> None:
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    make(*ARGUMENTS["reference"], [CtrlCAt(step=3)]).train()
    assert pressed == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    solver = make(*ARGUMENTS["reference"], [])
    thread = threading.Thread(target=solver.train)
    thread.start()
    thread.join()
    assert solver.epoch > 0
