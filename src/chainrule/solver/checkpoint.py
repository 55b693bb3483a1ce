"""Checkpoints: a folder of tensors (safetensors), state (JSON) and a manifest of SHA-256 sums.

    weights.safetensors    every array by name
    state.json             the network's declaration, step, history: plain data
    manifest.json          format version, and size and SHA-256 of the two others

The folder appears under its name only when it is complete. Reading checks the manifest first, names only registered
layers, and executes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.arrays import Array
from chainrule.engines.engine import require_same_arrays
from chainrule.errors import ChainruleError, CheckpointError, reason
from chainrule.files import new_folder, remove_folder, write_new
from chainrule.network import Network, declared_shapes
from chainrule.optim import UpdateRule

if TYPE_CHECKING:
    from chainrule.solver.solver import Solver

FORMAT = 2  # 1: without the arrays of EarlyStopping, KeepLast and LegacyBatches; read as it was
READABLE = (1, 2)
WEIGHTS, STATE, MANIFEST = "weights.safetensors", "state.json", "manifest.json"
MAX_STATE_BYTES, MAX_MANIFEST_BYTES = 256 << 20, 1 << 16


def save_checkpoint(folder: str | Path, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
    """Write `arrays` and the plain data `state` as a checkpoint; an older one of that name is replaced."""
    from safetensors.numpy import save

    for name, array in arrays.items():
        if array.dtype == np.longdouble and array.dtype != np.float64:
            raise CheckpointError(f"{name} is longdouble, which safetensors cannot hold; train in float64 to save")
    folder = Path(folder)
    try:
        text = json.dumps(state, indent=1)
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {folder}: what is saved must be plain data, got {error}") from None
    contents = {
        WEIGHTS: save({name: np.array(a, order="C") for name, a in arrays.items()}),  # ascontiguousarray makes () (1,)
        STATE: text.encode(),
    }
    manifest = {
        "format": FORMAT,
        "files": {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()},
    }
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file")
        if folder.is_dir() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
            raise CheckpointError(f"{folder} must be a checkpoint or a new name, got a folder that holds other files")
        with new_folder(folder) as temporary:
            for name, content in contents.items():
                write_new(temporary / name, content)
            write_new(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise CheckpointError(f"checkpoint {folder} could not be written: {reason(error)}") from error


def load_checkpoint(folder: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a checkpoint's arrays and state; `CheckpointError` if a file is missing, damaged or of a newer format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = Path(folder)
    manifest = _read_json(folder, MANIFEST, None, MAX_MANIFEST_BYTES)
    if manifest.get("format") not in READABLE:
        raise CheckpointError(
            f"{folder / MANIFEST}: format must be {' or '.join(map(str, READABLE))}, got {manifest.get('format')!r}"
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or set(files) != {WEIGHTS, STATE} or None in files.values():
        raise CheckpointError(
            f"{folder / MANIFEST}: files must list size and SHA-256 of {WEIGHTS} and {STATE}, got {files!r}"
        )
    state = _read_json(folder, STATE, files[STATE], MAX_STATE_BYTES)
    try:
        arrays = load(_read(folder, WEIGHTS, files[WEIGHTS], None))
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{folder / WEIGHTS}: not a safetensors file: {error}") from None
    return arrays, state


def remove_checkpoint(folder: str | Path) -> None:
    """Delete a checkpoint folder if it is there."""
    if (Path(folder) / MANIFEST).is_file():
        remove_folder(folder)


def save_network(folder: str | Path, network: Network, extra: Mapping[str, Any] | None = None) -> None:
    """Write a network's declaration and tensors; `extra` is plain data kept beside them."""
    arrays = {**network.params, **network.buffers}
    save_checkpoint(folder, arrays, {"network": network.config(), "extra": dict(extra or {})})


