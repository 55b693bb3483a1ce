"""Checkpoints: what is read is bit for bit what was written, a resumed run is the unbroken one, damage is seen."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.data import LegacyBatches
from chainrule.errors import CheckpointError, ConfigError, DTypeError
from chainrule.layers import Affine, BatchNorm, Dropout, ReLU, Residual
from chainrule.losses import SquaredError
from chainrule.network import Network
from chainrule.optim import RULES, SGD, Adam, Chain
from chainrule.optim.schedules import Cosine, ReduceOnPlateau
from chainrule.solver import Checkpoints, EarlyStopping, Solver, load_network, load_training, save_network
from chainrule.solver.checkpoint import MANIFEST, STATE, WEIGHTS, load_checkpoint, remove_checkpoint, save_checkpoint

_spec = importlib.util.spec_from_file_location("student", Path(__file__).parents[1] / "engines" / "student.py")
assert _spec is not None
assert _spec.loader is not None
student = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(student)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 50)
POINTS = RNG.normal(size=(3, 4))[LABELS] + RNG.normal(size=(50, 4))
DATA = {"X_train": POINTS[:35], "y_train": LABELS[:35], "X_val": POINTS[35:], "y_val": LABELS[35:]}


def network(dtype: str = "float32", seed: int = 0) -> Network:
    layers = [Affine(8), BatchNorm(), ReLU(), Dropout(0.3), Residual((Affine(8), BatchNorm())), Affine(3)]
    return Network(layers, input_shape=4, seed=seed, dtype=dtype, reg=0.01)


def solver(model: Any = None, epochs: int = 4, **options: Any) -> Solver:
    given = {"update_rule": Adam(0.02), "batch_size": 10, "verbose": False, "num_train_samples": 20, **options}
    return Solver(network() if model is None else model, DATA, num_epochs=epochs, **given)


def assert_same_run(a: Solver, b: Solver) -> None:
    assert a.loss_history == b.loss_history
    assert a.train_acc_history == b.train_acc_history
    assert a.val_acc_history == b.val_acc_history
    assert (a.epoch, a.engine.step_number, a.best_val_acc) == (b.epoch, b.engine.step_number, b.best_val_acc)
    for kept, other in ((a.engine.state(), b.engine.state()), (a.best_params, b.best_params)):
        assert set(kept) == set(other)
        for name in kept:
            assert kept[name].dtype == other[name].dtype
            assert (kept[name] == other[name]).all(), name
    records = [{**vars(e), "seconds": 0, "examples_per_second": 0} for s in (a, b) for e in s.history.epochs]
    assert records[: len(records) // 2] == records[len(records) // 2 :]


# -- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    model = network(dtype, seed=4)
    model.params.flat[:3] = [-0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max]
    model.buffers.flat[:] = RNG.normal(size=model.buffers.flat.size)
    save_network(tmp_path / "net", model, {"note": ["ä", 1, None]})
    back, extra = load_network(tmp_path / "net")
    assert extra == {"note": ["ä", 1, None]}
    assert back.config() == model.config()
    assert back.params.flat.tobytes() == model.params.flat.tobytes()
    assert back.buffers.flat.tobytes() == model.buffers.flat.tobytes()
    assert sorted(os.listdir(tmp_path / "net")) == [MANIFEST, STATE, WEIGHTS]


def test_no_extra_is_an_empty_one(tmp_path: Path) -> None:
    save_network(str(tmp_path / "net"), network())
    assert load_network(str(tmp_path / "net"))[1] == {}


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (3, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_arrays_of_any_shape(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    array = np.asarray(RNG.integers(0, 2, shape)).astype(dtype)
    views = {"a": array, "transposed": np.arange(6.0).reshape(2, 3).T, "strided": np.arange(6.0)[::2]}
    save_checkpoint(tmp_path / "c", views, {"n": 1})
    arrays, state = load_checkpoint(tmp_path / "c")
    assert state == {"n": 1}
    for name, value in views.items():
        assert arrays[name].shape == value.shape
        assert arrays[name].dtype == value.dtype
        assert (arrays[name] == value).all()


def test_longdouble_is_refused_rather_than_rounded(tmp_path: Path) -> None:
    if np.dtype("longdouble") == np.dtype("float64"):
        pytest.skip("longdouble is float64 here")
    with pytest.raises(CheckpointError, match=r"W1 is longdouble, which safetensors cannot hold"):
        save_network(tmp_path / "net", network("longdouble"))
    assert os.listdir(tmp_path) == []


def test_saving_again_replaces(tmp_path: Path) -> None:
    for seed in (1, 2):
        save_network(tmp_path / "net", network(seed=seed))
        assert load_network(tmp_path / "net")[0].seed == seed
    assert os.listdir(tmp_path) == ["net"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"must be a checkpoint or a new name, got a folder that holds other"):
        save_network(tmp_path / "home", network())
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match=r"could not be written"):
        save_network(tmp_path / "file", network())
    with pytest.raises(CheckpointError, match=r"could not be written"):
        save_network(tmp_path / "file" / "inside", network())
    (tmp_path / "empty").mkdir()
    save_network(tmp_path / "empty", network())
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "home"]


def test_only_plain_data_is_saved(tmp_path: Path) -> None:
    for extra in ({"a": object()}, {"a": {1, 2}}, {("a",): 1}):
        with pytest.raises(CheckpointError, match=r"extra must be plain data"):
            save_network(tmp_path / "net", network(), extra)
    assert os.listdir(tmp_path) == []


def test_remove_takes_checkpoints_only(tmp_path: Path) -> None:
    save_network(tmp_path / "net", network())
    (tmp_path / "other").mkdir()
    for name in ("net", "other", "missing"):
        remove_checkpoint(tmp_path / name)
    assert os.listdir(tmp_path) == ["other"]


# -- resuming -------------------------------------------------------------------------------------------------------

RULE_CASES: list[Any] = [*(cls() for cls in RULES), Chain(Adam(0.02), clip_norm=0.5, l2=0.1, weight_decay=0.1)]


@pytest.mark.parametrize("rule", RULE_CASES, ids=repr)
def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path, rule: Any) -> None:
    straight, broken, resumed = (solver(update_rule=rule, schedule=Cosine(0.1)) for _ in range(3))
    straight.train()
    stop_after(broken, 2)
    broken.train()
    broken.save_checkpoint(tmp_path / "c")
    load_training(tmp_path / "c", resumed)
    assert_same_state_as_saved(resumed, tmp_path / "c")
    resumed.train()
    assert_same_run(straight, resumed)
    assert (straight.model.params.flat == resumed.model.params.flat).all()


def stop_after(made: Solver, epochs: int) -> None:
    """Stop as a kill would: without the best weights being put back."""
    made.num_epochs = epochs
    made.engine.load_weights = lambda weights: None  # type: ignore[method-assign]
    # The schedule must see the whole run's number of steps, as it would have until the kill.
    own, total = made.schedule, 4 * made.batches.steps_per_epoch
    made.schedule = lambda when: own(when._replace(total_steps=total))  # type: ignore[assignment]


def assert_same_state_as_saved(made: Solver, folder: Path) -> None:
    arrays, _ = load_checkpoint(folder)
    for name, value in made.engine.state().items():
        assert (arrays[f"state.{name}"] == value).all()


@pytest.mark.parametrize("options", [{"sampling": "replacement"}, {"schedule": ReduceOnPlateau(0.5, 1)}], ids=repr)
def test_resuming_with_other_sampling_and_with_a_schedule_on_the_scores(tmp_path: Path, options: Any) -> None:
    straight, broken, resumed = (solver(**options) for _ in range(3))
    straight.train()
    stop_after(broken, 3)
    broken.train()
    broken.save_checkpoint(tmp_path / "c")
    load_training(tmp_path / "c", resumed)
    resumed.train()
    assert_same_run(straight, resumed)


def test_checkpoints_by_name_resume_too(tmp_path: Path) -> None:
    straight = solver(checkpoint_name=str(tmp_path / "run"))
    straight.train()
    assert sorted(os.listdir(tmp_path)) == [f"run_epoch_{n}" for n in (1, 2, 3, 4)]
    for epoch in (1, 3, 4):
        resumed = solver()
        load_training(tmp_path / f"run_epoch_{epoch}", resumed)
        assert resumed.epoch == epoch
        resumed.train()
        assert resumed.loss_history == straight.loss_history
        assert (resumed.model.params.flat == straight.model.params.flat).all()


@pytest.mark.parametrize(
    ("rule", "config"),
    [(Adam(0.02), None), (student.adam, {"learning_rate": 0.02}), (student.sgd_momentum, {"learning_rate": 0.02})],
)
@pytest.mark.parametrize("make", [network, student.TwoLayerNet])
def test_students_models_and_functions_resume(
    tmp_path: Path, make: Callable[[], Any], rule: Any, config: dict[str, Any] | None
) -> None:
    straight, broken, resumed = (solver(make(), update_rule=rule, optim_config=config) for _ in range(3))
    straight.train()
    stop_after(broken, 2)
    broken.train()
    broken.save_checkpoint(tmp_path / "c")
    load_training(tmp_path / "c", resumed)
    resumed.train()
    assert_same_run(straight, resumed)
    for name, w in straight.model.params.items():
        assert (resumed.model.params[name] == w).all()


def test_early_stopping_resumes_its_count(tmp_path: Path) -> None:
    straight = solver(
        epochs=40, update_rule=SGD(0.5), callbacks=[EarlyStopping(patience=3)], checkpoint_name=str(tmp_path / "run")
    )
    straight.train()
    assert straight.epoch < 40
    for epoch in range(1, straight.epoch + 1):
        resumed = solver(epochs=40, update_rule=SGD(0.5), callbacks=[EarlyStopping(patience=3)])
        load_training(tmp_path / f"run_epoch_{epoch}", resumed)
        resumed.train()
        assert (resumed.epoch, resumed.loss_history) == (straight.epoch, straight.loss_history)
        assert resumed.best_val_acc >= max(e.val_acc for e in resumed.history.epochs)
        assert resumed.best_val_acc == resumed.check_accuracy(DATA["X_val"], DATA["y_val"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"update_rule": Adam(0.03)},
            r"update_rule Adam\(learning_rate=0.02, .*, the solver has Adam\(learning_rate=0.03",
        ),
        ({"batch_size": 7}, "batch_size 10, the solver has 7"),
        ({"seed": 5}, "seed 0, the solver has 5"),
        ({"sampling": "replacement"}, "sampling ShuffledBatches, the solver has ReplacementBatches"),
        ({"lr_decay": 0.5}, r"schedule EpochDecay\(decay=1.0\), the solver has EpochDecay\(decay=0.5\)"),
        ({"schedule": Cosine()}, r"schedule EpochDecay\(decay=1.0\), the solver has Cosine\(final=0.0\)"),
    ],
)
def test_a_solver_with_other_options_is_refused(tmp_path: Path, options: Any, message: str) -> None:
    solver().save_checkpoint(tmp_path / "c")
    with pytest.raises(CheckpointError, match=f"was saved with {message}"):
        load_training(tmp_path / "c", solver(**options))
    load_training(tmp_path / "c", solver(epochs=9, num_train_samples=5, update_rule=Adam(np.float64(0.02))))


def test_the_legacy_stream_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, first, resumed = (
        solver(epochs=n, sampling=LegacyBatches(35, 10, np.random.RandomState(0))) for n in (2, 1, 2)
    )
    whole.train()
    first.checkpoint_name = tmp_path / "c"
    first.train()
    load_training(tmp_path / "c_epoch_1", resumed)
    resumed.train()
    assert resumed.loss_history == whole.loss_history
    with pytest.raises(CheckpointError, match=r"saved with sampling LegacyBatches, the solver has ShuffledBatches"):
        load_training(tmp_path / "c_epoch_1", solver(epochs=1))


def test_the_callback_keeps_the_last_few(tmp_path: Path) -> None:
    solver(epochs=7, callbacks=[Checkpoints(tmp_path / "run", every=2, keep=2)]).train()
    assert sorted(os.listdir(tmp_path / "run")) == ["epoch_4", "epoch_6"]
    solver(epochs=3, callbacks=[Checkpoints(tmp_path / "each")]).train()
    assert sorted(os.listdir(tmp_path / "each")) == ["epoch_2", "epoch_3"]
    with pytest.raises(ConfigError, match=r"Checkpoints: every must be an integer >= 1, got 0"):
        Checkpoints(tmp_path, every=0)
    with pytest.raises(DTypeError, match=r"Checkpoints: keep must be an integer, got float 1.5"):
        Checkpoints(tmp_path, keep=1.5)  # type: ignore[arg-type]


def test_checkpoints_of_another_run_are_refused_and_change_nothing(tmp_path: Path) -> None:
    trained = solver()
    trained.train()
    trained.save_checkpoint(tmp_path / "c")
    others = {
        "another network": solver(Network([Affine(3)], input_shape=4)),
        "another seed": solver(network(seed=1)),
        "another dtype": solver(network("float64")),
        "another rule": solver(update_rule=SGD()),
        "a function": solver(update_rule=student.adam),
        "a student's model": solver(student.TwoLayerNet()),
    }
    for what, other in others.items():
        before = other.engine.state()
        with pytest.raises(CheckpointError, match=str(tmp_path / "c")):
            load_training(tmp_path / "c", other)
        assert all((before[n] == a).all() for n, a in other.engine.state().items()), what
        assert other.engine.step_number == other.epoch == len(other.loss_history) == 0, what
    save_network(tmp_path / "net", network())
    with pytest.raises(CheckpointError, match=r"not the state of a training run"):
        load_training(tmp_path / "net", solver())
    with pytest.raises(CheckpointError, match=r"config must be a table|expected tensors"):
        load_network(tmp_path / "c")


@pytest.mark.parametrize("version", [1, 2])
def test_older_formats_are_read_as_they_were_written(tmp_path: Path, version: int) -> None:
    """Their lists of numbers stand in the state, and no tensor is one."""
    from safetensors.numpy import save

    trained = solver(epochs=30)
    trained.train()
    trained.save_checkpoint(tmp_path / "c")
    arrays, state = load_checkpoint(tmp_path / "c")
    assert len(state["history"]["loss_history"]) > 64  # long enough to be a tensor now
    assert not [name for name in arrays if name.startswith("list.")]
    contents = {WEIGHTS: save(arrays), STATE: json.dumps(state).encode()}
    for name, content in contents.items():
        (tmp_path / "c" / name).write_bytes(content)
    sums = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()}
    (tmp_path / "c" / MANIFEST).write_text(json.dumps({"format": version, "files": sums}))
    back = solver(epochs=30)
    load_training(tmp_path / "c", back)
    assert_same_run(trained, back)


def test_long_histories_come_back_number_for_number(tmp_path: Path) -> None:
    trained = solver(epochs=70)
    trained.train()
    trained.save_checkpoint(tmp_path / "c")
    assert (tmp_path / "c" / STATE).stat().st_size < 6000
    back = solver(epochs=70)
    load_training(tmp_path / "c", back)
    assert back.history == trained.history
    assert [type(v) for v in vars(back.history.epochs[-1]).values()] == [
        type(v) for v in vars(trained.history.epochs[-1]).values()
    ]


# -- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture(name="saved")
def _saved(tmp_path: Path) -> Path:
    save_network(tmp_path / "net", network())
    return tmp_path / "net"


@pytest.mark.parametrize("name", [WEIGHTS, STATE, MANIFEST])
def test_every_flipped_byte_is_seen_or_means_nothing(tmp_path: Path, name: str) -> None:
    """Every byte of a small checkpoint, each with another bit; all but the manifest's must be seen."""
    saved = tmp_path / "net"
    original = Network([Affine(2)], input_shape=2)
    save_network(saved, original, {"numbers": [0.5] * 70})
    good = (saved / name).read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        (saved / name).write_bytes(bad)
        if name != MANIFEST:
            with pytest.raises(CheckpointError, match=name.split(".")[0]):
                load_network(saved)
            continue
        try:  # white space and the like in the manifest may change without a meaning
            back, extra = load_network(saved)
        except CheckpointError:
            continue
        assert (back.params.flat == original.params.flat).all()
        assert extra == {"numbers": [0.5] * 70}


