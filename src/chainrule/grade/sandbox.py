"""A submission's limited process, as the parent sees it: started, asked to run cases, ended."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from chainrule.errors import ConfigError
from chainrule.grade.inside import landlock, seccomp, wire
from chainrule.grade.inside.limits import MIB, Limits

#: The kernel's fences; where either is missing, Python's own is all there is.
KERNEL = ("landlock", "seccomp")
_GRACE = 10.0  # seconds beyond a case's own, before its fork server is taken for dead
_START = 60.0
_BOOT = "import sys; sys.path[:0] = sys.argv[1:3]; from inside.forkserver import main; del sys.path[0]; main()"


def missing_fences() -> tuple[str, ...]:
    """What this system lacks of Landlock and seccomp."""
    here = {"landlock": landlock.version() > 0, "seccomp": seccomp.available()}
    return tuple(name for name in KERNEL if not here[name])


@dataclass(frozen=True)
class Outcome:
    """One case as it went.

    results: by name, where it ended well. failure: why it has none, one line. kind: "done", "error" (an exception of
    the submission), "absent" (no such function), or what ended it: "time", "output", "files", "result", "memory",
    "crash". output: the start of what it printed.
    """

    kind: str
    results: Mapping[str, Any]
    failure: str = ""
    where: str = ""
    output: str = ""
    seconds: float = 0.0


class Sandbox:
    """A fork server for one submission; a context manager. It is started again should it ever die.

    folder: the submission, laid out like the course's code base. support: the folder of modules beside it.
    modules: the top-level packages that may be imported beside the standard library.
    fences: KERNEL, or () for what Python alone can do.
    """

    def __init__(
        self,
        folder: Path,
        support: Path,
        package: str,
        limits: Limits,
        *,
        modules: Sequence[str] = ("numpy",),
        fences: Sequence[str] = KERNEL,
    ) -> None:
        self.limits, self.package, self.modules = limits, package, tuple(modules)
        self.folder, self.support, self.fences = folder, support, tuple(fences)
        self._files = tempfile.TemporaryDirectory(prefix="chainrule-grade-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._files.cleanup()

    def run(self, routine: str, call: Mapping[str, Any]) -> Outcome:
        """One case in a process of its own."""
        process = self._started()
        try:
            self._send(process, {"routine": routine, **call})
            reply = self._receive(process, self.limits.wall_seconds + _GRACE)
        except (OSError, EOFError, TimeoutError, wire.WireError) as error:
            self._stop()
            return Outcome("crash", {}, f"the limited process ended without an answer ({type(error).__name__})")
        except BaseException:
            self._stop()
            raise
        return self._outcome(reply)

    def _outcome(self, reply: Mapping[str, Any]) -> Outcome:
        ended, output, seconds = reply["ended"], reply["output"], reply["seconds"]
        if ended != "done":
            kind, words = self._words(ended)
            return Outcome(kind, {}, words, "", output, seconds)
        if reply["result"].size == 0:
            return Outcome("crash", {}, "ended the process", "", output, seconds)
        try:
            answer = wire.decode(reply["result"].tobytes())
            if not isinstance(answer, dict) or len(answer) != 1:
                raise wire.WireError("an unknown answer")
            ((what, content),) = answer.items()
            if what not in ("results", "error") or not isinstance(content, dict):
                raise wire.WireError("an unknown answer")
        except wire.WireError as error:
            return Outcome("crash", {}, f"wrote to the pipe of its results: {error}", "", output, seconds)
        if what == "results":
            return Outcome("done", content, "", "", output, seconds)
        name, message, where = (str(content.get(key, "")) for key in ("type", "message", "where"))
        if name == "MemoryError":
            return Outcome(
                "memory", {}, f"needed more than {self.limits.memory_mb} MB of memory", where, output, seconds
            )
        if name == "absent":
            return Outcome(name, {}, message, "", output, seconds)
        words = f"{name}: {message}" if name and message else name + message
        return Outcome("error", {}, " ".join(words.split()), where, output, seconds)

    def _words(self, ended: str) -> tuple[str, str]:
        limits = self.limits
        words = {
            "time": f"took longer than {limits.seconds:g} s",
            "output": f"printed more than {limits.output_kb} KB",
            "result": f"returned more than {limits.result_mb} MB",
            "files": f"wrote more than {limits.files} files or {limits.file_mb} MB",
        }
        return (ended, words[ended]) if ended in words else ("crash", f"crashed ({ended})")

    # -- the process ---------------------------------------------------------------------------------------------

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._stop()
        root = Path(self._files.name)
        library, scratch = root / "library", root / "scratch"
        scratch.mkdir(mode=0o700, exist_ok=True)
        if not library.exists():
            library.mkdir()
            for name in self.modules:
                _link_package(name, library)
        inside = Path(__file__).resolve().parent
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT, str(inside), str(library)]
        with open(root / "errors", "wb") as errors:
            self._process = process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(scratch),
                cwd=scratch,
                start_new_session=True,
            )
        settings = {
            "submission": os.path.realpath(self.folder),
            "package": self.package,
            "library": os.path.realpath(library),
            "support": os.path.realpath(self.support),
            "scratch": os.path.realpath(scratch),
            "modules": list(self.modules),
            "fences": list(self.fences) if self.fences else ["audit"],
            "limits": asdict(self.limits),
        }
        try:
            self._send(process, settings)
            self._receive(process, _START)
        except (OSError, EOFError, TimeoutError, wire.WireError) as error:
            self._stop()
            told = (root / "errors").read_text(errors="replace").strip().splitlines()
            detail = told[-1] if told else type(error).__name__
            raise ConfigError(f"grade: the limited process could not be started: {detail}") from None
        return process

    def _stop(self) -> None:
        """End the fork server and its case; nothing it started outlives it."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _send(self, process: subprocess.Popen[bytes], value: Any) -> None:
        assert process.stdin is not None
        message = wire.encode(value)
        process.stdin.write(len(message).to_bytes(8, "little") + message)
        process.stdin.flush()

    def _receive(self, process: subprocess.Popen[bytes], seconds: float) -> Any:
        assert process.stdout is not None
        deadline, fd = time.monotonic() + seconds, process.stdout.fileno()
        length = int.from_bytes(_take(fd, 8, deadline), "little")
        if length > (self.limits.result_mb + 2) * MIB:
            raise wire.WireError(f"a reply of {length} bytes")
        return wire.decode(_take(fd, length, deadline))


def _take(fd: int, count: int, deadline: float) -> bytes:
    """Exactly `count` bytes, or EOFError, or TimeoutError."""
    taken = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while len(taken) < count:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            piece = os.read(fd, min(count - len(taken), MIB))
            if not piece:
                raise EOFError
            taken += piece
    return bytes(taken)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the parent's environment."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
    return {"HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8", "PATH": "", **one}


def _link_package(name: str, library: Path) -> None:
    """A package, and the folder of shared libraries that its wheel has beside it, under their own names."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        raise ConfigError(f"grade: modules must name installed packages, got {name!r}")
    found = Path(next(iter(spec.submodule_search_locations)))
    for path in (found, found.with_name(f"{name}.libs")):
        if path.exists():
            (library / path.name).symlink_to(path)
