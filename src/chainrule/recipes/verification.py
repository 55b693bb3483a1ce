"""Checking a run's folder: every file against its checksum, its format, and the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ChainruleError, CheckpointError
from chainrule.network import Network
from chainrule.recipes.provenance import compare_here
from chainrule.recipes.reading import load_recipe
from chainrule.recipes.recipe import Recipe
from chainrule.recipes.run import (
    CHECKPOINT,
    HISTORY,
    PROVENANCE,
    RECIPE,
    RESULTS,
    SUMMED,
    TRAINING,
    Run,
    load_run,
    run_folder,
)
from chainrule.recipes.sums import damage
from chainrule.solver.checkpoint import load_checkpoint
from chainrule.solver.plain import MAX_BYTES, parse_object, read_limited, read_object, shortened
from chainrule.solver.resumption import checkpoints
from chainrule.solver.stored import open_checkpoint

MAX_HISTORY_BYTES = 1 << 30
COMPLETE = (HISTORY, PROVENANCE, CHECKPOINT)  # what a run has that says it finished

UNSEALED = ("diverged", "failed")  # what such runs leave is told without sums


@dataclass
class Verification:
    """What was checked, what is wrong with the rest, and the weights' SHA-256 where they could be read."""

    folder: Path
    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    weights_sha256: str | None = None
    notes: list[str] = field(default_factory=list)

    def check(self, name: str, read: Callable[[Path], Any]) -> Any:
        """What `read` makes of the file or folder `name`; None where it raises, which is a problem noted."""
        try:
            value = read(self.folder / name)
        except (ChainruleError, OSError, ValueError, RecursionError) as error:
            self.problems.append(f"{name}: {error}")
            return None
        self.checked.append(name)
        return value


def verify_run(path: str | Path, *, data: bool = False) -> Verification:
    """Check the run at `path`; raises only where there is no run, or with `data` where its data cannot be read.

    data: compare the rows of its data set, too, with those that it recorded. What differs on this machine and would
    change the bits of the run is in `notes`.
    """
    found = Verification(run_folder(path))
    folder = found.folder
    recipe = found.check(RECIPE, load_recipe)
    there = {name: found.check(name, read) for name, read in READERS.items() if _is_there(folder / name)}
    if _is_there(folder / CHECKPOINT):
        run = found.check(CHECKPOINT, lambda _: _finite(load_run(folder)))
        if run is not None:
            found.weights_sha256 = weights_sha256(tensors(run.network))
            if recipe is not None and there.get(HISTORY) is not None:
                found.problems += _better_epochs(recipe, there[HISTORY], open_checkpoint(folder / CHECKPOINT).state)
    if recipe is not None and there.get(PROVENANCE) is not None:
        found.notes = compare_here(there[PROVENANCE], recipe, data=data)
    results = there.get(RESULTS)
    finished = RESULTS in there and (results is None or results.get("status") == "finished")
    if results is not None and "files" not in results and results["status"] not in UNSEALED and _has_sums(there):
        found.problems.append(f"{RESULTS}: has lost the sums that a run of this format has")
    for name in COMPLETE if finished else ():
        if not _is_there(folder / name):
            found.problems.append(f"{name}: is missing, and the run says that it finished")
    if RESULTS not in there and not _is_there(folder / TRAINING):
        found.problems.append(f"{RESULTS}: is missing, and so are checkpoints to go on from")
    for training in checkpoints(folder / TRAINING):
        found.check(f"{TRAINING}/{training.name}", load_checkpoint)
    return found


def _has_sums(there: Mapping[str, Any]) -> bool:
    """Whether the provenance says that the run was written since results hold sums."""
    provenance = there.get(PROVENANCE)
    version = None if provenance is None else provenance.get("format")
    return isinstance(version, int) and version >= 2


def tensors(network: Network) -> dict[str, Array]:
    """Parameters and buffers by name."""
    return {**network.params, **network.buffers}


def weights_sha256(arrays: Mapping[str, Array]) -> str:
    """Of every array in the order of their names: name, shape, dtype, bytes in C order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _results(path: Path) -> dict[str, Any]:
    """The results, whose sums are those of the files beside them."""
    content = read_limited(path, MAX_BYTES)
    results = parse_object(content, str(path))
    wrong = damage(path, content, results, SUMMED)
    if wrong:
        raise CheckpointError("; ".join(wrong))
    if not isinstance(results.get("status"), str):
        raise CheckpointError(f"{path}: must hold the results of a run with its status, got {shortened(results)}")
    return results


def _history(path: Path) -> list[float | None]:
    """The validation scores of a history, which is JSON of any length; of the rest nothing is kept."""
    content = read_limited(path, MAX_HISTORY_BYTES)
    try:
        entries = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(entries.get("val_acc_history", b"[]"), type=list[float | None])
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"not the history of a run: {error}") from None


def _better_epochs(recipe: Recipe, history: list[float | None], state: Mapping[str, Any]) -> list[str]:
    """What is wrong where the history tells of an epoch with a better score than the weights kept as the best."""
    train, best = recipe.train, state.get("best")
    by_loss = train.early_stopping is not None and train.early_stopping.monitor == "val_loss"
    if not isinstance(best, dict) or train.keep == "last" or train.averaging is not None or by_loss:
        return []  # written before scores were kept, or other weights are left than the most accurate
    kept, scores = best.get("val_acc"), [score for score in history if score is not None]
    if not scores or not isinstance(kept, (int, float)) or not max(scores) > kept:
        return []
    return [f"{HISTORY}: tells of an epoch with validation score {max(scores)}, {CHECKPOINT} holds one with {kept}"]


def _finite(run: Run) -> Run:
    for name, array in tensors(run.network).items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{name} holds NaN or infinity")
    return run


def _is_there(path: Path) -> bool:
    """Also where it is a link that leads nowhere."""
    return path.exists() or path.is_symlink()


#: What is checked beside the recipe and the checkpoints, if it is there.
READERS: dict[str, Callable[[Path], Any]] = {HISTORY: _history, RESULTS: _results, PROVENANCE: read_object}
