"""What the limited process holds: each way out is tried, and so is each limit."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.grade.inside import seccomp
from chainrule.grade.inside.limits import Limits
from chainrule.grade.sandbox import KERNEL, Sandbox, missing_fences

#: Time enough for whatever ends by itself or by another limit, however slow or busy the machine is.
LIMITS = Limits(seconds=100.0, memory_mb=64, file_mb=2, files=5, output_kb=64, result_mb=1)
SHORT = replace(LIMITS, seconds=1.0)
kernel = pytest.mark.skipif(bool(missing_fences()), reason=f"this system lacks {missing_fences()}")
BOTH = [pytest.param(KERNEL, marks=kernel, id="kernel"), pytest.param((), id="python")]

PROGRAM = """
import os, sys, time
import numpy as np

def right(x): print("seen"); return 2 * x, None
def passwd(x): return open("/etc/passwd").read(), None
def environ(x): return open("/proc/%d/environ" % os.getppid(), "rb").read(), None
def answers(x): import chainrule; return x, None
def listing(x): return str(os.listdir("/")), None
def overwrite(x): open(__file__, "w")
def escape(x): open(os.path.join(os.getcwd(), "..", "escaped"), "w")
def network(x): import socket; socket.socket()
def fork(x): return os.fork(), None
def program(x): os.execv("/bin/sh", ["sh"])
def shell(x): return os.system("true"), None
def kill(x): os.kill(os.getppid(), 9)
def kill_all(x): os.kill(-1, 9)
def folder(x): os.mkdir("folder")
def link(x): os.symlink("/etc/passwd", "link"); return open("link").read(), None
def raise_limits(x):
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
def sleep(x): time.sleep(10**6)
def deaf(x):
    import signal
    for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
    while True: pass
def memory(x): return np.ones(2**30), None
def lists(x):
    big = []
    while True: big.append(bytearray(2**20))
def output(x):
    while True: print("x" * 1000)
def big_file(x): open("big", "wb").write(bytes(2**23)); return x, None
def many_files(x):
    for i in range(6): open("file%d" % i, "w").close()
    time.sleep(10**6)
