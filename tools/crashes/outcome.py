"""What an unbroken run and a resumed one must share, as SHA-256 sums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from chainrule.recipes.verification import weights_sha256
from chainrule.solver.checkpoint import load_checkpoint

TIMES = ("seconds", "examples_per_second")


def of_folder(folder: Path) -> dict[str, str]:
    """Of a finished run's folder: its weights, and its history without the times."""
    history = json.loads((folder / "history.json").read_text())
    for record in history["epochs"]:
        for name in TIMES:
            del record[name]
    digest = hashlib.sha256(json.dumps(history).encode()).hexdigest()
    return {"weights": weights_sha256(load_checkpoint(folder / "checkpoint")[0]), "history": digest}


def of_slots(solver: Any) -> str:
    """Of what the update rule keeps after the last step."""
    return weights_sha256({n: a for n, a in solver.engine.state().items() if n.startswith("slot.")})


def is_finished(folder: Path) -> bool:
    """Whether the results are written."""
    try:
        status: str = json.loads((folder / "results.json").read_text())["status"]
    except OSError:
        return False
    return status == "finished"
