"""Reading the checkpoints made to harm, each in a process of its own whose memory and time are measured."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import signal
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from fuzz import checkpoints
from fuzz.hostile import HOSTILE, LEFT, Hostile, read, size_of
from fuzz.judge import Hook, limit, ring
from fuzz.running import scratch_folder

ALARM = 20  # seconds, on however busy a machine


@dataclasses.dataclass
class Verdict:
    """What came of one: `wrong` is empty where it was refused as it should be."""

    name: str
    error: str
    message: str
    seconds: float
    grown: int  # bytes of memory
    size: int  # bytes of its files
    wrong: str = ""


def judge_all(cases: Iterable[Hostile] = HOSTILE) -> list[Verdict]:
    """Make and read every case, in processes forked from this one, which has everything imported."""
    with scratch_folder() as scratch:
        hook = Hook(Path(scratch))
        _warm_up(Path(scratch))
        return [_judge(case, Path(scratch) / f"case-{i}", hook) for i, case in enumerate(cases)]


def _warm_up(scratch: Path) -> None:
    from fuzz.folders import write

    for kind, files in (
        ("network", checkpoints.network_files()),
        ("training", checkpoints.training_files()),
        ("run", checkpoints.run_files()),
    ):
        folder = scratch / kind
        folder.mkdir()
        read(kind, write(files, folder))


def _judge(case: Hostile, folder: Path, hook: Hook) -> Verdict:
    ready, tell = os.pipe()
    maker = os.fork()
    if maker == 0:  # stays until the file was read: one of them is still being written then
        signal.alarm(4 * ALARM)
        case.make(folder)
        os.write(tell, b"!")
        signal.pause()
        os._exit(0)
    os.close(tell)
    made = os.read(ready, 1)
    os.close(ready)
    try:
        if made != b"!":
            return Verdict(case.name, "", "", 0.0, 0, 0, "could not be made")
        verdict = _read(case, folder, hook)
    finally:
        os.kill(maker, signal.SIGKILL)
        os.waitpid(maker, 0)
        shutil.rmtree(folder, ignore_errors=True)
    verdict.wrong = _wrong(case, verdict)
    return verdict


def _read(case: Hostile, folder: Path, hook: Hook) -> Verdict:
    size = size_of(folder)
    answer, tell = os.pipe()
    reader = os.fork()
    if reader == 0:
        try:
            os.write(tell, json.dumps(_measured(case, folder, hook)).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(answer, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(reader, 0)
    if not text:
        return Verdict(case.name, "", "", 0.0, 0, size, f"the process died with {status}")
    error, message, seconds, grown = json.loads(text)
    return Verdict(case.name, error, message, seconds, grown, size)


def _measured(case: Hostile, folder: Path, hook: Hook) -> tuple[str, str, float, int]:
    signal.signal(signal.SIGALRM, ring)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    signal.alarm(ALARM)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here on
    before, begun = _status("VmRSS"), time.process_time()
    hook.events.clear()
    hook.armed = True
    try:
        read(case.kind, folder)
        error, message = "", "was read"
    except BaseException as caught:
        error, message = type(caught).__name__, str(caught)
    hook.armed = False
    seconds, grown = time.process_time() - begun, _status("VmHWM") - before
    if hook.events:
        error, message = "executed", "; ".join(hook.events)
    return error, message[:3000], seconds, grown


def _status(entry: str) -> int:
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith(entry)).split()[1])


def _wrong(case: Hostile, verdict: Verdict) -> str:
    if verdict.wrong:
        return verdict.wrong
    if verdict.error != case.error:
        return f"{verdict.error or 'no error'} instead of {case.error}: {verdict.message}"
    if not re.search(case.says, verdict.message):
        return f"the message does not say {case.says!r}: {verdict.message}"
    if len(verdict.message) > 2000:
        return f"a message of {len(verdict.message)} characters"
    if verdict.seconds > limit():
        return f"took {verdict.seconds:.1f} s of processor time"
    if verdict.grown > verdict.size + LEFT:
        return f"took {verdict.grown >> 20} MB for files of {verdict.size >> 20} MB"
    return ""
