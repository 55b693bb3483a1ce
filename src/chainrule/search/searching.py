"""A search on this machine: processes that share a study, started, watched, and started again where they are killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.errors import ConfigError, require_number
from chainrule.recipes import Recipe
from chainrule.search.ledger import LEASE_SECONDS, Attempt, Ledger, next_place, outcomes
from chainrule.search.results import Results, collect
from chainrule.typed import typed

#: What makes a process use one thread, whichever library its arithmetic comes from.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "CHAINRULE_THREADS")
POLL_SECONDS = 0.5
SECONDS_TO_STOP = 30.0  # for the step at hand, before a worker is killed
DEATHS_IN_A_ROW = 10  # a job, without one trial ended


@typed
def search(
    recipe: Recipe,
    storage: str,
    *,
    study: str | None = None,
    jobs: int = 1,
    lease: int = LEASE_SECONDS,
    engine: str = "auto",
    show: Callable[[Attempt, int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Results:
    """Try what [search] of `recipe` declares, in `jobs` processes with one thread each, and collect what came of it.

    storage: the URL of an SQLite file or a PostgreSQL database, which other machines may share; a search that is
    there already goes on. study: its name there, the recipe's if None. lease: seconds without a sign of life after
    which a trial of another machine is taken over. show: called with every attempt that ends, the trials ended, and
    their number. stopped: asked now and then; the trials at hand are handed back when it says so.

    Raises `ConfigError` where the recipe declares no search, the study holds another one, or the database fails.
    """
    require_number("search", "jobs", jobs, integer=True, low=1, high=1024)
    require_number("search", "lease", lease, integer=True, low=1)
    name = recipe.name if study is None else study
    ledger = Ledger(storage, name, recipe, lease)
    orders = {"storage": storage, "study": name, "lease": lease, "engine": engine}
    with contextlib.closing(ledger.storage), _Workers(orders, jobs, ledger) as workers:
        shown = {a.row for a in ledger.attempts() if a.status != "running"}
        while True:
            attempts = ledger.attempts()
            _show_ended(attempts, shown, len(ledger.plan.places), show)
            if next_place(ledger.plan, attempts) == "done" or stopped():
                break
            workers.tend(len(outcomes(attempts)))
            time.sleep(POLL_SECONDS)
        workers.stop()
        attempts = ledger.attempts()
        _show_ended(attempts, shown, len(ledger.plan.places), show)
        return collect(ledger.plan, attempts)


def _show_ended(attempts: Sequence[Attempt], shown: set[int], total: int, show: Any) -> None:
    for attempt in attempts:
        if attempt.status != "running" and attempt.row not in shown:
            shown.add(attempt.row)
            if show is not None:
                show(attempt, len(outcomes([a for a in attempts if a.row in shown])), total)


class _Workers:
    """The processes of one search; a context manager that leaves none behind."""

    def __init__(self, orders: dict[str, Any], jobs: int, ledger: Ledger) -> None:
        self.orders, self.ledger = orders, ledger
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.jobs, self._deaths, self._ended = jobs, 0, 0

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def tend(self, ended: int) -> None:
        """Take note of processes that died, and see that there are enough; `ended` counts the trials that ended."""
        for worker, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            del self.processes[worker]
            said = process.communicate()[0]
            if process.returncode == 0:
                continue
            self.ledger.release(worker)
            if process.returncode > 0:  # an error, which would come again; only what is killed is tried again
                words = json.loads(said)["error"] if said else f"a process ended with status {process.returncode}"
                raise ConfigError(words)
            self._deaths = 1 if ended > self._ended else self._deaths + 1
            self._ended = ended
            if self._deaths >= DEATHS_IN_A_ROW * self.jobs:
                raise ConfigError(
                    f"search: {self._deaths} processes were killed one after the other, the last by signal "
                    f"{-process.returncode}; trials may need more memory than there is"
                )
        while len(self.processes) < self.jobs:
            self._start()

    def _start(self) -> None:
        worker = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, "-m", "chainrule.search.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
            start_new_session=True,  # Ctrl-C in a terminal reaches this process alone
        )
        self.processes[worker] = process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once, which `tend` will see
            process.stdin.write(json.dumps({**self.orders, "worker": worker}).encode() + b"\n")
            process.stdin.flush()

    def stop(self) -> None:
        """End all processes: those at work hand their trials back."""
        for process in self.processes.values():
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        ends = time.monotonic() + SECONDS_TO_STOP
        for worker, process in self.processes.items():
            try:
                process.wait(max(ends - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
            if process.returncode not in (0, 2):
                self.ledger.release(worker)
        self.processes.clear()
