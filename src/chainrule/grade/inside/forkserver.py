"""The process that stays: it imports NumPy once, shuts itself in, and forks one child for every case.

The submission runs in those children only, so that what it does to NumPy, to its own modules or to itself ends with
the case, and a case that must be killed costs nothing else. Requests come on standard input, outcomes leave on
standard output, each a `wire` message with its length before it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import audit, landlock, seccomp, wire
from .limits import MIB, Limits, address_space, adopt_orphans, drop_capabilities, end_with_parent, limit_self
from .loading import Loader, Only
from .routines import ROUTINES

KEPT_OUTPUT = wire.MAX_TEXT
_WATCH = 0.05  # seconds between looks at the scratch folder
#: Loaded before the fence goes up, as they need libraries from outside of it.
_EARLY = ("zlib", "bz2", "lzma", "hashlib", "ctypes", "decimal", "uuid", "random", "json", "pickle", "linecache")
_NUMPY = ("numpy.random", "numpy.linalg", "numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.lib.stride_tricks")
_NO_MEMORY = wire.encode({"error": {"type": "MemoryError", "message": "out of memory", "where": ""}})


@dataclass(frozen=True)
class Settings:
    """What the parent says at the start: folders, allowed packages, and which fences to put up.

    submission: laid out like the course's code base. library: holds the allowed packages. support: modules that old
    course code imports. scratch: the home and working folder of every case.
    """

    submission: str
    package: str
    library: str
    support: str
    scratch: str
    modules: list[str]
    fences: list[str]
    limits: dict[str, Any]

    @property
    def readable(self) -> list[str]:
        """Every file and folder that a case may read."""
        packages = [os.path.join(self.library, name) for name in os.listdir(self.library)]
        return [*_standard_library(), *packages, self.library, self.submission, self.support, "/dev/urandom"]

    @property
    def writable(self) -> list[str]:
        """Where a case may write plain files."""
        return [self.scratch, "/dev/null"]


@dataclass
class Watch:
    """What is seen of one case while it runs."""

    output: bytearray = field(default_factory=bytearray)
    result: bytearray = field(default_factory=bytearray)
    printed: int = 0
    ended: str = ""


def main() -> None:
    """Serve until standard input ends."""
    end_with_parent()
    adopt_orphans()
    requests, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)
    settings = Settings(**_read(requests))
    for name in (*_EARLY, *_NUMPY, *settings.modules):
        importlib.import_module(name)
    space = address_space()
    _shut_in(settings)
    gc.collect()
    gc.freeze()  # so that a collection in a child does not copy every page
    server = Server(settings, Limits(**settings.limits), space)
    _write(replies, {"ready": True})
    while (request := _read(requests)) is not None:
        _write(replies, server.run(request))


class Server:
    """Runs cases, one child each."""

    def __init__(self, settings: Settings, limits: Limits, space: int) -> None:
        self.settings, self.limits, self.space = settings, limits, space

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """One case: how it ended, what it printed, and the message it sent."""
        start = time.monotonic()
        result_end, result_start = os.pipe()
        output_end, output_start = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become_case(request, result_start, output_start)
        os.close(result_start)
        os.close(output_start)
        watch = self._watch(pid, result_end, output_end, start + self.limits.wall_seconds)
        ending = self._end(pid)
        _clear(self.settings.scratch)
        return {
            "ended": watch.ended if watch.ended else ending,
            "seconds": time.monotonic() - start,
            "output": bytes(watch.output).decode("utf-8", "replace"),
            "printed": watch.printed,
            "result": np.frombuffer(bytes(watch.result), np.uint8),
        }

    def _watch(self, pid: int, result: int, output: int, deadline: float) -> Watch:
        """Read both pipes until the case has ended or must end."""
        watch = Watch()
        process = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        with selectors.DefaultSelector() as selector:
            for fd in (result, output, process):
                if fd is not None:
                    os.set_blocking(fd, False)
                    selector.register(fd, selectors.EVENT_READ)
            gone = False
            while not watch.ended and not gone:
                ready = {key.fd for key, _ in selector.select(min(_WATCH, max(0.0, deadline - time.monotonic())))}
                # Asked for before reading, so that all that was written before the end is read after it.
                gone = process in ready if process is not None else _exited(pid)
                self._take(result, output, watch)
                if time.monotonic() > deadline and not gone:
                    watch.ended = "time"
                elif not watch.ended and not gone and self._litters():
                    watch.ended = "files"
        for fd in (result, output, process):
            if fd is not None:
                os.close(fd)
        return watch

    def _take(self, result: int, output: int, watch: Watch) -> None:
        """What the pipes hold now, a bounded number of pieces so that the clock is looked at in between."""
        for _ in range(64):
            printed, sent = _available(output), _available(result)
            watch.printed += len(printed)
            watch.output += printed[: KEPT_OUTPUT - len(watch.output)]
            watch.result += sent
            if watch.printed > self.limits.output_kb * 1024:
                watch.ended = "output"
            elif len(watch.result) > self.limits.result_mb * MIB:
                watch.ended = "result"
            if watch.ended or not (printed or sent):
                return

    def _litters(self) -> bool:
        """Whether the scratch folder holds too many files, or too much."""
        count = size = 0
        with contextlib.suppress(OSError), os.scandir(self.settings.scratch) as entries:
            for entry in entries:
                count += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
                if count > self.limits.files or size > self.limits.file_mb * MIB:
                    return True
        return False

    def _end(self, pid: int) -> str:
        """Kill the case and whatever it left behind; how it ended by itself."""
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        if "seccomp" not in self.settings.fences:
            _end_orphans()
        used = usage.ru_utime + usage.ru_stime
        return _ending(status, out_of_time=used >= self.limits.whole_seconds)

    def _become_case(self, request: dict[str, Any], result: int, output: int) -> None:
        """In the forked child, which never returns."""
        message = _NO_MEMORY
        try:
            end_with_parent()
            os.setsid()
            for fd, stream in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
                os.dup2(fd, stream)
            os.dup2(result, 9)
            os.closerange(3, 9)
            os.closerange(10, 4096)
            os.chdir(self.settings.scratch)
            limit_self(self.limits, self.space)
            if "seccomp" in self.settings.fences:
                seccomp.restrict()
            if "audit" in self.settings.fences:
                audit.install(self.settings.readable, self.settings.writable)
            message = _answer(Loader(self.settings.submission, self.settings.package), request)
        except BaseException:
            message = _NO_MEMORY
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
            with contextlib.suppress(BaseException):
                _write_all(9, message)
            os._exit(0)


def _answer(loader: Loader, request: dict[str, Any]) -> bytes:
    """Run the submission; its results, or the exception that ended it, as a message."""
    try:
        return wire.encode({"results": ROUTINES[request["routine"]](loader.find, request)})
    except MemoryError:
        return _NO_MEMORY
    except BaseException as error:
        return wire.encode({"error": loader.describe(error)})


def _shut_in(settings: Settings) -> None:
    """Environment, import path and files of this process, and so of every case."""
    roots = [settings.submission, settings.support]
    sys.path[:] = [*roots, *(p for p in sys.path if p in _search_path()), settings.library]
    sys.meta_path.insert(0, Only(settings.modules, [*roots, settings.library]))
    drop_capabilities()
    if "landlock" in settings.fences:
        existing = [path for path in settings.readable if os.path.exists(path)]
        landlock.restrict(existing, _search_path(), settings.writable)


def _search_path() -> list[str]:
    """The standard library's folders: where `os` lies, and its folder of extension modules."""
    folder = os.path.dirname(os.path.abspath(os.__file__))
    return [path for path in (folder, os.path.join(folder, "lib-dynload")) if os.path.isdir(path)]


