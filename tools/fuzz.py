"""Damaged and hostile files by the thousand: every reader must give data or one typed error, whatever it is given.

    python tools/fuzz.py --cases 20000 --report docs/results/fuzz.md

Each case takes a good file, changes it (see `MUTATIONS`), writes it to a scratch folder and reads it. Packed files are
also changed inside and packed again, and the sums of tar headers made right again, so that changes get past checksums.
Reading happens in a child process with a limit on memory and an alarm; warnings are errors, and an audit hook reports
whatever would run a program, look up a name of a pickle, open a socket or write outside of the scratch folder.
A case is judged bad when the child dies, hangs, warns, raises anything but the package's errors, or trips the hook.
Cases depend on (seed, number) only: `--only N` repeats one, with its traceback.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import gzip
import io
import json
import lzma
import os
import pickle
import platform
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ALARM = 20  # seconds a case may take
MEMORY = 3 << 30  # bytes of address space
CHUNK = 1000  # cases a child

Bytes = bytes
Rng = np.random.Generator


# -- good files ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of file: good examples, how one is read, and how its inside is reached where it is packed."""

    name: str
    examples: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    ending: str
    unpack: Callable[[bytes], bytes] | None = None
    pack: Callable[[bytes], bytes] | None = None


@functools.cache
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "images": rng.integers(0, 256, (5, 4, 3), dtype=np.uint8),
        "colours": rng.integers(0, 256, (3, 3072), dtype=np.uint8),
        "labels": rng.integers(0, 10, 3),
        "X": rng.normal(size=(6, 4)),
        "y": np.array([0, 1, 2, 0, 1, 2]),
    }


def idx_files() -> list[bytes]:
    a = arrays()
    out = []
    for code, array in ((8, a["images"]), (0x0D, a["X"].astype(">f4")), (0x0B, a["y"].astype(">i2"))):
        head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        out.append(head + array.tobytes())
    return out


def cifar_pickles() -> list[bytes]:
    a = arrays()
    labels = [int(v) for v in a["labels"]]
    ten = {b"data": a["colours"], b"labels": labels, b"batch_label": b"one", b"filenames": [b"a", b"b", b"c"]}
    return [pickle.dumps(ten, protocol=protocol) for protocol in (2, 4, 5)]


def cifar_binary() -> list[bytes]:
    a = arrays()
    return [np.concatenate([a["labels"][:, None].astype(np.uint8), a["colours"]], axis=1).tobytes()]


def npz_files(compressed: bool) -> list[bytes]:
    a, out = arrays(), io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(out, X=a["X"], y=a["y"], F=np.asfortranarray(a["images"]))
    return [out.getvalue()]


def mat_element(kind: int, content: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat_file(order: str = "<", compressed: bool = False) -> bytes:
    a = arrays()
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    for name, array, class_, stored, code in (
        (b"X", a["X"], 6, 9, "f8"),
        (b"labels", a["y"][:, None], 6, 2, "u1"),
        (b"images", a["images"], 9, 2, "u1"),
    ):
        parts = mat_element(6, struct.pack(f"{order}II", class_, 0), order)
        parts += mat_element(5, struct.pack(f"{order}{array.ndim}i", *array.shape), order)
        small = struct.pack(f"{order}I", len(name) << 16 | 1) + name.ljust(4, b"\0")
        parts += small if len(name) <= 4 else mat_element(1, name, order)
        parts += mat_element(stored, array.astype(order + code).tobytes(order="F"), order)
        matrix = mat_element(14, parts, order)
        if compressed:
            packed = zlib.compress(matrix)
            matrix = struct.pack(f"{order}II", 15, len(packed)) + packed
        out += matrix
    return out


class Hostile:
    """What a malicious pickle holds: a call, made when it is loaded."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def pickles() -> list[bytes]:
    a = arrays()
    values: list[Any] = [
        (a["X"], a["y"]),
        {"X": a["X"], "y": a["y"].tolist()},
        {"X_train": a["X"], "y_train": a["y"], "X_test": a["X"], "y_test": a["y"]},
    ]
    out = [pickle.dumps(value, protocol=protocol) for protocol in range(6) for value in values]
    for protocol in (0, 2, 4):
        out.append(pickle.dumps((a["X"], Hostile(os.system, "touch canary")), protocol=protocol))
        out.append(pickle.dumps({"X": Hostile(eval, "open('canary', 'w')"), "y": a["y"]}, protocol=protocol))
    return out


def csv_files() -> list[bytes]:
    rows = "\n".join(f"{i},{i / 7:.4f},{'abc'[i % 3]}" for i in range(12))
    return [
        f"height,width,label\n{rows}\n".encode(),
        "\n".join(f"{i},{i * i},{i % 2}" for i in range(9)).encode(),
        b'a,"b ""c""",y\n1.5,2,x\n3,4,"y\nz"\n',
    ]


