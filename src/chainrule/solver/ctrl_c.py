"""Ctrl-C, or a notebook's stop button, while a solver trains: the step is finished and saved before training stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class CtrlC:
    """While it is entered, the first Ctrl-C is noted in `happened`; the second one interrupts at once.

    It does nothing where a handler is set already, as by the command line, or in another thread than the main one.
    """

    def __init__(self) -> None:
        self.happened = self._ours = False

    def __enter__(self) -> CtrlC:
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True