@pytest.mark.parametrize("name", [WEIGHTS, STATE, MANIFEST])
def test_truncated_and_longer_files(saved: Path, name: str) -> None:
    good = (saved / name).read_bytes()
    for length in (0, 1, 7, 8, len(good) // 2, len(good) - 1):
        (saved / name).write_bytes(good[:length])
        with pytest.raises(CheckpointError, match=name):
            load_network(saved)
    (saved / name).write_bytes(good + b"x")
    with pytest.raises(CheckpointError, match=name):
        load_network(saved)


@pytest.mark.parametrize("name", [WEIGHTS, STATE, MANIFEST])
def test_missing_files_and_folders_in_their_place(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name}: cannot be read: No such file"):
        load_network(saved)
    (saved / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        load_network(saved)
    with pytest.raises(CheckpointError, match=r"cannot be read: No such file"):
        load_network(saved / "missing")


def reseal(folder: Path, **changes: bytes) -> None:
    """Write files together with a manifest that fits them, as a forger would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, content in changes.items():
        file = {"weights": WEIGHTS, "state": STATE}[name]
        (folder / file).write_bytes(content)
        manifest["files"][file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "manifest",
    [
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2}',
        b'{"format": "1"}',
        b'{"format": 1}',
        b'{"format": 1, "files": []}',
        b'{"format": 1, "files": {"weights.safetensors": 3, "state.json": {}}}',
        b'{"format": 1, "files": {"weights.safetensors": {}, "state.json": {}}}',
        b'{"format": 1, "files": {"weights.safetensors": null, "state.json": null}}',
        b'{"format": 1, "files": {"../../etc/passwd": {}, "state.json": {}}}',
        b" " * (1 << 17),
    ],
    ids=lambda m: repr(m[:70]),
)
def test_hostile_manifests(saved: Path, manifest: bytes) -> None:
    (saved / MANIFEST).write_bytes(manifest)
    with pytest.raises(CheckpointError, match=str(saved)):
        load_network(saved)


def test_a_newer_format_is_named(saved: Path) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())
    (saved / MANIFEST).write_text(json.dumps({**manifest, "format": 4}))
    with pytest.raises(CheckpointError, match=r"format must be 1, 2 or 3, got 4"):
        load_network(saved)


@pytest.mark.parametrize(
    "state",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b"[" * 100_000,
        b'{"network": null}',
        b'{"network": {"layers": []}}',
        b'{"network": {"layers": ["os.system"], "loss": "x", "input_shape": 1, "seed": 0, "dtype": 1, "reg": 0}}',
    ],
    ids=lambda s: repr(s[:70]),
)
def test_forged_states(saved: Path, state: bytes) -> None:
    reseal(saved, state=state)
    for call in (load_network, lambda folder: load_training(folder, solver())):
        with pytest.raises(CheckpointError, match=str(saved)):
            call(saved)


def test_a_forged_size_takes_no_memory(saved: Path) -> None:
    state = json.loads((saved / STATE).read_text())
    state["network"]["layers"][0]["units"] = 10**10  # 160 GB of weights
    reseal(saved, state=json.dumps(state).encode())
    with pytest.raises(CheckpointError, match=str(saved)):
        load_network(saved)


def test_forged_weights(saved: Path) -> None:
    from safetensors.numpy import save

    good, _ = load_checkpoint(saved)
    for weights in (
        b"",
        b"\xff" * 8,
        b"\x08" + b"\0" * 7 + b"nonsense",
        save({}),
        save({n: a for n, a in good.items() if n != "W1"}),
        save({**good, "W9": np.zeros(3)}),
        save({**good, "W1": np.zeros((4, 9), np.float32)}),
        save({**good, "W1": np.zeros((8, 4), np.float32)}),
    ):
        reseal(saved, weights=weights)
        with pytest.raises(CheckpointError, match=str(saved)):
            load_network(saved)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("history",), None),
        (("history",), []),
        (("history", "epochs"), 3),
        (("history", "epochs"), [{}]),
        (("history", "epochs"), [{"stranger": 1}]),
        (("history", "loss_history"), "abc"),
        (("history", "loss_history"), [None]),
        (("epoch",), "3"),
        (("epoch",), -1),
        (("epoch",), True),
        (("step_number",), 1.5),
        (("step_number",), None),
        (("best_val_acc",), "high"),
        (("best_val_acc",), [1]),
        (("network",), None),
        (("options",), [1]),
        (("options", "seed"), "0"),
    ],
    ids=repr,
)
def test_forged_training_states(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    solver().save_checkpoint(tmp_path / "c")
    state = json.loads((tmp_path / "c" / STATE).read_text())
    place = state
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    reseal(tmp_path / "c", state=json.dumps(state).encode())
    made = solver()
    with pytest.raises(CheckpointError, match=str(tmp_path / "c")):
        load_training(tmp_path / "c", made)
    assert made.engine.step_number == made.epoch == 0


# -- disks that fill up, processes that are killed ------------------------------------------------------------------


@pytest.mark.parametrize("function", ["replace", "fsync", "mkdir", "write"])
@pytest.mark.parametrize("older", [True, False])
def test_a_failing_disk_leaves_the_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, older: bool
) -> None:
    folder = tmp_path / "runs" / "net"
    if older:
        save_network(folder, network(seed=1))
    else:
        folder.parent.mkdir()
    monkeypatch.setattr("chainrule.files._exchange_at_once", lambda a, b: False)

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, fails)
    with pytest.raises(CheckpointError, match=r"could not be written: the disk is full"):
        save_network(folder, network(seed=2))
    monkeypatch.undo()
    assert os.listdir(folder.parent) == (["net"] if older else [])
    if older:
        assert load_network(folder)[0].seed == 1


def test_a_full_disk_in_the_middle_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_network(tmp_path / "net", network(seed=1))
    real = os.write

    def half(handle: int, data: Any) -> int:
        if len(data) > 1:
            return real(handle, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(CheckpointError, match=r"the disk is full"):
        save_network(tmp_path / "net", network(seed=2))
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["net"]
    assert load_network(tmp_path / "net")[0].seed == 1


def test_a_checkpoint_may_be_moved(tmp_path: Path) -> None:
    save_network(tmp_path / "a", network(seed=6))
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert load_network(tmp_path / "b")[0].seed == 6


def test_a_regression_network_comes_back_too(tmp_path: Path) -> None:
    model = Network([Affine(2)], SquaredError(), 4, dtype="float64", reg=0.5)
    save_network(tmp_path / "r", model)
    assert load_network(tmp_path / "r")[0].config() == model.config()
