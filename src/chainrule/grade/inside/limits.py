"""What one case may use, set by the process on itself just before it runs a submission."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
from dataclasses import dataclass

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_SUBREAPER = 1, 24, 36
_CAPSET_VERSION = 0x20080522
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one case, all of them of one process, as a submission can start no other.

    seconds: of processor time, rounded up; and three times as many on the clock, so that a busy machine, which
    gives a case less of its processors, does not cost points. memory_mb: beyond what Python and NumPy have already.
    file_mb: of one file, and of all files in the scratch folder. files: in that folder. output_kb: printed; more ends
    the case, and of less the first 2000 characters are kept. result_mb: of the arrays that come back.
    """

    seconds: float = 10.0
    memory_mb: int = 512
    file_mb: int = 16
    files: int = 64
    output_kb: int = 1024
    result_mb: int = 64

    @property
    def whole_seconds(self) -> int:
        """Of processor time, which systems count in whole seconds."""
        return max(1, math.ceil(self.seconds))

    @property
    def wall_seconds(self) -> float:
        """On the clock."""
        return 3 * self.seconds


def address_space() -> int:
    """The bytes of address space this process has now, 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    import resource

    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit_self(limits: Limits, space: int) -> None:
    """Lower this process's own limits; they cannot be raised again. space: what it has already, 0 for no limit."""
    import resource

    _lower(resource.RLIMIT_CPU, limits.whole_seconds, limits.whole_seconds + 1)
    _lower(resource.RLIMIT_FSIZE, limits.file_mb * MIB)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 64)
    if hasattr(resource, "RLIMIT_NPROC"):
        _lower(resource.RLIMIT_NPROC, 0)
    if space:
        _lower(resource.RLIMIT_AS, space + limits.memory_mb * MIB)
        _lower(resource.RLIMIT_DATA, space + limits.memory_mb * MIB)


def end_with_parent() -> None:
    """Be killed when the parent ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of whatever descendants lose theirs (Linux), so that they can be ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_SUBREAPER, 1, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up root's privileges where the process has any, without changing the user (Linux)."""
    number = _SYS_CAPSET.get(os.uname().machine)
    if sys.platform != "linux" or number is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused without privileges, where it has no use either
    header = (ctypes.c_uint32 * 2)(_CAPSET_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.syscall(number, header, data)


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    import resource  # Windows has no such module, where this one must still be importable

    hard = soft if hard is None else hard
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(which, (soft, hard))
