"""Checking a file in a child process with a time limit: its code may hang, crash or print what it likes.

The child writes what it found as JSON to a file in a temporary folder; what the code prints goes to nowhere.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
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

from chainrule.check.diagnosis.discovery import find_checks
from chainrule.check.diagnosis.findings import Diagnosis
from chainrule.check.diagnosis.user_code import one_line
from chainrule.errors import ChainruleError, ConfigError, DataError, require_number

MODULE = "gradcheck_file"
SMALLEST_LIMIT = 0.1


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
    long, or ends the process; `ConfigError` where it has nothing to check.
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
        status = _run([sys.executable, "-m", __name__, str(question), str(answer)], path, timeout)
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
            raise DataError(f"{path}: not finished after {timeout:g} s; is there an endless loop?") from None
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


def main(argv: Sequence[str] | None = None) -> int:
    """The child: read the request, check, write the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question")
    parser.add_argument("answer")
    arguments = parser.parse_args(argv)
    request = json.loads(Path(arguments.question).read_text())
    try:
        checks = [d.to_json() for d in answer(request)]
        found: dict[str, Any] = {"checks": checks}
    except ChainruleError as error:
        found = {"error": str(error), "type": type(error).__name__}
    temporary = Path(f"{arguments.answer}.new")
    temporary.write_text(json.dumps(found, allow_nan=False))
    temporary.replace(arguments.answer)
    return 0


def answer(request: Mapping[str, Any]) -> list[Diagnosis]:
    """The diagnoses that a request asks for."""
    module = load_module(request["path"])
    checks = find_checks(module, request["name"])
    if request["backward"] is not None:
        backward = getattr(module, request["backward"], None)
        if not callable(backward):
            raise ConfigError(f"--backward: the file has no function {request['backward']}")
        checks = [type(c)(c.name, c.forward, backward) for c in checks[:1]]
    shapes = {n: tuple(s) for n, s in request["shapes"].items()}
    values = {n: decode(v) for n, v in request["values"].items()}
    return [c.diagnose(shapes=shapes, values=values, **request["options"]) for c in checks]


def load_module(path: str | Path) -> Any:
    """The file as a module, with its folder on the path; what its import raises becomes a `DataError`."""
    path = Path(path)
    for folder in (path.parent.parent, path.parent):  # a file of a package finds its neighbours either way
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise DataError("is no Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"cannot be imported: {one_line(error)}") from error
    return module


if __name__ == "__main__":
    sys.exit(main())
