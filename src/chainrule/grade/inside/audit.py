"""A second-best fence for systems without Landlock and seccomp: a hook on what Python itself does.

It stops honest mistakes and simple mischief. It does not stop a program that is determined to get out, since memory
can be written to from Python; that takes the kernel.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

_REFUSED = (
    "socket.",
    "subprocess.",
    "ctypes.",
    "os.fork",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
    "os.link",
    "os.symlink",
    "os.mkdir",
    "os.chmod",
    "os.chown",
    "os.putenv",
    "pty.",
    "signal.pthread_kill",
    "resource.",
    "_thread.start_new_thread",
    "webbrowser.",
    "shutil.",
)
_PATHS = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.truncate", "os.rmdir", "os.utime")


def install(read: Sequence[str], write: Sequence[str]) -> None:
    """Refuse, from now on, what is on the list, and files outside of `read` and `write`. It cannot be taken back."""
    readable = tuple(os.path.realpath(path) for path in (*read, *write))
    writable = tuple(os.path.realpath(path) for path in write)
    inside = [False]  # while a path is being looked at, which raises no events of its own here but may elsewhere

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} is not allowed here")
        if event not in _PATHS or inside[0] or not args or not isinstance(args[0], (str, bytes)):
            return
        inside[0] = True
        try:
            path = os.path.realpath(os.fsdecode(args[0]))
        finally:
            inside[0] = False
        reading = event in ("os.listdir", "os.scandir") or (event == "open" and not _writes(args))
        allowed = readable if reading else writable
        if not any(path == root or path.startswith(root + os.sep) for root in allowed):
            raise PermissionError(f"{event} of {path} is not allowed here")

    sys.addaudithook(hook)


def _writes(args: tuple[Any, ...]) -> bool:
    mode, flags = args[1], args[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