def _standard_library() -> list[str]:
    """Its files, without the packages installed among them."""
    foreign = ("site-packages", "dist-packages")
    return [os.path.join(path, name) for path in _search_path() for name in os.listdir(path) if name not in foreign]


def _ending(status: int, *, out_of_time: bool) -> str:
    if not os.WIFSIGNALED(status):
        return "done" if os.WEXITSTATUS(status) == 0 else f"exit status {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU or (number == signal.SIGKILL and out_of_time):
        return "time"
    return f"signal {signal.Signals(number).name}"


def _end_orphans() -> None:
    """End what left the case's process group, which on Linux has become ours."""
    for _ in range(200):
        for orphan in _children():
            with contextlib.suppress(OSError):
                os.kill(orphan, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.005)
        except ChildProcessError:
            return


def _exited(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def _clear(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            os.unlink(path)
        except OSError:
            with contextlib.suppress(RecursionError):
                shutil.rmtree(path, ignore_errors=True)


def _available(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


def _read(stream: Any) -> Any:
    head = stream.read(8)
    return None if len(head) < 8 else wire.decode(stream.read(int.from_bytes(head, "little")))


def _write(fd: int, value: Any) -> None:
    message = wire.encode(value)
    _write_all(fd, len(message).to_bytes(8, "little") + message)


def _write_all(fd: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(fd, view) :]
