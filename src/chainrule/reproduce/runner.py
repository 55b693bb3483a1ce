"""Rows in child processes, some at a time: a failing or crashing row never takes another with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chainrule.recipes import to_toml
from chainrule.reproduce.jobs import Job, Row, longest_first
from chainrule.reproduce.worker import MEASURED

DAY = 86_400.0
WORKER = [sys.executable, "-m", "chainrule.reproduce.worker"]

Report = Callable[[str], None]


def missing(row: Row, kept: Path) -> list[Job]:
    """The trainings of `row` that are not among the kept ones, each content once."""
    lacking = {job.key: job for job in row.jobs if not (job.folder(kept) / MEASURED).is_file()}
    return list(lacking.values())


def run(rows: Sequence[Row], kept: Path, engine: str, jobs: int, report: Report) -> dict[str, str]:
    """Train what is missing of `rows` into `kept`, `jobs` processes at a time; returns what failed, by training's key.

    Each process gets its share of the cores. Ctrl-C ends the processes; what they had finished is kept.
    """
    kept.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(kept)
    team = Team(kept, engine, max((os.cpu_count() or 1) // jobs, 1), report)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in [pool.submit(team.train, row) for row in longest_first(rows)]:
                done.result()
        except BaseException:
            team.end()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return team.failures


class Team:
    """The processes at work, and what failed in them."""

    def __init__(self, kept: Path, engine: str, threads: int, report: Report) -> None:
        self.kept, self.engine, self.report = kept, engine, report
        threads_each = os.environ.get("CHAINRULE_THREADS", str(threads))
        self.environment = {**os.environ, "CHAINRULE_THREADS": threads_each}
        self.failures: dict[str, str] = {}
        self._taken: set[str] = set()
        self._children: set[subprocess.Popen[str]] = set()
        self.ended, self._lock = False, threading.Lock()

    def train(self, row: Row) -> None:
        """Train what is missing of a row, in one process; rows that share a training do it once."""
        with self._lock:
            jobs = [job for job in missing(row, self.kept) if job.key not in self._taken]
            self._taken |= {job.key for job in jobs}
            if self.ended or not jobs:
                return
            child = subprocess.Popen(
                WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=self.environment,
            )
            self._children.add(child)
        started, waiting = time.monotonic(), {str(job.folder(self.kept)): job for job in jobs}
        words = threading.Thread(target=lambda: tail.extend(child.stderr or []), daemon=True)
        tail: list[str] = []
        words.start()
        try:
            request = [{"recipe": to_toml(job.recipe), "folder": folder} for folder, job in waiting.items()]
            self._send(child, {"engine": self.engine, "jobs": request})
            for line in child.stdout or []:
                self._note(row, waiting, json.loads(line))
            child.wait()
            words.join()
        finally:
            self._children.discard(child)
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
        if not self.ended:
            self._report_crash(row, list(waiting.values()), child.returncode, tail)
            self.report(f"{row.name}: {len(jobs)} trainings in {time.monotonic() - started:.0f} s")

    def _report_crash(self, row: Row, jobs: list[Job], status: int, tail: list[str]) -> None:
        """Note the trainings that a process did not come to before it ended, and that in whose midst it did."""
        last = next((line.strip() for line in reversed(tail) if line.strip()), "it said nothing")
        for job in jobs:
            self.failures[job.key] = f"the process ended with status {status}: {last}"
            self.report(f"{row.name} {job.variant}: {self.failures[job.key]}")

    def end(self) -> None:
        """End all processes."""
        with self._lock:
            self.ended = True
            for child in self._children:
                child.kill()

    def _send(self, child: subprocess.Popen[str], request: dict[str, Any]) -> None:
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()  # and left open: its end tells the process that we are gone
        except BrokenPipeError:
            pass  # it died at once; its status says so

    def _note(self, row: Row, waiting: dict[str, Job], said: dict[str, Any]) -> None:
        job = waiting.pop(said["folder"])
        label = f"{row.name}{f' [{job.variant}]' if job.variant else ''} seed {job.recipe.seed}"
        self.report(f"{label}: {said['outcome']} ({said['wall']:.0f} s)")
        if said["outcome"].startswith("failed"):
            self.failures[job.key] = said["outcome"].removeprefix("failed: ")


def _remove_leftovers(kept: Path) -> None:
    """Remove what killed processes left half-done; a day old, as another reproduction may be at work on newer ones."""
    import shutil

    for part in kept.glob(".part-*"):
        if time.time() - part.stat().st_mtime > DAY:
            shutil.rmtree(part, ignore_errors=True)