def result(x): return np.zeros(2**18), None
def leave(x): sys.exit("bye")
def leave_now(x): os._exit(0)
def crash(x): os.abort()
def recursion(x): return recursion(x)
def pipe(x): os.write(9, b"garbage"); os._exit(0)
def scratch(x): open("note", "w").write("mine"); return float(len(os.listdir("."))), None
def environment(x): return ",".join(sorted(os.environ)), None
def home(x): return float(os.path.realpath(os.path.expanduser("~")) == os.getcwd()), None
def monkey(x): np.add = np.allclose = None; x[:] = 0; return x, None
def later(x): return np.add(x, 1.0), None
"""


@pytest.fixture(scope="module", params=BOTH)
def fences(request):
    return request.param


def started(fences, limits, tmp_path_factory):
    code, support = (tmp_path_factory.mktemp(name) for name in ("submission", "support"))
    (code / "layers.py").write_text(PROGRAM)
    with Sandbox(code, support, "", limits, fences=fences) as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(fences, tmp_path_factory):
    yield from started(fences, LIMITS, tmp_path_factory)


@pytest.fixture(scope="module")
def short_sandbox(fences, tmp_path_factory):
    yield from started(fences, SHORT, tmp_path_factory)


def call(sandbox, name):
    arguments = {"file": "layers.py", "name": name, "args": [np.ones(3)], "arguments": ["x"]}
    return sandbox.run("forward", arguments)


def test_results_and_output_come_back(sandbox):
    outcome = call(sandbox, "right")
    assert outcome.kind == "done"
    assert outcome.output == "seen\n"
    np.testing.assert_array_equal(outcome.results["out"], [2, 2, 2])


REFUSED = "passwd environ answers listing overwrite escape network fork program kill kill_all folder link raise_limits"


@pytest.mark.parametrize("name", REFUSED.split())
def test_refused(sandbox, name):
    outcome = call(sandbox, name)
    assert outcome.kind == "error"
    assert re.search("Permission|not permitted|not allowed|ModuleNotFound", outcome.failure), outcome.failure
    assert outcome.where.startswith("layers.py:")
    assert call(sandbox, "right").kind == "done"


def test_no_shell(sandbox):
    outcome = call(sandbox, "shell")
    assert outcome.kind == "error" or outcome.results["out"] != 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("memory", "memory"),
        ("lists", "memory"),
        ("output", "output"),
        ("many_files", "files"),
        ("result", "result"),
        ("leave", "error"),
        ("leave_now", "crash"),
        ("crash", "crash"),
        ("recursion", "error"),
        ("pipe", "crash"),
        ("missing", "absent"),
    ],
)
def test_limits_end_the_case_and_nothing_else(sandbox, name, kind):
    outcome = call(sandbox, name)
    assert outcome.kind == kind, outcome
    assert outcome.failure
    assert not outcome.results
    assert len(outcome.output) <= 2000
    assert call(sandbox, "right").kind == "done"


@pytest.mark.parametrize("name", ["sleep", "deaf"])
def test_the_time_of_a_case_is_limited(short_sandbox, name):
    for _ in range(2):  # the second shows that the first has left nothing behind
        outcome = call(short_sandbox, name)
        assert (outcome.kind, outcome.failure) == ("time", "took longer than 1 s")


def test_files_are_short_and_gone_after_the_case(sandbox):
    assert call(sandbox, "big_file").kind in ("error", "files")
    for _ in range(2):
        assert call(sandbox, "scratch").results["out"] == 1.0


def test_environment_and_home(sandbox):
    names = call(sandbox, "environment").results["out"].split(",")
    assert {"HOME", "TMPDIR", "PATH", "LC_ALL"} <= set(names)
    assert all(re.fullmatch("HOME|TMPDIR|PATH|LC_ALL|.*_NUM_THREADS", name) for name in names)
    assert call(sandbox, "home").results["out"] == 1.0


def test_what_a_case_does_to_numpy_ends_with_it(sandbox):
    outcome = call(sandbox, "monkey")
    assert outcome.results["changed"] == ["x"]
    np.testing.assert_array_equal(call(sandbox, "later").results["out"], [2, 2, 2])


def test_fork_server_that_dies_is_started_again(sandbox):
    process = sandbox._started()
    process.kill()
    process.wait()
    assert call(sandbox, "right").kind == "done"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_nothing_is_left_running(tmp_path):
    """Without either fence, as on a system that has none: daemons are found and ended after their case."""
    code, support = tmp_path / "submission", tmp_path / "support"
    code.mkdir()
    support.mkdir()
    (code / "layers.py").write_text(
        "import os, time\n"
        "def daemon(x):\n"
        "    read, write = os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.write(write, b'%d' % os.getpid())\n"
        "            time.sleep(1000)\n"
        "        os._exit(0)\n"
        "    return float(os.read(read, 20)), None\n"
    )
    with Sandbox(code, support, "", LIMITS, fences=("none",)) as running:
        outcome = call(running, "daemon")
        server = running._process.pid
        if os.geteuid() == 0:  # others may start no process at all
            assert outcome.kind == "done", outcome
            assert not alive(int(outcome.results["out"]))
    assert not alive(server)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="numbers of Linux")
def test_numbers_of_system_calls_are_those_of_the_headers():
    headers = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }
    found = {machine: path.read_text() for machine, path in headers.items() if path.exists()}
    if not found:
        pytest.skip("the kernel's headers are not installed")
    for machine, text in found.items():
        numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
        for name, number in {**seccomp.ALLOWED[machine], **seccomp.PARTLY_ALLOWED[machine]}.items():
            old = "fstatat" if name == "newfstatat" and machine == "aarch64" else name
            assert int(numbers[old]) == number, (machine, name)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_allows_what_is_listed_and_refuses_the_rest(machine):
    allowed = {**seccomp.ALLOWED[machine]}
    assert not {"socket", "connect", "clone", "fork", "execve", "kill", "ptrace", "mount"} & set(allowed)
    program = seccomp.filter_program(machine)
    for number in allowed.values():
        assert interpret(program, machine, number) == "allow"
    partly = seccomp.PARTLY_ALLOWED[machine]
    assert interpret(program, machine, partly["prlimit64"], (0,)) == "allow"
    assert interpret(program, machine, partly["prlimit64"], (1,)) == "refuse"
    assert interpret(program, machine, partly["fcntl"], (3, 2)) == "allow"
    assert interpret(program, machine, partly["fcntl"], (3, 8)) == "refuse"
    listed = {*allowed.values(), *partly.values()}
    assert all(interpret(program, machine, n) == "refuse" for n in range(600) if n not in listed)
    assert interpret(program, machine, min(listed) | 0x40000000) == "refuse"  # the calls of x32
    assert interpret(program, "other", min(listed)) == "kill"


def interpret(program: bytes, machine: str, number: int, args: tuple = ()) -> str:
    """The classic BPF of a filter, instruction by instruction."""
    import struct

    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    data = struct.pack("iIQ6Q", number, seccomp._ARCHITECTURE.get(machine, 1), 0, *(*args, *(0,) * (6 - len(args))))
    at = value = 0
    while True:
        code, yes, no, k = steps[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("I", data, k)
        elif code == 0x15:
            at += yes if value == k else no
        else:
            return {0x7FFF0000: "allow", 0x80000000: "kill", 0x00050001: "refuse"}[k]
