"""The command `chainrule`, in forked children that have everything imported and in fresh processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from chainrule.recipes.run import RECIPE
from crashes.outcome import of_folder, of_slots
from crashes.recipes import Case, digits

LIMIT = 600.0  # seconds a process may take before it counts as hung
TOOLS = str(Path(__file__).resolve().parents[1])


def main(words: list[str], slots: Path) -> int:
    """What the script `chainrule` does; where a run ends, what its update rule keeps goes to `slots`, too: no file of
    a finished run holds it."""
    import chainrule.cli.train as train_command
    from chainrule.cli import main as command

    finish = train_command.finish

    def finishing(experiment: Any, folder: Path, solver: Any, **options: Any) -> dict[str, Any]:
        if options["status"] == "finished":
            slots.write_text(json.dumps(of_slots(solver)))
        return finish(experiment, folder, solver, **options)

    train_command.finish = finishing
    return command(words)


def start(case: Case, folder: Path, *more: str) -> list[str]:
    """The words that begin the run of a case, or that go on with it."""
    if (folder / RECIPE).is_file():
        return ["train", "--resume", str(folder), "--engine", case.engine, "--quiet", *more]
    file = folder.with_suffix(".toml")
    file.write_text(case.text)
    return ["train", str(file), "--out", str(folder), "--engine", case.engine, "--quiet", *more]


def outcome_of(folder: Path) -> dict[str, str]:
    """What a run that has finished came to."""
    return {**of_folder(folder), "slots": json.loads(folder.with_suffix(".slots").read_text())}


def warm() -> None:
    """Import what the command will need, before the first child is made."""
    import chainrule.cli.train
    import chainrule.report.plots  # noqa: F401

    digits()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored, for children too


class Process:
    """A running `chainrule`, in a session of its own; what it prints goes to a file."""

    def __init__(
        self, words: list[str], folder: Path, *, fresh: bool = False, threads: int = 1, before: Any = None
    ) -> None:
        self.log, slots = folder.with_suffix(".log"), folder.with_suffix(".slots")
        self.status: int | None = None
        self._before = before  # called in a forked child
        self.seconds = 0.0  # of the processor, when it has ended
        said = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        begin = self._begin_fresh if fresh else self._fork
        self.pid = begin(words, slots, said, str(threads))
        os.close(said)

    def _begin_fresh(self, words: list[str], slots: Path, said: int, threads: str) -> int:
        path = os.pathsep.join([TOOLS, *filter(None, [os.environ.get("PYTHONPATH")])])
        program = "import pathlib, sys; from crashes import commands; "
        program += f"sys.exit(commands.main(sys.argv[1:], pathlib.Path({str(slots)!r})))"
        env = {**os.environ, "PYTHONPATH": path, "CHAINRULE_THREADS": threads}
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *words], env=env,
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        return self._process.pid

    def _fork(self, words: list[str], slots: Path, said: int, threads: str) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            os.setsid()
            os.environ["CHAINRULE_THREADS"] = threads
            os.dup2(said, 1)
            os.dup2(said, 2)
            import chainrule.recipes.experiment as experiment_module

            experiment_module.open_source = lambda recipe: digits()  # reading them is no part of what is looked at
            if self._before is not None:
                self._before()
            status = main(words, slots)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            self.log.write_text(traceback.format_exc())
        finally:
            os._exit(status)

    def runs(self) -> bool:
        if self.status is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status, self.seconds = code if code >= 0 else 128 - code, used.ru_utime + used.ru_stime
                if hasattr(self, "_process"):
                    self._process.returncode = code
        return self.status is None

    def used(self) -> float:
        """Seconds of the processor so far."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, number: int) -> None:
        if self.runs():
            os.kill(self.pid, number)

    def wait(self) -> int:
        """The exit status as a shell shows it."""
        until = time.monotonic() + LIMIT
        while self.runs():
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.001)
        assert self.status is not None
        return self.status

    def has_others(self) -> bool:
        """Whether another process of its session is left."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""
