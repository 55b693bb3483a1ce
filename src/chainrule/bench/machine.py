"""The machine: its processor, and what it does at best, measured."""

from __future__ import annotations

import os
import platform
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "torch", "jax", "scikit-learn")


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, cores, versions, and the instruction set the native engine chooses."""
    from chainrule import __version__

    versions = {"chainrule": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": len(allowed_cores()),
        "threads": threads,
        "instruction_sets": instruction_sets(),
        "versions": versions,
    }


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    fallback = platform.processor()
    return named[0] if named else fallback if fallback else platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself; True where it does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return True
    flags = {word for line in text.splitlines() if line.startswith(("flags", "Features")) for word in line.split()}
    return not flags or bool(flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


def instruction_sets() -> list[str]:
    """Those of the native engine that run here, the best first; none without the compiled module."""
    try:
        from chainrule.engines import _native
    except ImportError:
        return []
    return _native.instruction_sets()


def allowed_cores() -> list[int]:
    """The processors this process may use, one of each physical core first."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    allowed = sorted(os.sched_getaffinity(0))
    seen: set[str] = set()
    first: list[int] = []
    second: list[int] = []
    for cpu in allowed:
        core = _siblings(cpu)
        (second if core in seen else first).append(cpu)
        seen.add(core)
    return first + second


def _siblings(cpu: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def bandwidth(size: int, threads: int) -> float:
    """GB/s that `threads` threads read and write together, copying within `size` bytes of memory."""
    count = max(size // 8 // threads, 64)  # floats: half of each thread's part
    arrays = [(np.ones(count, np.float32), np.empty(count, np.float32)) for _ in range(threads)]
    repeats = max(1, 32_000_000 // (8 * count))

    def copy(pair: tuple[Any, Any], ready: threading.Barrier) -> None:
        ready.wait()
        for _ in range(repeats):
            np.copyto(pair[1], pair[0])

    best = 0.0
    for _ in range(5):
        ready = threading.Barrier(threads + 1)
        workers = [threading.Thread(target=copy, args=(pair, ready)) for pair in arrays]
        for worker in workers:
            worker.start()
        ready.wait()
        started = time.perf_counter()
        for worker in workers:
            worker.join()
        best = max(best, 8 * count * threads * repeats / (time.perf_counter() - started) / 1e9)
    return best


def peak(threads: int) -> dict[str, Any]:
    """GFLOP/s of single-precision fused multiply-adds, and how they were measured."""
    try:
        from chainrule.engines import _native
    except ImportError:
        return {"gflops": _product_peak(), "source": "the best of NumPy's matrix products of 1024³"}
    isa = _native.instruction_sets()[0]
    if hasattr(_native, "peak"):
        return {"gflops": max(float(_native.peak(isa, threads)) for _ in range(5)), "source": f"a loop of {isa}"}
    found = max(_convolution_peak(), _product_peak())
    return {"gflops": found, "source": "the best of a convolution 96 → 96 and NumPy's matrix products of 1024³"}


def _convolution_peak() -> float:
    from chainrule.bench.cases import Case
    from chainrule.bench.ours import _native_passes
    from chainrule.layers import Conv2D

    case = Case(Conv2D(96, 3, padding=1), (32, 96, 16, 16))
    passes = _native_passes(case)
    return case.flops / min(next(passes)[0] for _ in range(30)) / 1e9


def _product_peak() -> float:
    a = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return 2 * 1024**3 / min(times) / 1e9