def members() -> list[tuple[str, bytes]]:
    return [
        ("set/a/1.bin", b"one" * 50),
        ("set/a/2.bin", bytes(600)),
        ("set/é/" + "n" * 60 + "/" + "m" * 60, b"three"),
        ("set/b", b""),
    ]


def tar_files() -> list[bytes]:
    out = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
            for name, content in members():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        out.append(stream.getvalue())
    return out


def zip_files() -> list[bytes]:
    out = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, content in members():
                archive.writestr(name, content)
        out.append(stream.getvalue())
    return out


def cifar_tars() -> list[bytes]:
    from chainrule.data.cifar10 import META, TEST, TRAIN

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in (*TRAIN, TEST, META):
            content = pickle.dumps({b"label_names": [b"c%d" % i for i in range(10)]}, 2)
            content = cifar_pickles()[0] if name != META else content
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return [stream.getvalue()]


# -- packing again, so that a change gets past the checksums ---------------------------------------------------------


def with_right_sums(data: bytes) -> bytes:
    """A tar archive with the sums of its headers made right; what is a header is seen from the magic."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def unzipped(data: bytes) -> bytes:
    """The members of a zip archive, one after the other, each behind its name and length."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name.encode(), archive.read(name)) for name in archive.namelist()]
    return b"".join(struct.pack("<HI", len(name), len(body)) + name + body for name, body in parts)


def zipped(data: bytes) -> bytes:
    stream, at = io.BytesIO(), 0
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice is meant
        while at + 6 <= len(data):
            n, length = struct.unpack("<HI", data[at : at + 6])
            name, body = data[at + 6 : at + 6 + n], data[at + 6 + n : at + 6 + n + length]
            archive.writestr(zipfile.ZipInfo(name.decode("latin-1").encode("ascii", "replace").decode()), body)
            at += 6 + n + length
    return stream.getvalue()


def mat_unpacked(data: bytes) -> bytes:
    out, at = data[:128], 128
    while at + 8 <= len(data):
        _, length = struct.unpack("<II", data[at : at + 8])
        out += zlib.decompress(data[at + 8 : at + 8 + length])
        at += 8 + length
    return out


def mat_packed(data: bytes) -> bytes:
    out, at = data[:128], 128
    while at + 8 <= len(data):
        length = min(struct.unpack("<I", data[at + 4 : at + 8])[0], len(data))
        packed = zlib.compress(data[at : at + 8 + length], 1)
        out += struct.pack("<II", 15, len(packed)) + packed
        at += 8 + length
    return out


# -- reading ---------------------------------------------------------------------------------------------------------


def read_any(path: Path) -> Any:
    from chainrule.data import read

    return read(path)


def read_table(path: Path) -> Any:
    from chainrule.data import read

    return read(path, target=-1)


def read_idx(path: Path) -> Any:
    from chainrule.data import read_idx

    return read_idx(path)


def read_cifar_pickle(path: Path) -> Any:
    from chainrule.data.cifar_pickle import read_cifar_batch

    return read_cifar_batch(path)


def read_cifar_binary(path: Path) -> Any:
    from chainrule.data.cifar_binary import parse_cifar_binary

    return parse_cifar_binary(path.read_bytes(), str(path), (10,))


