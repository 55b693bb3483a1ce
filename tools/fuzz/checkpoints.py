"""Good checkpoints and run folders, the ways to change them, and how they are read.

Four ways: bytes of the three files as they lie there, whose change must be seen; bytes of weights and state with the
manifest's sums made right again, as a forger would; entries of the state, and of the weights' header, the same.
"""

from __future__ import annotations

import functools
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import folders, values
from fuzz.folders import Files

Rng = np.random.Generator


@functools.cache
def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(24, 4)), rng.integers(0, 3, 24)
    return {"X_train": X[:16], "y_train": y[:16], "X_val": X[16:], "y_val": y[16:]}


def network() -> Any:
    from chainrule.layers import Affine, BatchNorm, Dropout, ReLU, Residual
    from chainrule.network import Network

    layers = [Affine(4), BatchNorm(), ReLU(), Dropout(0.3), Residual((Affine(4), ReLU())), Affine(3)]
    return Network(layers, input_shape=4, dtype="float32", reg=0.01)


def solver(epochs: int = 2) -> Any:
    from chainrule.optim import Adam
    from chainrule.solver import EarlyStopping, Solver

    return Solver(
        network(), rows(), update_rule=Adam(0.02), batch_size=4, num_epochs=epochs, verbose=False, engine="reference",
        callbacks=[EarlyStopping(patience=500)],
    )  # fmt: skip


@functools.cache
def network_files() -> Files:
    from chainrule.solver import save_network

    with tempfile.TemporaryDirectory() as folder:
        extra = {"mean": [0.1 * i for i in range(80)], "class_names": ["a", "b", "c"]}  # the first goes to the tensors
        save_network(Path(folder) / "c", network(), extra)
        return folders.of_folder(Path(folder) / "c")


@functools.cache
def training_files(epochs: int = 2) -> Files:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = solver(epochs)
        trained.train()
        trained.save_checkpoint(Path(folder) / "c")
        return folders.of_folder(Path(folder) / "c")


@functools.cache
def run_files() -> Files:
    from chainrule.recipes import build, load_recipe
    from chainrule.recipes.reading import apply_overrides
    from chainrule.recipes.run import finish, train

    smaller = ["data.train=60", "data.val=20", "data.test=20", "train.epochs=2", "model.layers.1.units=4"]
    with tempfile.TemporaryDirectory() as folder:
        experiment = build(apply_overrides(load_recipe("digits-mlp"), smaller))
        path = Path(folder) / "run"
        path.mkdir()
        made = experiment.solver(engine="reference")
        train(experiment, made, path)
        finish(experiment, path, made, seconds=1.0, status="finished", figures=False)
        return {n: c for n, c in folders.of_folder(path).items() if ".lock" not in n}


# -- sums made right ------------------------------------------------------------------------------------------------


def sealed(files: Files) -> Files:
    """The files with a manifest that fits them; a file that is missing is left out of it."""
    from chainrule.solver.stored import MANIFEST, manifest_of

    inside = {name: content for name, content in files.items() if name != MANIFEST}
    try:
        return {**inside, MANIFEST: manifest_of(inside)}
    except KeyError:
        return files


def with_header(weights: bytes, change: Callable[[Any], Any]) -> bytes:
    """A safetensors file whose header is changed; the numbers stay."""
    length = int.from_bytes(weights[:8], "little")
    header = values.dumps(change(json.loads(weights[8 : 8 + length])))
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + weights[8 + length :]


def in_checkpoint(files: Files, prefix: str, change: Callable[[Files], Files]) -> Files:
    """`change` made to the files below `prefix`, which are a checkpoint."""
    own = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
    rest = {name: content for name, content in files.items() if not name.startswith(prefix)}
    return {**rest, **{prefix + name: content for name, content in change(own).items()}}


# -- changes ----------------------------------------------------------------------------------------------------------


def change_bytes(data: bytes, rng: Rng, mutate: Callable[..., bytearray], *, seal: bool, prefix: str = "") -> bytes:
    """The bytes of one file, once in ten a file lost, emptied or in another's place."""
    files = folders.of_bytes(data)
    names = [name for name in files if not seal or name.removeprefix(prefix) in ("weights.safetensors", "state.json")]
    name = names[int(rng.integers(len(names)))]
    what = rng.random()
    if what < 0.02:
        del files[name]
    elif what < 0.04:
        files[name] = b""
    elif what < 0.1:
        files[name] = files[names[int(rng.integers(len(names)))]]
    else:
        files[name] = bytes(mutate(bytearray(files[name]), rng, files[names[int(rng.integers(len(names)))]]))
    return folders.to_bytes(in_checkpoint(files, prefix, sealed) if seal else files)


def change_state(data: bytes, rng: Rng) -> tuple[bytes, str]:
    files = folders.of_bytes(data)
    state, done = values.changed(json.loads(files["state.json"]), rng)
    return folders.to_bytes(sealed({**files, "state.json": values.dumps(state)})), done


def change_header(data: bytes, rng: Rng) -> tuple[bytes, str]:
    files, notes = folders.of_bytes(data), []

    def change(header: Any) -> Any:
        header, done = values.changed(header, rng)
        notes.append(done)
        return header

    weights = with_header(files["weights.safetensors"], change)
    return folders.to_bytes(sealed({**files, "weights.safetensors": weights})), notes[0]


# -- reading ----------------------------------------------------------------------------------------------------------


def read_network(folder: Path) -> Any:
    from chainrule.solver import load_network

    return load_network(folder)


@functools.cache
def _waiting_solver() -> Any:
    return solver()


def read_training(folder: Path) -> Any:
    """Into a solver like the one that was saved; one that refuses must be as it was."""
    from chainrule.errors import CheckpointError
    from chainrule.solver import load_training

    into = _waiting_solver()
    before = (into.model.params.flat.tobytes(), into.engine.step_number, into.epoch, len(into.loss_history))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that another engine saved it
        try:
            load_training(folder, into)
        except CheckpointError:
            after = (into.model.params.flat.tobytes(), into.engine.step_number, into.epoch, len(into.loss_history))
            if after != before:
                raise AssertionError("the solver was changed by a checkpoint that it refused") from None
            raise
    return into


def read_run(folder: Path) -> Any:
    """Checked as `chainrule verify` does it, then loaded; what one finds the other may not hide."""
    from chainrule.errors import CheckpointError
    from chainrule.recipes.run import load_run
    from chainrule.recipes.verification import verify_run

    found = verify_run(folder)
    run = load_run(folder)
    if found.problems:
        raise CheckpointError(f"{folder}: {'; '.join(found.problems)[:500]}")
    return run


def must_be_seen(files: Callable[[], Files], read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """`read` of a folder whose sums nobody has made right: any changed byte of what they cover must be refused."""

    def checked(folder: Path) -> Any:
        value, good = read(folder), files()
        now = folders.of_folder(folder)
        wrong = [
            name for name, content in good.items() if not name.endswith("manifest.json") and now.get(name) != content
        ]
        if wrong:
            raise AssertionError(f"a change of {', '.join(wrong)} was not seen")
        return value

    return checked
