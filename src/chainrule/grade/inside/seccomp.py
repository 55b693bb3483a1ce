"""A filter of system calls (Linux, no privileges needed): what computing with NumPy takes, and nothing else.

An allow list. Not on it, so refused with "Operation not permitted": sockets of any kind, io_uring, starting processes
or threads, other programs, signals to any process, looking into other processes, mounts, kernel modules, folders,
links. A call of another processor's or another width's numbers ends the process.
Source: the Linux kernel's documentation, userspace-api/seccomp_filter; numbers from asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _table(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


_X86_64 = _table("""
    access 21 alarm 37 arch_prctl 158 brk 12 chdir 80 clock_getres 229 clock_gettime 228 clock_nanosleep 230
    close 3 close_range 436 dup 32 dup2 33 dup3 292 epoll_create 213 epoll_create1 291 epoll_ctl 233
    epoll_pwait 281 epoll_wait 232 eventfd2 290 exit 60 exit_group 231 faccessat 269 faccessat2 439
    fadvise64 221 fchdir 81 fdatasync 75 flock 73 fstat 5 fsync 74 ftruncate 77 futex 202 futex_waitv 449
    getcpu 309 getcwd 79 getdents 78 getdents64 217 getegid 108 geteuid 107 getgid 104 getgroups 115
    getitimer 36 getpid 39 getppid 110 getrandom 318 getrusage 98 gettid 186 gettimeofday 96 getuid 102 lseek 8
    lstat 6 madvise 28 membarrier 324 mmap 9 mprotect 10 mremap 25 munmap 11 nanosleep 35 newfstatat 262 open 2
    openat 257 pause 34 pipe 22 pipe2 293 poll 7 ppoll 271 pread64 17 pselect6 270 pwrite64 18 read 0
    readlink 89 readlinkat 267 readv 19 rename 82 renameat 264 renameat2 316 restart_syscall 219 rseq 334
    rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 sched_getaffinity 204 sched_getparam 143
    sched_getscheduler 145 sched_yield 24 select 23 set_robust_list 273 setitimer 38 sigaltstack 131 stat 4
    statx 332 sysinfo 99 time 201 times 100 umask 95 uname 63 unlink 87 unlinkat 263 write 1 writev 20
""")
_AARCH64 = _table("""
    brk 214 chdir 49 clock_getres 114 clock_gettime 113 clock_nanosleep 115 close 57 close_range 436 dup 23
    dup3 24 epoll_create1 20 epoll_ctl 21 epoll_pwait 22 eventfd2 19 exit 93 exit_group 94 faccessat 48
    faccessat2 439 fadvise64 223 fchdir 50 fdatasync 83 flock 32 fstat 80 fsync 82 ftruncate 46 futex 98
    futex_waitv 449 getcpu 168 getcwd 17 getdents64 61 getegid 177 geteuid 175 getgid 176 getgroups 158
    getitimer 102 getpid 172 getppid 173 getrandom 278 getrusage 165 gettid 178 gettimeofday 169 getuid 174
    lseek 62 madvise 233 membarrier 283 mmap 222 mprotect 226 mremap 216 munmap 215 nanosleep 101 newfstatat 79
    openat 56 pipe2 59 ppoll 73 pread64 67 pselect6 72 pwrite64 68 read 63 readlinkat 78 readv 65 renameat 38
    renameat2 276 restart_syscall 128 rseq 293 rt_sigaction 134 rt_sigprocmask 135 rt_sigreturn 139
    sched_getaffinity 123 sched_getparam 121 sched_getscheduler 120 sched_yield 124 set_robust_list 99
    setitimer 103 sigaltstack 132 statx 291 sysinfo 179 times 153 umask 166 uname 160 unlinkat 35 write 64
    writev 66
""")
ALLOWED: Mapping[str, Mapping[str, int]] = {"x86_64": _X86_64, "aarch64": _AARCH64}

#: Calls allowed for some values of one argument only: number of the argument, values.
_SOME_OF: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "fcntl": (1, (0, 1, 2, 3, 4, 5, 6, 7, 1030)),  # flags and locks; not who gets signals
    "ioctl": (1, (0x5401, 0x5413, 0x5421, 0x5450, 0x5451)),  # is it a terminal, how wide, blocking, closing on exec
    "prlimit64": (0, (0,)),  # its own limits, which only fall
}
PARTLY_ALLOWED: Mapping[str, Mapping[str, int]] = {
    "x86_64": {"fcntl": 72, "ioctl": 16, "prlimit64": 302},
    "aarch64": {"fcntl": 25, "ioctl": 29, "prlimit64": 261},
}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def available() -> bool:
    """Whether this system has filters, and its processor's numbers are known here."""
    if sys.platform != "linux" or os.uname().machine not in ALLOWED or sys.maxsize < 2**32:
        return False
    return os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def restrict() -> None:
    """Allow this process, from now on, the calls of the list only; raise OSError if that fails."""
    program = filter_program(os.uname().machine)
    code = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, head, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def filter_program(machine: str) -> bytes:
    """The filter for a processor, in the instructions of classic BPF."""
    refuse = _step(_RETURN, _ERROR | errno.EPERM)
    steps = [_step(_LOAD, 4), _step(_EQUAL, _ARCHITECTURE[machine], 1, 0), _step(_RETURN, _KILL), _step(_LOAD, 0)]
    for number in ALLOWED[machine].values():
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ALLOW)]
    for name, number in PARTLY_ALLOWED[machine].items():
        argument, values = _SOME_OF[name]
        block = [_step(_LOAD, 16 + 8 * argument)]  # the lower half, which is all the kernel looks at
        for value in values:
            block += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
        block.append(refuse)
        steps += [_step(_EQUAL, number, 0, len(block)), *block]
    return b"".join([*steps, refuse])


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, k)