def load_network(folder: str | Path) -> tuple[Network, dict[str, Any]]:
    """Build the network that a checkpoint holds; also returns the `extra` data saved with it."""
    arrays, state = load_checkpoint(folder)
    try:
        expected = declared_shapes(state.get("network"))  # a damaged declaration must not make us allocate
        got = {name: array.shape for name, array in arrays.items()}
        if got != expected:
            raise CheckpointError(f"expected tensors {expected}, got {got}")
        network = Network.from_config(state["network"])
        for name, array in arrays.items():
            (network.params if name in network.params else network.buffers)[name] = array
    except ChainruleError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    extra = state.get("extra")
    return network, {} if extra is None else extra


def save_training(folder: str | Path, solver: Solver) -> None:
    """Write everything `solver` needs to go on: weights, slots, best weights, history, counters."""
    arrays = {f"state.{n}": a for n, a in solver.engine.state().items()}
    arrays |= {f"best.{n}": a for n, a in solver.best_params.items()}
    arrays |= {f"callback.{n}": a for callback in solver.callbacks for n, a in callback.state(solver).items()}
    arrays |= {f"batches.{n}": a for n, a in _batches_state(solver).items()}
    state = {
        "network": solver.model.config() if isinstance(solver.model, Network) else None,
        "step_number": solver.engine.step_number,
        "epoch": solver.epoch,
        "best_val_acc": None if np.isneginf(solver.best_val_acc) else solver.best_val_acc,
        "history": solver.history.to_dict(),
        "options": _options(solver),
        "engine": engine_name(solver),
    }
    save_checkpoint(folder, arrays, state)


