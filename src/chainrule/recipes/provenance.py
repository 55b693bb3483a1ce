"""What a run depended on: versions, machine, engine, data. Written beside its results, and compared when it goes on."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import __version__
from chainrule.data import NormalizedRows
from chainrule.errors import ConfigError
from chainrule.recipes.experiment import Experiment
from chainrule.solver import Solver
from chainrule.solver.checkpoint import engine_name

_BLOCK = 1 << 24


def provenance(experiment: Experiment, solver: Solver) -> dict[str, Any]:
    """Versions, processor, engine, threads, and the SHA-256 of the rows that are trained and validated on."""
    return {
        "versions": {"chainrule": __version__, "numpy": metadata.version("numpy"), "python": platform.python_version()},
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "engine": engine_name(solver),
        "threads": getattr(solver.engine, "threads", int(os.environ.get("OMP_NUM_THREADS", "0") or 0)),
        "data": {
            name: _sha256(experiment.data[name])
            for name in ("X_train", "y_train", "X_val", "y_val")
            if name in experiment.data
        },
    }


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What has changed and may change bits, a sentence each; other data are a `ConfigError`."""
    for name, digest in before.get("data", {}).items():
        if now["data"].get(name) != digest:
            raise ConfigError(f"the run was trained on other data: the SHA-256 of {name} is not the one it recorded")
    notes = []
    for what, effect in (("engine", "changes"), ("versions", "may change"), ("processor", "may change")):
        if before.get(what) != now[what] and not (what == "processor" and now["engine"].startswith("native")):
            notes.append(f"{what} was {_text(before.get(what))}, is {_text(now[what])}: this {effect} the last bits")
    return notes


def _text(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _sha256(rows: Any) -> str:
    """Of shape, dtype and content; the raw rows where they are normalised on the way."""
    array = rows.X if isinstance(rows, NormalizedRows) else np.asarray(rows)
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    if isinstance(rows, NormalizedRows):
        digest.update(repr((rows.normalizer.mean.tolist(), rows.normalizer.scale.tolist())).encode())
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
