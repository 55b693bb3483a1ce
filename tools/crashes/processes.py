"""Children that train, that say when they save, and that can be killed at a chosen moment.

A child is forked from a parent that has imported everything and started no thread, so that a case costs some hundredths
of a second. It writes "(" to a pipe where a save begins and ")" where it ends.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chainrule.recipes.run as run_module
import chainrule.solver.resumption as resumption_module
from chainrule.files import is_temporary

#: Where files are written, renamed and removed, by module.
SAVES = {
    run_module: ("save_checkpoint", "write_atomically", "write_with_sums", "remove_folder", "make_folder"),
    resumption_module: ("save_training", "remove_checkpoint"),
}

#: How long the saves of this process took.
SECONDS: list[float] = []


@dataclasses.dataclass
class Child:
    """A forked process and the reading end of its pipe."""

    pid: int
    pipe: int
    said: bytearray = dataclasses.field(default_factory=bytearray)

    def listen(self, until: float) -> bool:
        """Take what the child says; False where it has ended or the time has come."""
        left = until - time.monotonic()
        if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
            return False
        words = os.read(self.pipe, 65536)
        self.said += words
        return bool(words)

    def end(self, *, kill: bool) -> int:
        """Kill the child if it is asked for, wait for it, and return how it ended, as `os.waitpid` has it."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        while self.listen(time.monotonic() + 60):
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        return status

    @property
    def inside(self) -> bool:
        """Whether a save had begun and not ended when it spoke last."""
        return self.said.count(b"(") > self.said.count(b")")


def forked(work: Callable[[], Any], log: Path) -> Child:
    """Start `work` in a child that announces its saves; what it raises goes to `log`."""
    pipe, end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(end)
        return Child(pid, pipe)
    status = 1
    try:
        os.close(pipe)
        announce(end)
        work()
        status = 0
    except BaseException:
        log.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def announce(pipe: int) -> None:
    """Have every save of this process say where it begins and ends."""

    def announced(save: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(save)
        def saying(*arguments: Any, **named: Any) -> Any:
            os.write(pipe, b"(")
            started = time.perf_counter()
            try:
                return save(*arguments, **named)
            finally:
                SECONDS.append(time.perf_counter() - started)
                os.write(pipe, b")")

        return saying

    for module, names in SAVES.items():
        for name in names:
            setattr(module, name, announced(getattr(module, name)))


def leftovers(folder: Path) -> list[str]:
    """The temporary names under a folder, as a killed process leaves them."""
    # os.walk passes over a folder that a running process removes meanwhile
    inside = ((path, name) for path, folders, files in os.walk(folder) for name in (*folders, *files))
    return [os.path.relpath(os.path.join(path, name), folder) for path, name in inside if is_temporary(name)]
