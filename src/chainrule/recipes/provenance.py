"""What a run depended on: versions, machine, engine, data. Written beside its results, compared when it goes on.

`may_change_bits` says of each entry whether another value means other bits: "changes" them, "may" change them, or "no".
The native engine's results depend on its code and the instruction set; the reference engine's on NumPy, whose BLAS
chooses its kernels by the processor. Neither depends on the number of threads, unless NumPy is left its own.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule.data import Splits
from chainrule.engines.native import is_available
from chainrule.engines.one_thread import VARIABLE as THREADS_OF_NUMPY
from chainrule.errors import ConfigError
from chainrule.recipes.experiment import Experiment, load_splits
from chainrule.recipes.recipe import Recipe
from chainrule.solver import Solver
from chainrule.solver.checkpoint import engine_name

FORMAT = 2  # of a run's folder; 1: without sums in the results
_BLOCK = 1 << 24
CHANGES, MAY, NO = "changes", "may", "no"
_TOLD = {CHANGES: "changes", MAY: "may change"}


def provenance(experiment: Experiment, solver: Solver) -> dict[str, Any]:
    """The environment, and the SHA-256 of the rows that are trained, validated and tested on, as they were read."""
    threads = getattr(solver.engine, "threads", _numpy_threads())
    return {"format": FORMAT} | environment(engine_name(solver), threads) | {"rows": rows_sha256(experiment.splits)}


def _numpy_threads() -> int:
    """What OMP_NUM_THREADS asks for, 0 where it asks for nothing; OpenMP takes a list too, a number for each level."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def environment(engine: str, threads: int) -> dict[str, Any]:
    """Versions, code, processor, engine with its instruction set, NumPy's BLAS, threads; and what may change bits."""
    packages = {name: metadata.version(name) for name in ("numpy", "safetensors")}
    found = {
        "versions": {"chainrule": chainrule.__version__, **packages, "python": platform.python_version()},
        "code": code_sha256(),
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "engine": engine,
        "blas": _blas(),
        "numpy_threads": "all" if os.environ.get(THREADS_OF_NUMPY) == "0" else "one",
        "threads": threads,
    }
    return found | {"may_change_bits": effects(engine, str(found["numpy_threads"]))}


def effects(engine: str, numpy_threads: str = "one") -> dict[str, str]:
    """Of each entry, whether another value means other bits for a run of this engine."""
    numpy_computes = NO if engine.startswith("native") else MAY
    return {
        "rows": CHANGES,
        "engine": CHANGES,  # with the instruction set
        "versions": MAY,
        "code": MAY,
        "system": MAY,
        "blas": numpy_computes,
        "processor": numpy_computes,
        "numpy_threads": numpy_computes,
        "threads": numpy_computes if numpy_threads == "all" else NO,
    }


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What has changed and may change bits, a sentence each; other data are a `ConfigError`."""
    for name, digest in _table(before, "rows").items():
        if now["rows"].get(name) != digest:
            raise ConfigError(f"the run was trained on other data: the SHA-256 of {name} is not the one it recorded")
    return changes(before, now)


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The same of all but the data; entries that an older version did not record are left out."""
    notes = []
    for what, effect in now["may_change_bits"].items():
        if what == "rows" or what not in before or effect == NO or before[what] == now[what]:
            continue
        notes.append(f"{what} was {_text(before[what])}, is {_text(now[what])}: this {_TOLD[effect]} the last bits")
    return notes


def compare_here(before: dict[str, Any], recipe: Recipe, *, data: bool = False) -> list[str]:
    """What differs on this machine from what a run recorded and may change bits, a sentence each.

    data: read the data set too, and compare its rows.
    """
    engine = str(before.get("engine"))
    here = environment(_engine_here(engine), int(before["threads"]) if type(before.get("threads")) is int else 0)
    notes = changes(before, here)
    if data:
        now = rows_sha256(load_splits(recipe)[1])
        different = [name for name, digest in _table(before, "rows").items() if now.get(name) != digest]
        notes += [
            f"{name} are other rows than the run's, by their SHA-256: this changes the bits" for name in different
        ]
    return notes


def rows_sha256(splits: Splits) -> dict[str, str]:
    """Of inputs and targets of each part, as they were read: shape, dtype, content."""
    return {name: _sha256(array) for name, array in splits.as_dict().items()}


@functools.cache
def code_sha256() -> str:
    """Of the package's files, Python and compiled: what a version number may not tell."""
    root, digest = Path(chainrule.__file__).parent, hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".so", ".pyd")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _engine_here(engine: str) -> str:
    """What this machine would run a run of `engine` with."""
    if not engine.startswith("native"):
        return engine
    if not is_available():
        return "reference"
    from chainrule.engines import _native

    return f"native ({_native.instruction_sets()[0]})"


def _blas() -> str:
    """The library of NumPy's products, its version and the kernels it chose for this processor."""
    try:
        from threadpoolctl import threadpool_info

        for found in threadpool_info():
            if found.get("user_api") == "blas":
                words = (found.get("internal_api"), found.get("version"), found.get("architecture"))
                return " ".join(str(word) for word in words if word)
    except ImportError:
        pass
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _table(value: dict[str, Any], name: str) -> dict[str, Any]:
    table = value.get(name, {})
    return table if isinstance(table, dict) else {}


def _text(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _sha256(rows: Any) -> str:
    """Of shape, dtype and content."""
    array = np.asarray(rows)
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    flat = array.reshape(len(array), -1)
    step = max(_BLOCK // max(flat[:1].nbytes, 1), 1)
    for start in range(0, len(flat), step):  # a memory map is read part by part
        digest.update(np.ascontiguousarray(flat[start : start + step]).data)
    return digest.hexdigest()


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
