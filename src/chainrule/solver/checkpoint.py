"""Checkpoints: a folder of tensors (safetensors), state (JSON) and a manifest of SHA-256 sums.

    weights.safetensors    every array by name; long lists of numbers of the state
    state.json             the network's declaration, step, history: plain data
    manifest.json          format version, and size and SHA-256 of the two others

The folder appears under its name only when it is complete. Reading checks the manifest first (`stored.py`), compares
what is declared with what is there before memory is taken, names only registered layers, and executes nothing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.arrays import Array
from chainrule.engines.engine import StepByStep, require_same_arrays
from chainrule.engines.finite import require_finite
from chainrule.errors import ChainruleError, CheckpointError, DTypeError, describe, reason
from chainrule.files import new_folder, remove_folder, write_new
from chainrule.network import Network, declared_shapes
from chainrule.optim import UpdateRule
from chainrule.solver.history_reading import read_history
from chainrule.solver.plain import memory_refusal, shortened
from chainrule.solver.stored import FORMAT as FORMAT
from chainrule.solver.stored import MANIFEST, STATE, WEIGHTS, Stored, Tensor, as_folder, manifest_of, open_checkpoint
from chainrule.solver.tensor_lists import as_lists, split
from chainrule.typed import typed

if TYPE_CHECKING:
    from chainrule.solver.solver import Solver


def save_checkpoint(
    folder: str | Path, arrays: Mapping[str, Array], state: Mapping[str, Any], *, given: str = "what is saved"
) -> None:
    """Write `arrays` and the plain data `state` as a checkpoint; an older one of that name is replaced.

    given: what messages call the part of the state that is the caller's.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if array.dtype == np.longdouble and array.dtype != np.float64:
            raise CheckpointError(f"{name} is longdouble, which safetensors cannot hold; train in float64 to save")
    folder = Path(folder)
    lists: dict[str, Array] = {}
    try:
        text = json.dumps(split(state, lists), indent=1).encode()
    except (TypeError, ValueError, RecursionError, CheckpointError) as error:
        raise CheckpointError(f"checkpoint {folder}: {given} must be plain data, got {error}") from None
    if (refusal := memory_refusal(text)) is not None:  # better now than when it is needed
        raise CheckpointError(f"checkpoint {folder}: {given} {refusal}")
    contents = {
        # ascontiguousarray would make () (1,)
        WEIGHTS: save({name: np.array(a, order="C") for name, a in {**arrays, **lists}.items()}),
        STATE: text,
    }
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file")
        if folder.is_dir() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
            raise CheckpointError(f"{folder} must be a checkpoint or a new name, got a folder that holds other files")
        with new_folder(folder) as temporary:
            for name, content in contents.items():
                write_new(temporary / name, content)
            write_new(temporary / MANIFEST, manifest_of(contents))
    except OSError as error:
        raise CheckpointError(f"checkpoint {folder} could not be written: {reason(error)}") from error


