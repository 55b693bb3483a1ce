"""Checking a file in a child process with a time limit: its code may hang, crash or print what it likes.

The child (`child.py`) writes what it found as JSON to a file in a temporary folder; what the code prints goes nowhere.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.check.diagnosis.findings import Diagnosis
from chainrule.errors import ConfigError, DataError, require_number
from chainrule.typed import typed

CHILD = "chainrule.check.diagnosis.child"
SMALLEST_LIMIT = 0.1


@typed
def gradcheck_file(
    path: str | Path,
    name: str | None = None,
    *,
    backward: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, Any] | None = None,
    kind: str | None = None,
    seed: int = 0,
    corners: bool = True,
    timeout: float = 120.0,
) -> list[Diagnosis]:
    """Diagnose every pair, loss, class and model of a Python file, or the one called `name`.

    backward: the name of the backward function that belongs to `name`, where names do not say it. timeout: seconds for
    the whole file. The other options are those of `diagnose`; shapes and values that an argument of that name takes.

    The file's code runs in a child process. Raises `DataError` where the file cannot be read or imported, takes too
    long, or ends the process; `ConfigError` where it has nothing to check. Things for which no arguments are found get
    the verdict "unknown" if there are others in the file.
    """
    path = Path(path)
    require_number("gradcheck", "timeout", timeout, low=SMALLEST_LIMIT)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    request = {
        "path": str(path.resolve()),
        "name": name,
        "backward": backward,
        "options": {"kind": kind, "seed": seed, "corners": corners},
        "shapes": {n: list(s) for n, s in ({} if shapes is None else shapes).items()},
        "values": {n: encode(v) for n, v in ({} if values is None else values).items()},
    }
    with tempfile.TemporaryDirectory(prefix="chainrule-gradcheck-") as folder:
        question, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        question.write_text(json.dumps(request))
        status = _run([sys.executable, "-m", CHILD, str(question), str(answer)], path, timeout)
        if not answer.exists():
            raise DataError(f"{path}: {_ending(status)} while it was being checked")
        found = json.loads(answer.read_text())
    if "error" in found:
        kind_of_error = ConfigError if found["type"] == "ConfigError" else DataError
        raise kind_of_error(f"{path}: {found['error']}" if kind_of_error is DataError else found["error"])
    return [Diagnosis.from_json(d) for d in found["checks"]]


def _run(command: list[str], path: Path, timeout: float) -> int:
    """The exit status; the whole process group is ended when time is up."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=path.resolve().parent,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DataError(f"{path}: not finished after {timeout:g} s (timeout); is there an endless loop?") from None
        finally:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _ending(status: int) -> str:
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"the process ended itself with status {status}"


def encode(value: Any) -> Any:
    """A value as JSON: arrays as .npy, in base64."""
    if isinstance(value, np.ndarray):
        content = io.BytesIO()
        np.save(content, value, allow_pickle=False)
        return {"npy": base64.b64encode(content.getvalue()).decode()}
    if isinstance(value, Mapping):
        return {"dict": {str(k): encode(v) for k, v in value.items()}}
    return {"value": value}


def decode(value: Any) -> Any:
    """What `encode` was given."""
    if "npy" in value:
        return np.load(io.BytesIO(base64.b64decode(value["npy"])), allow_pickle=False)
    if "dict" in value:
        return {k: decode(v) for k, v in value["dict"].items()}
    return value["value"]
