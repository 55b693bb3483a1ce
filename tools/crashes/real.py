"""Disks that are really full, read-only, or limited: a file system of a few megabytes, a limit on the size of files."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crashes.commands import Process, outcome_of, start, warm
from crashes.outcome import is_finished
from crashes.processes import leftovers
from crashes.recipes import Case, drawn


@dataclass
class Real:
    """What one disk did to a run: what the command said, and whether all was as it should be."""

    name: str
    said: str
    right: bool


@contextlib.contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory with these mount options; raises `OSError` where that is not permitted."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, check=False)
    if done.returncode != 0:
        raise PermissionError("mounting is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=False)


def real(work: Path, seed: int = 5) -> list[Real]:
    """Each disk in turn; those that need a mount are left out where it is not permitted."""
    warm()
    rng = np.random.default_rng(seed)
    case = next(c for c in iter(lambda: drawn(rng, epochs=150), None) if "early_stopping" not in c.text)
    whole = Process(start(case, work / "whole"), work / "whole")
    if whole.wait() != 0:
        raise RuntimeError(whole.said())
    wanted, found = outcome_of(work / "whole"), []
    with contextlib.suppress(PermissionError), small_disk(work / "full", "size=8m") as disk:
        found.append(full(case, disk, wanted))
    with contextlib.suppress(PermissionError), small_disk(work / "locked", "size=8m,ro") as disk:
        found.append(refused("read-only file system", case, disk / "run", "the file system is read-only", work))
    found.append(limited(case, work / "limited", wanted))
    found.append(refused("a name of 300 letters", case, work / ("x" * 300), "the name is too long", work))
    return found


def full(case: Case, disk: Path, wanted: dict[str, str]) -> Real:
    """Another program fills the disk while the run is training."""
    folder = disk / "run"
    words = ["train", str(disk.parent / "whole.toml"), "--out", str(folder), "--engine", case.engine, "--quiet"]
    process = Process([*words, "--checkpoint-seconds", "0"], disk.parent / "full-run")  # what it says must have room
    while process.runs() and not list((folder / "training").glob("step-*")):
        time.sleep(0.001)
    with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
        while filler.write(bytes(65536)) == 65536:
            pass
    status, said = process.wait(), process.said().strip()
    whole = not leftovers(folder)
    (disk / "filler").unlink()
    plain = status == 2 and "the disk is full; to go on: chainrule train --resume" in said and "\n" not in said
    return Real("full disk", shown(said, disk), plain and whole and goes_on(case, folder, wanted))


def limited(case: Case, folder: Path, wanted: dict[str, str]) -> Real:
    """A limit on the size of files (`ulimit -f`) that is below that of a checkpoint."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, resource.RLIM_INFINITY))

    process = Process(start(case, folder, "--checkpoint-seconds", "0"), folder, before=limit)
    status, said = process.wait(), process.said().strip()
    plain = status == 2 and "larger than this process may write" in said and "\n" not in said
    return Real("limit on file sizes", shown(said, folder.parent), plain and goes_on(case, folder, wanted))


def refused(name: str, case: Case, folder: Path, words: str, work: Path) -> Real:
    """A place where no run can begin."""
    file = work / "refused.toml"
    file.write_text(case.text)
    process = Process(["train", str(file), "--out", str(folder)], work / "refused")
    status, said = process.wait(), process.said().strip()
    return Real(name, shown(said, work), status == 2 and words in said and "\n" not in said)


def goes_on(case: Case, folder: Path, wanted: dict[str, str]) -> bool:
    Process(start(case, folder), folder).wait()
    return is_finished(folder) and outcome_of(folder) == wanted


def shown(said: str, work: Path) -> str:
    """What was said, without the name of the scratch folder, and shortened."""
    text = said.replace(f"{work}{os.sep}", "").replace("x" * 300, "xxx…")
    return text if len(text) < 200 else text[:200] + "…"