def load_checkpoint(folder: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a checkpoint's arrays and state; `CheckpointError` if a file is missing, damaged or of a newer format."""
    arrays, state = open_checkpoint(as_folder("load_checkpoint", folder)).split_arrays()
    return arrays, as_lists(state)


def remove_checkpoint(folder: str | Path) -> None:
    """Delete a checkpoint folder if it is there."""
    if (Path(folder) / MANIFEST).is_file():
        remove_folder(folder)


@typed
def save_network(folder: str | Path, network: Network, extra: Mapping[str, Any] | None = None) -> None:
    """Write a network's declaration and tensors; `extra` is plain data kept beside them."""
    arrays = {**network.params, **network.buffers}
    state = {"network": network.config(), "extra": {} if extra is None else dict(extra)}
    save_checkpoint(folder, arrays, state, given="extra")


@typed
def load_network(folder: str | Path) -> tuple[Network, dict[str, Any]]:
    """Build the network that a checkpoint holds; also returns the `extra` data saved with it.

    Raises `CheckpointError` if a file is missing, damaged, of a newer format, or holds other tensors than declared.
    """
    return network_of(open_checkpoint(as_folder("load_network", folder)))


def network_of(stored: Stored) -> tuple[Network, dict[str, Any]]:
    """The network of a checkpoint whose small parts are read, and the `extra` data saved with it."""
    config, extra = stored.state.get("network"), stored.state.get("extra")
    try:
        _require_declared(declared_shapes(config), stored.own_tensors, config)
        if not isinstance(extra, (dict, type(None))):
            raise CheckpointError(f"extra must be a table, got {shortened(extra)}")
        arrays, state = stored.split_arrays()
        network = Network.from_config(config, tensors=arrays)
    except CheckpointError as error:
        raise _of(stored.folder, error) from None
    except ChainruleError as error:
        raise CheckpointError(f"{stored.folder}: {error}") from None
    return network, {} if extra is None else as_lists(state["extra"])


def _require_declared(declared: Mapping[str, Any], tensors: Mapping[str, Tensor], config: Any) -> None:
    """Raise unless the file holds the tensors of the network that is declared, before memory is taken for either."""
    dtype = np.dtype("float32" if config["dtype"] == "bfloat16" else str(config["dtype"]))
    for name, shape in declared.items():
        if name not in tensors:
            raise CheckpointError(f"expected tensors {shortened(sorted(declared))}, got none named {name!r}")
        got = tensors[name]
        if got.shape != shape or got.dtype != dtype:
            raise CheckpointError(
                f"expected tensors {name} of shape {shape} and dtype {dtype}, got shape {shortened(got.shape)} and "
                f"dtype {got.dtype}"
            )
    for name in tensors:
        if name not in declared:
            raise CheckpointError(f"expected tensors {shortened(sorted(declared))} only, got {shortened(name)} too")


def _of(folder: Path, error: CheckpointError) -> CheckpointError:
    """The error with the folder it is about in front, unless it begins with it."""
    return error if str(error).startswith(str(folder)) else CheckpointError(f"{folder}: {error}")


def save_training(folder: str | Path, solver: Solver) -> None:
    """Write everything `solver` needs to go on: weights, slots, best weights, history, counters.

    Where it backs off, the state to go back to as well. Raises `DivergenceError`, and writes nothing, where a number of
    the state is not finite.
    """
    require_finite(solver.engine)
    arrays = training_arrays(solver)
    if solver.good is not None:
        arrays |= {f"good.{n}": a for n, a in solver.good.arrays.items()}
    state = {
        "network": solver.model.config() if isinstance(solver.model, Network) else None,
        "step_number": solver.engine.step_number,
        "epoch": solver.epoch,
        "best_val_acc": None if np.isneginf(solver.best_val_acc) else solver.best_val_acc,
        "history": solver.history.to_dict(),
        "options": _options(solver),
        "engine": engine_name(solver),
        "good": None if solver.good is None else solver.good.counters(),
    }
    save_checkpoint(folder, arrays, state)


def training_arrays(solver: Solver) -> dict[str, Array]:
    """Copies of all that training changes: the engine's state, the best weights, what callbacks and batches keep."""
    arrays = {f"state.{n}": a for n, a in solver.engine.state().items()}
    arrays |= {f"best.{n}": a for n, a in solver.best_params.items()}
    arrays |= {f"callback.{n}": a for callback in solver.callbacks for n, a in callback.state(solver).items()}
    return arrays | {f"batches.{n}": a for n, a in _batches_state(solver).items()}


def put_back(solver: Solver, arrays: Mapping[str, Array], step_number: int) -> None:
    """Give the solver what `training_arrays` returned; its history must be that of the state already."""
    parts = parts_of(arrays)
    _load_checked(solver, parts, step_number)
    _load_rest(solver, parts)


@typed
def load_training(folder: str | Path, solver: Solver) -> None:
    """Bring `solver`, built like the one that was saved, to the point where `save_training` was called.

    Raises `CheckpointError`, the solver being as it was, for a checkpoint that is damaged or belongs to another run.
    """
    if not isinstance(getattr(solver, "engine", None), StepByStep):
        raise DTypeError(f"load_training: solver must be a Solver, got {describe(solver)}")
    stored = open_checkpoint(as_folder("load_training", folder))
    try:
        _load_training(stored, solver)
    except CheckpointError as error:
        raise _of(stored.folder, error) from None


def _load_training(stored: Stored, solver: Solver) -> None:
    from chainrule.solver.divergence import read_good

    saved, where = stored.state, stored.folder / STATE
    try:
        best = -np.inf if saved["best_val_acc"] is None else _number(saved["best_val_acc"])
        epoch, step_number = _count(saved["epoch"]), _count(saved["step_number"])
        saved_by = saved.get("engine")
        if not isinstance(saved_by, (str, type(None))):
            raise TypeError(f"engine must be a text, got {shortened(saved_by)}")
        _ = saved["history"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{where}: not the state of a training run: {error}") from None
    if isinstance(solver.model, Network) and saved.get("network") != solver.model.config():
        raise CheckpointError(f"holds another network than the solver's: {shortened(saved.get('network'))}")
    _require_same_options(stored.folder, saved.get("options"), _options(solver))
    _require_parts(solver, stored.own_tensors)
    arrays, state = stored.split_arrays()
    history = read_history(state["history"], str(where))
    if not all(0 < rollback.learning_rate_factor < 1 for rollback in history.rollbacks):
        raise CheckpointError(f"{where}: learning_rate_factor of a rollback must be between 0 and 1")
    own, kept_good = _split_good(arrays)
    parts = parts_of(own)
    for name, array in parts["state"].items():
        if not name.startswith("config.") and not np.isfinite(array).all():  # what a function keeps is its own affair
            raise CheckpointError(f"state {shortened(name)} must be finite, got NaN or infinity")
    good = read_good(state.get("good"), kept_good, history, str(where))
    _load_checked(solver, parts, step_number)
    if saved_by is not None and saved_by != (here := engine_name(solver)):
        warnings.warn(
            f"{stored.folder} was saved by the engine {saved_by[:80]}, training goes on with {here}: the same to "
            "rounding, not bit for bit",
            stacklevel=4,
        )
    solver.best_val_acc, solver.history, solver.epoch, solver.torn = best, history, epoch, False
    solver.good = good if solver.back_off is not None else None
    _load_rest(solver, parts)


def _load_rest(solver: Solver, parts: Mapping[str, Mapping[str, Array]]) -> None:
    """The best weights, in copies, as else one array would keep the memory of all; what callbacks keep."""
    solver.best_params = {n: a.copy() for n, a in parts["best"].items()}
    for callback in solver.callbacks:
        names = callback.state(solver).keys()
        if names and names <= parts["callback"].keys():
            callback.load_state(solver, {name: parts["callback"][name] for name in names})


def parts_of(arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arrays of each part of a training run, under their names within it; what belongs to none is refused."""
    parts: dict[str, dict[str, Any]] = {"state": {}, "best": {}, "callback": {}, "batches": {}}
    for name, array in arrays.items():
        part, dot, own = name.partition(".")
        if part not in parts or not dot:
            raise CheckpointError(f"holds the tensor {shortened(name)}, which belongs to no part of a training run")
        parts[part][own] = array
    return parts


def _require_parts(solver: Solver, tensors: Mapping[str, Tensor]) -> None:
    """Raise unless the tensors are those of a solver like this one."""
    own, good = _split_good(tensors)
    parts = parts_of(own)
    if good:
        require_same_arrays(_fixed(own), _fixed(good))
    require_same_arrays(solver.engine.weights(), parts["best"])
    _require_callbacks(solver, parts["callback"])
    require_same_arrays(_batches_state(solver), parts["batches"])


def _split_good(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What belongs to the state itself, and what to the one to go back to."""
    start = "good."
    good = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
    return {n: a for n, a in arrays.items() if not n.startswith(start)}, good


def _fixed(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a function keeps, which it may begin to keep at any step."""
    return {n: a for n, a in arrays.items() if not n.startswith("state.config.")}


def _load_checked(solver: Solver, parts: Mapping[str, Mapping[str, Array]], step_number: int) -> None:
    """Load what can still be refused: names and shapes are right, the numbers may be none that the part can have."""
    before = _batches_state(solver)
    try:
        if parts["batches"]:
            solver.batches.load_state(parts["batches"])  # type: ignore[attr-defined]
        solver.engine.load_state(parts["state"], step_number)
    except (ChainruleError, ValueError, TypeError, OverflowError) as error:
        if before:
            solver.batches.load_state(before)  # type: ignore[attr-defined]
        raise error if isinstance(error, CheckpointError) else CheckpointError(str(error)) from None


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
        raise CheckpointError(f"{Path(folder) / STATE}: options must be a table, got {shortened(saved)}")
    for name, value in own.items():
        if value is not None and saved.get(name) is not None and saved[name] != value:
            raise CheckpointError(f"{folder}: was saved with {name} {str(saved[name])[:400]}, the solver has {value}")


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"a score must be a number, got {shortened(value)}")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise TypeError(f"a counter must be an integer >= 0, got {shortened(value)}")
    return value