def read_npz(path: Path) -> Any:
    from chainrule.data import read_npz

    return read_npz(path)


def read_mat(path: Path) -> Any:
    from chainrule.data import read_mat

    return read_mat(path)


def read_archive(path: Path) -> Any:
    """All members, then all unpacked; nothing may appear beside the folder."""
    from chainrule.data import extract, iterate_members

    count = sum(1 for _ in iterate_members(path))
    before = set(os.listdir(path.parent))
    try:
        if extract(path, path.parent / "out") != count:
            raise AssertionError("another number of files unpacked than listed")
    finally:
        shutil.rmtree(path.parent / "out", ignore_errors=True)
        if set(os.listdir(path.parent)) != before:
            raise AssertionError("something was written beside the folder")
    return count


def read_cifar10(path: Path) -> Any:
    from chainrule.data import load_cifar10

    return load_cifar10(path)


def gunzipped(data: bytes) -> bytes:
    return gzip.decompress(data)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def packed_all(pack: Callable[[bytes], bytes], files: Callable[[], list[bytes]]) -> Callable[[], list[bytes]]:
    return lambda: [pack(data) for data in files()]


TARGETS = (
    Target("idx", idx_files, read_idx, ".idx"),
    Target("idx, gzip", packed_all(gzipped, idx_files), read_idx, ".gz", gunzipped, gzipped),
    Target("CIFAR python", cifar_pickles, read_cifar_pickle, ""),
    Target("CIFAR binary", cifar_binary, read_cifar_binary, ".bin"),
    Target("CIFAR-10 tar", cifar_tars, read_cifar10, ".tar", lambda data: data, with_right_sums),
    Target("npz", lambda: npz_files(False), read_npz, ".npz", unzipped, zipped),
    Target("npz by read", lambda: npz_files(True), read_any, ".npz", unzipped, zipped),
    Target("mat", lambda: [mat_file("<"), mat_file(">")], read_mat, ".mat"),
    Target("mat, compressed", lambda: [mat_file("<", True)], read_mat, ".mat", mat_unpacked, mat_packed),
    Target("mat by read", lambda: [mat_file("<"), mat_file(">")], read_any, ".mat"),
    Target("pickle (X, y)", pickles, read_any, ".pkl"),
    Target("CSV", csv_files, read_table, ".csv"),
    Target("tar", tar_files, read_archive, ".tar", lambda data: data, with_right_sums),
    Target("tar.gz", packed_all(gzipped, tar_files), read_archive, ".tar.gz", gunzipped, gzipped),
    Target("tar.xz", packed_all(xz, tar_files), read_archive, ".tar.xz", lzma.decompress, xz),
    Target("zip", zip_files, read_archive, ".zip", unzipped, zipped),
)


# -- changing a file -------------------------------------------------------------------------------------------------


