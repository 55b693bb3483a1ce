"""Checking a run's folder: every file against its checksum, its format, and the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ChainruleError
from chainrule.recipes.reading import load_recipe
from chainrule.recipes.run import CHECKPOINT, HISTORY, PROVENANCE, RECIPE, RESULTS, TRAINING, load_run, run_folder
from chainrule.solver.checkpoint import load_checkpoint
from chainrule.solver.resumption import checkpoints


@dataclass
class Verification:
    """What was checked, what is wrong with the rest, and the weights' SHA-256 where they could be read."""

    folder: Path
    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    weights_sha256: str | None = None


def verify_run(path: str | Path) -> Verification:
    """Check the run at `path`; raises only where there is no run."""
    found = Verification(run_folder(path))

    def check(name: str, read: Callable[[Path], object]) -> None:
        try:
            read(found.folder / name)
        except (ChainruleError, OSError, ValueError, RecursionError) as error:
            found.problems.append(f"{name}: {error}")
        else:
            found.checked.append(name)

    check(RECIPE, load_recipe)
    for name in (HISTORY, RESULTS, PROVENANCE):
        if (found.folder / name).exists():
            check(name, _read_object)
    if (found.folder / CHECKPOINT).exists():
        check(CHECKPOINT, lambda path: load_run(found.folder))
        if CHECKPOINT in found.checked:
            arrays, state = load_checkpoint(found.folder / CHECKPOINT)
            found.weights_sha256 = weights_sha256(arrays)
            if {RECIPE, HISTORY} <= set(found.checked):
                found.problems += _better_epochs(found.folder, state.get("best"))
    for folder in checkpoints(found.folder / TRAINING):
        check(f"{TRAINING}/{folder.name}", load_checkpoint)
    return found


def weights_sha256(arrays: Mapping[str, Array]) -> str:
    """Of every array in the order of their names: name, shape, dtype, bytes in C order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read_object(path: Path) -> None:
    if not isinstance(json.loads(path.read_bytes()), dict):
        raise ValueError("must hold a JSON object")


def _better_epochs(folder: Path, best: Any) -> list[str]:
    """What is wrong where the history tells of an epoch with a better score than the weights kept as the best."""
    train = load_recipe(folder / RECIPE).train
    by_loss = train.early_stopping is not None and train.early_stopping.monitor == "val_loss"
    if not isinstance(best, dict) or train.keep == "last" or train.averaging is not None or by_loss:
        return []  # written before scores were kept, or other weights are left than the most accurate
    scores = json.loads((folder / HISTORY).read_bytes()).get("val_acc_history")
    kept = best.get("val_acc")
    if not scores or kept is None or not max(scores) > kept:
        return []
    return [f"{HISTORY}: tells of an epoch with validation score {max(scores)}, {CHECKPOINT} holds one with {kept}"]
