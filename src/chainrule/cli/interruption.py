"""What the commands that train do with Ctrl-C, SIGTERM and a closed terminal."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from chainrule.cli import OK, StoppedAtOnce
from chainrule.solver import Callback, Solver


class Interruption(Callback):
    """Turns the first Ctrl-C, SIGTERM or closed terminal into a stop after the step; the second ends the program.

    So does the first where no step is to come any more (`waits` is False then): while results are written. A context
    manager: the end of the program leaves the block as `StoppedAtOnce`, with `words` and the status of the signal.
    """

    every_step = False
    SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))

    def __init__(self, words: str = "interrupted") -> None:
        self.words = words  # what is said where the program ends at once
        self.status = OK  # the exit status: 128 + the signal's number, as a shell has it
        self.stopped = False  # whether training did, before it was done
        self.waits = True  # for the end of a step; else the first signal ends the program
        self.raised = False  # whether a signal has done so, as `KeyboardInterrupt`

    @property
    def happened(self) -> bool:
        """Whether a signal came."""
        return self.status != OK

    def described(self) -> str:
        """The status of a run that ended now, as its results have it: a signal after the last step stopped nothing."""
        return "interrupted" if self.stopped else "finished"

    def __enter__(self) -> None:
        # Only the main thread may set signal handlers; elsewhere Ctrl-C keeps its usual meaning.
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            # What the caller has the program ignore (nohup, a job in the background) stays ignored.
            heard = [number for number in self.SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._handle) for number in heard}

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._main:
            for number, handler in self._before.items():
                signal.signal(number, handler)
        if error is not None and self.ended_by(error):
            raise StoppedAtOnce(self.words, self.status) from None

    def ended_by(self, error: BaseException) -> bool:
        """Whether `error` is a signal's, or what a library has made of one."""
        return self.happened and (self.raised or isinstance(error, KeyboardInterrupt))

    def on_step_end(self, solver: Solver) -> None:
        """Stop if asked to."""
        if self.happened:
            solver.stop = solver.interrupted = self.stopped = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = self.happened
        if not again:
            self.status = 128 + number
        if again or not self.waits:
            self.raised = True
            raise KeyboardInterrupt