def load_training(folder: str | Path, solver: Solver) -> None:
    """Bring `solver`, built like the one that was saved, to the point where `save_training` was called."""
    from chainrule.solver.history import Epoch, History

    arrays, state = load_checkpoint(folder)
    try:
        kept = state["history"]
        epochs = [Epoch(**record) for record in kept["epochs"]]
        lists = {n: _numbers(kept[n]) for n in ("loss_history", "train_acc_history", "val_acc_history")}
        history = History(**lists, epochs=epochs)
        best = -np.inf if state["best_val_acc"] is None else float(state["best_val_acc"])
        epoch, step_number = _count(state["epoch"]), _count(state["step_number"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{Path(folder) / STATE}: not the state of a training run: {error}") from None
    if isinstance(solver.model, Network) and state.get("network") != solver.model.config():
        raise CheckpointError(f"{folder}: holds another network than the solver's: {state.get('network')}")
    _require_same_options(folder, state.get("options"), _options(solver))
    weights = {n.removeprefix("best."): a for n, a in arrays.items() if n.startswith("best.")}
    own = {n.removeprefix("state."): a for n, a in arrays.items() if n.startswith("state.")}
    kept_by_callbacks = {n.removeprefix("callback."): a for n, a in arrays.items() if n.startswith("callback.")}
    try:
        require_same_arrays(solver.engine.weights(), weights)
        _require_callbacks(solver, kept_by_callbacks)
        drawn = {n.removeprefix("batches."): a for n, a in arrays.items() if n.startswith("batches.")}
        require_same_arrays(_batches_state(solver), drawn)
        solver.engine.load_state(own, step_number)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    saved_by, here = state.get("engine"), engine_name(solver)
    if saved_by is not None and saved_by != here:
        warnings.warn(
            f"{folder} was saved by the engine {saved_by}, training goes on with {here}: the same to rounding, not bit "
            "for bit",
            stacklevel=2,
        )
    solver.best_params, solver.best_val_acc = weights, best
    solver.history, solver.epoch, solver.torn = history, epoch, False
    if drawn:
        solver.batches.load_state(drawn)  # type: ignore[attr-defined]
    for callback in solver.callbacks:
        names = callback.state(solver).keys()
        if names and names <= kept_by_callbacks.keys():
            callback.load_state(solver, {name: kept_by_callbacks[name] for name in names})


def engine_name(solver: Solver) -> str:
    """The engine and what its bits depend on: the instruction set."""
    name = type(solver.engine).__name__.removesuffix("Engine").lower()
    isa = getattr(solver.engine, "instruction_set", None)
    return name if isa is None else f"{name} ({isa})"


def _batches_state(solver: Solver) -> dict[str, Array]:
    """What a stream of batches that is no function of the step keeps."""
    state: dict[str, Array] = solver.batches.state() if hasattr(solver.batches, "state") else {}
    return state


def _require_callbacks(solver: Solver, kept: Mapping[str, Array]) -> None:
    """Raise unless averages of weights go on as they were; what else callbacks keep must fit where both have it."""
    expected = {n: a for callback in solver.callbacks for n, a in callback.state(solver).items()}
    averages, own = ({n: a for n, a in d.items() if n.startswith("average.")} for d in (kept, expected))
    if bool(own) != bool(averages):
        have, lack = ("the solver", "the checkpoint") if own else ("the checkpoint", "the solver")
        raise CheckpointError(
            f"{have} averages weights, {lack} does not: a run with weight averaging goes on with the same "
            "averaging only"
        )
    require_same_arrays(own, averages)
    both = expected.keys() & kept.keys()
    require_same_arrays({n: expected[n] for n in both}, {n: kept[n] for n in both})


def _options(solver: Solver) -> dict[str, Any]:
    """What a resumed run must share with the first one to go on as it would have; None where nothing can be said."""
    rule, schedule = solver.update_rule, solver.schedule
    return {
        "update_rule": _declaration(rule) if isinstance(rule, UpdateRule) else getattr(rule, "__name__", None),
        "schedule": _declaration(schedule),
        "batch_size": int(solver.batch_size),
        "seed": int(solver.seed),
        "sampling": type(solver.batches).__name__,
        "training rows": len(solver.X_train),
        "augment": repr(solver.loader.augmentation.transforms if solver.loader is not None else ()),
        "averaging": next((_declaration(c) for c in solver.callbacks if dataclasses.is_dataclass(c)), None),
    }


def _declaration(value: Any) -> str | None:
    """The repr of a dataclass, NumPy's scalars written as plain numbers."""
    return re.sub(r"np\.\w+\(([^()]*)\)", r"\1", repr(value)) if dataclasses.is_dataclass(value) else None


def _require_same_options(folder: str | Path, saved: Any, own: Mapping[str, Any]) -> None:
    if saved is None:  # written before options were kept
        return
    if not isinstance(saved, dict):
        raise CheckpointError(f"{Path(folder) / STATE}: options must be a table, got {saved!r}")
    for name, value in own.items():
        if value is not None and saved.get(name) is not None and saved[name] != value:
            raise CheckpointError(f"{folder}: was saved with {name} {saved[name]}, the solver has {value}")


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
        raise TypeError("a history must be a list of numbers")
    return values


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"a counter must be an integer >= 0, got {value!r}")
    return value


def _read(folder: Path, name: str, entry: Any, limit: int | None) -> bytes:
    path = folder / name
    try:
        size = path.stat().st_size
        if limit is not None and size > limit:
            raise CheckpointError(f"{path}: must be at most {limit} bytes, got {size}")
        if entry is not None and (not isinstance(entry, dict) or entry.get("bytes") != size):
            expected = entry.get("bytes") if isinstance(entry, dict) else entry
            raise CheckpointError(f"{path}: the manifest says {expected!r} bytes, got {size}")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    if entry is not None and hashlib.sha256(content).hexdigest() != entry.get("sha256"):
        raise CheckpointError(f"{path}: its SHA-256 is not the manifest's; the file is damaged")
    return content


def _read_json(folder: Path, name: str, entry: Any, limit: int) -> dict[str, Any]:
    content = _read(folder, name, entry, limit)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / name}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{folder / name}: must hold an object, got {type(value).__name__}")
    return value
