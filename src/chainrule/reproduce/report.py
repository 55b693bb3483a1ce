"""The files of a reproduction: reproduce.md, .html and .json, and a picture of each row beside them."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule.files import write_atomically
from chainrule.reproduce.curves import curves_png
from chainrule.reproduce.jobs import Row
from chainrule.reproduce.markdown import markdown
from chainrule.reproduce.outcomes import Outcome, read
from chainrule.reproduce.rows import row_dict
from chainrule.reproduce.web_page import html

NAME = "reproduce"


def collect(rows: Sequence[Row], kept: Path, failures: Mapping[str, str]) -> dict[str, Outcome]:
    """The outcome of every training of `rows`, by its key."""
    return {job.key: read(job, kept, failures.get(job.key)) for row in rows for job in row.jobs}


def summarize(rows: Sequence[Row], outcomes: Mapping[str, Outcome], *, quick: bool, command: str) -> dict[str, Any]:
    """All that the pages show, as plain data."""
    trained = [o.measured.get("seconds") for o in outcomes.values()]
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "quick": quick,
        "seconds": sum(s for s in trained if s is not None),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "chainrule": chainrule.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "rows": [row_dict(row, outcomes, shortened=quick) for row in rows],
    }


def write(folder: Path, found: dict[str, Any], rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> None:
    """Write the three files and the pictures into `folder`."""
    pictures = {row.name: png for row in rows if (png := curves_png(row, outcomes)) is not None}
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    for name, png in pictures.items():
        write_atomically(folder / NAME / f"{name}.png", png)
    write_atomically(folder / f"{NAME}.json", json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    write_atomically(folder / f"{NAME}.html", html(found, pictures))
    write_atomically(folder / f"{NAME}.md", markdown(found, {name: f"{NAME}/{name}.png" for name in pictures}))


def _processor() -> str:
    """The processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() if platform.processor() else platform.machine()
