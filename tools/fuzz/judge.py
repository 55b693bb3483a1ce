"""Reading a case in a child process, where nothing but data or one typed error may come of it."""

from __future__ import annotations

import codecs
import functools
import hashlib
import json
import os
import resource
import signal
import sys
import time
import traceback
import typing
import warnings
from pathlib import Path
from typing import Any

from fuzz.cases import case
from fuzz.targets import GROUPS, Target, examples, lay

ALARM = 20  # seconds a case may take, on however busy a machine
CPU = 1.0  # seconds of processor time it may take, on a machine where `_work` takes USUAL; see `limit`
USUAL = 0.009
MEMORY = 3 << 30  # bytes of address space

FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.symlink",
    "os.link",
    "subprocess.Popen",
    "pickle.find_class",
    "exec",
    "socket.",
    "ctypes.",
)


class Hook:
    """Notes what a reader must never do, while `armed`."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.armed, self.events = os.path.realpath(scratch), False, []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            if not os.path.realpath(os.fsdecode(arguments[0])).startswith(self.scratch):
                self.events.append(f"open {arguments[0]!r} for writing")
        elif event.startswith(FORBIDDEN) and not (event == "exec" and _is_annotation()):
            self.events.append(f"{event} {arguments!r:.100}")


def _is_annotation() -> bool:
    """Whether what is executed is the annotation of a class, which `typing` evaluates: our own text, not a file's."""
    caller = sys._getframe(2)
    return caller.f_code.co_filename == typing.__file__ and caller.f_code.co_name == "_evaluate"


@functools.cache
def limit() -> float:
    """Seconds of processor time a case may take here: `CPU`, and more on a machine that is slower."""
    return CPU * max(1.0, min(_work() for _ in range(9)) / USUAL)


def _work() -> float:
    """Seconds of processor time of something like what readers do."""
    text = json.dumps({f"layer {i}": [i, i / 3, str(i)] for i in range(2000)})
    begun = time.process_time()
    json.loads(text, object_pairs_hook=dict)
    hashlib.sha256(text.encode() * 20).hexdigest()
    sum(i * i for i in range(100_000))
    return time.process_time() - begun


class TooLong(BaseException):
    """Raised by the alarm: nobody catches it by chance."""


def outcome(target: Target, data: bytes, scratch: Path, hook: Hook) -> tuple[str, str]:
    """("read" | "refused" | "bad", the kind of error or what went wrong)."""
    from chainrule.errors import ChainruleError

    path = lay(target, data, scratch)
    hook.events.clear()
    hook.armed = True
    signal.setitimer(signal.ITIMER_REAL, ALARM)
    begun = time.process_time()
    try:
        target.read(path)
        result = ("read", "")
    except ChainruleError as error:
        text, name = str(error), type(error).__name__
        result = ("refused", name)
        if not text or len(text) >= 2000:
            result = ("bad", f"a message of {len(text)} characters")
        elif target.errors and name not in target.errors:
            result = ("bad", f"{name}, expected {' or '.join(target.errors)}: {text}")
    except BaseException as error:
        result = ("bad", f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        hook.armed = False
    if time.process_time() - begun > limit():
        result = ("bad", f"{time.process_time() - begun:.1f} s of processor time")
    if hook.events:
        result = ("bad", "; ".join(dict.fromkeys(hook.events))[:1000])
    if (scratch / "canary").exists() or Path("canary").exists():
        result = ("bad", "code of a pickle was run")
    return result


def ring(*_: Any) -> None:
    raise TooLong(f"longer than {ALARM} s")


def warm_up(targets: tuple[Target, ...], scratch: Path) -> None:
    """Whatever is imported late is imported now, and every example must be read."""
    for name in ("ascii", "latin-1", "raw-unicode-escape", "utf-8", "utf-16"):  # of pickles and texts: fixed names
        codecs.lookup(name)
    for target in targets:
        for data in examples(target):
            if b"canary" not in data:
                target.read(lay(target, data, scratch))


def child(group: str, seed: int, first: int, last: int, scratch: Path) -> None:
    """Judge cases, one line of JSON each; the number of a case is said before it is begun."""
    os.chdir(scratch)
    hook = Hook(scratch)
    signal.signal(signal.SIGALRM, ring)
    warm_up(GROUPS[group], scratch)
    limit()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    for index in range(first, last):
        target, done, data = case(group, seed, index)
        print(json.dumps({"begin": index}), flush=True)
        start = time.process_time()
        kind, detail = outcome(target, data, scratch, hook)
        seconds = time.process_time() - start
        line = {"index": index, "target": target.name, "done": done, "kind": kind, "detail": detail, "seconds": seconds}
        print(json.dumps(line), flush=True)
    print(json.dumps({"peak": peak()}), flush=True)


def peak() -> int:
    """KiB this process has held at most; getrusage would count what its parent held when it was forked."""
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