def flip(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    for _ in range(int(rng.geometric(0.5))):
        data[at(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def overwrite(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    for _ in range(int(rng.geometric(0.5))):
        data[at(data, rng)] = int(rng.integers(256))
    return data


def truncate(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    return data[: at(data, rng)]


def insert(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    data[start:start] = rng.bytes(int(rng.integers(1, 65)))
    return data


def delete(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    del data[start : start + int(rng.integers(1, 65))]
    return data


def repeat(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    piece = data[start : start + int(rng.integers(1, 600))]
    data[start:start] = piece * int(rng.integers(1, 20))
    return data


def splice(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    return data[: at(data, rng)] + other[at(other, rng) :]


def number(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    """A length or count replaced by one that is likely to break something."""
    start, width = at(data, rng), int(rng.choice([1, 2, 4, 8]))
    top = 1 << 8 * width
    value = int(rng.choice(np.array([0, 1, 2, 7, 64, top // 2 - 1, top // 2, top - 1, top - 8], dtype=object))) % top
    data[start : start + width] = value.to_bytes(width, "big" if rng.random() < 0.5 else "little")
    return data


def digits(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    """A number written in text or octal replaced by another."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        start = places[int(rng.integers(len(places)))]
        data[start : start + int(rng.integers(1, 4))] = bytes(rng.choice(list(b"0123456789-.eE /_"), 3).tolist())
    return data


MUTATIONS = (flip, overwrite, truncate, insert, delete, repeat, splice, number, digits)


def at(data: bytes | bytearray, rng: Rng) -> int:
    """A position, half of the time among the first bytes, where lengths and types are."""
    if len(data) < 2:
        return 0
    return int(rng.integers(min(len(data), 600))) if rng.random() < 0.5 else int(rng.integers(len(data)))


@functools.cache
def examples(target: Target) -> list[bytes]:
    return target.examples()


def case(seed: int, index: int) -> tuple[Target, str, bytes]:
    """Case number `index`: what it is read as, what was done, the bytes."""
    rng = np.random.default_rng([seed, index])
    target = TARGETS[index % len(TARGETS)]
    files = examples(target)
    data = files[int(rng.integers(len(files)))]
    inside = target.unpack is not None and rng.random() < 0.6
    other = examples(TARGETS[int(rng.integers(len(TARGETS)))])[0] if rng.random() < 0.5 else data
    if inside:
        data = target.unpack(data)
        other = target.unpack(files[0]) if rng.random() < 0.7 else other
    changed, done = bytearray(data), []
    for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 4))):
        if not changed:
            break
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        changed = mutation(changed, rng, other)
        done.append(mutation.__name__)
    data = bytes(changed)
    return target, " + ".join(done) + (", inside" if inside else ""), target.pack(data) if inside else data


# -- judging a case --------------------------------------------------------------------------------------------------

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
        elif event.startswith(FORBIDDEN):
            self.events.append(f"{event} {arguments!r:.100}")


def outcome(target: Target, data: bytes, scratch: Path, hook: Hook) -> tuple[str, str]:
    """("read" | "refused" | "bad", the kind of error or what went wrong)."""
    from chainrule.errors import ChainruleError

    path = scratch / f"case{target.ending}"
    path.write_bytes(data)
    hook.events.clear()
    hook.armed = True
    signal.setitimer(signal.ITIMER_REAL, ALARM)
    try:
        target.read(path)
        result = ("read", "")
    except ChainruleError as error:
        text = str(error)
        result = (
            ("refused", type(error).__name__) if text and len(text) < 2000 else ("bad", f"a message of {len(text)}")
        )
    except BaseException as error:
        result = ("bad", f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        hook.armed = False
    if hook.events:
        result = ("bad", "; ".join(hook.events))
    if (scratch / "canary").exists() or Path("canary").exists():
        result = ("bad", "code of a pickle was run")
    return result


def child(seed: int, first: int, last: int, scratch: Path) -> None:
    """Judge cases, one line of JSON each; the number of a case is said before it is begun."""
    os.chdir(scratch)
    hook = Hook(scratch)

    def ring(*_: Any) -> None:
        raise TimeoutError(f"longer than {ALARM} s")

    signal.signal(signal.SIGALRM, ring)
    for target in TARGETS:  # whatever is imported late is imported now, and every example must be read
        for data in examples(target):
            path = scratch / f"case{target.ending}"
            path.write_bytes(data)
            if b"canary" not in data:
                target.read(path)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    for index in range(first, last):
        target, done, data = case(seed, index)
        print(json.dumps({"begin": index}), flush=True)
        start = time.perf_counter()
        kind, detail = outcome(target, data, scratch, hook)
        seconds = time.perf_counter() - start
        line = {"index": index, "target": target.name, "done": done, "kind": kind, "detail": detail, "seconds": seconds}
        print(json.dumps(line), flush=True)
    print(json.dumps({"peak": _peak()}), flush=True)


def _peak() -> int:
    """KiB this process has held at most; getrusage would count what its parent held when it was forked."""
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


@dataclasses.dataclass
class Result:
    """What came of all cases."""

    counts: dict[str, collections.Counter[str]]
    errors: collections.Counter[str]
    bad: list[str]
    slowest: float = 0.0
    peak: int = 0

    @property
    def cases(self) -> int:
        return sum(sum(counter.values()) for counter in self.counts.values())


def run(cases: int, seed: int = 0, chunk: int = CHUNK) -> Result:
    """Judge `cases` cases in child processes; one that dies is started again behind the case that killed it."""
    result = Result({target.name: collections.Counter() for target in TARGETS}, collections.Counter(), [])
    first = 0
    while first < cases:
        first = _chunk(result, seed, first, min(first + chunk, cases))
    return result


def _chunk(result: Result, seed: int, first: int, last: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, __file__, "--child", str(seed), str(first), str(last), scratch]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=ALARM * 60, check=False)
    begun = judged = first - 1
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if "begin" in record:
            begun = record["begin"]
        elif "peak" in record:
            result.peak = max(result.peak, record["peak"])
        else:
            judged = record["index"]
            result.counts[record["target"]][record["kind"]] += 1
            result.slowest = max(result.slowest, record["seconds"])
            if record["kind"] == "refused":
                result.errors[record["detail"]] += 1
            if record["kind"] == "bad":
                result.bad.append(f"case {judged} ({record['target']}, {record['done']}): {record['detail']}")
    if judged == last - 1:
        return last
    if begun < first:
        raise RuntimeError(f"the child did not start: {done.stderr}")
    name = TARGETS[begun % len(TARGETS)].name
    result.counts[name]["bad"] += 1
    result.bad.append(f"case {begun} ({name}): the process died with {done.returncode}: {done.stderr[-500:]}")
    return begun + 1


def report(result: Result, seed: int, seconds: float) -> str:
    """The page of results."""
    rows = [
        f"| {name} | {sum(counter.values()):,} | {counter['read']:,} | {counter['refused']:,} | {counter['bad']:,} |"
        for name, counter in result.counts.items()
    ]
    kinds = ", ".join(f"{count:,} {name}" for name, count in result.errors.most_common())
    total: collections.Counter[str] = sum(result.counts.values(), collections.Counter())
    lines = [
        "# Damaged and hostile files",
        "",
        "Written by `tools/fuzz.py` (`make fuzz`); do not edit. Good files of every kind are changed at random "
        f"({', '.join(mutation.__name__ for mutation in MUTATIONS)}; packed ones also inside) and read in a child "
        f"process with {MEMORY >> 30} GiB of address space, an alarm of {ALARM} s, warnings as errors, and an audit "
        "hook against running, importing by pickle, connecting, linking, and writing elsewhere. “Bad” is anything "
        "but data or one typed error.",
        "",
        f"{result.cases:,} cases with seed {seed}: {total['read']:,} read, {total['refused']:,} refused ({kinds}), "
        f"{total['bad']:,} bad.",
        "",
        "| kind | cases | read | refused | bad |",
        "|---|---:|---:|---:|---:|",
        *rows,
        "",
        f"Largest process {result.peak / 1024:.0f} MiB, slowest case {result.slowest:.2f} s, all of it {seconds:.0f} s "
        f"on Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}.",
        "",
        *(f"- {line}" for line in result.bad[:50]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def repeat_one(seed: int, index: int) -> None:
    """Read one case here and show what happens."""
    target, done, data = case(seed, index)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"case{target.ending}"
        path.write_bytes(data)
        print(f"{target.name}: {done}, {len(data)} bytes")
        print(target.read(path))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--only", type=int)
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        seed, first, last = map(int, options.child[:3])
        child(seed, first, last, Path(options.child[3]))
        return 0
    if options.only is not None:
        repeat_one(options.seed, options.only)
        return 0
    start = time.perf_counter()
    result = run(options.cases, options.seed)
    text = report(result, options.seed, time.perf_counter() - start)
    if options.report is not None:
        options.report.write_text(text)
    print(text)
    return int(bool(result.bad))


if __name__ == "__main__":
    sys.exit(main())
