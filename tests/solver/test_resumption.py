"""Going on after a stop: the same bits as the run that was never stopped, whatever the stop fell upon."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import LegacyBatches, NormalizedRows, Normalizer
from chainrule.data.augment import HorizontalFlip, RandomCrop
from chainrule.engines.native import is_available
from chainrule.errors import CheckpointError, ConfigError
from chainrule.optim import RULES, Chain
from chainrule.optim.schedules import Cosine, OneCycle, ReduceOnPlateau
from chainrule.solver import EMA, SWA, Callback, EarlyStopping, KeepLast, Solver
from chainrule.solver.resumption import TrainingCheckpoints, checkpoints, resume_training

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
LABELS = (IMAGES.reshape(60, -1).mean(1) > 127).astype(int) + (IMAGES[:, 0, 0, 0] > 127)
SCALE = Normalizer.fit("channel", IMAGES[:40])
ENGINES = ["reference", *(["native"] if is_available() else [])]


class EachStep(Callback):
    """Has steps taken one by one."""

    def on_step_end(self, solver: Solver) -> None:
        pass


class StopAt(Callback):
    """Asks for a stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, solver: Solver) -> None:
        solver.stop = solver.stop or solver.engine.step_number == self.step


def make(features: str, rule: Any, engine: str, callbacks: list[Callback]) -> Solver:
    lazily = "augment" in features
    data: dict[str, Any] = {"y_train": LABELS[:40], "y_val": LABELS[40:]}
    for part, rows in (("X_train", IMAGES[:40]), ("X_val", IMAGES[40:])):
        data[part] = NormalizedRows(rows, SCALE) if lazily else SCALE.apply(rows, np.float32)
    layers = [cr.Conv2D(4, 3, padding=1), *([cr.BatchNorm()] if "norm" in features else []), cr.ReLU()]
    layers += [cr.MaxPool2D(2), *([cr.Dropout(0.3)] if "dropout" in features else []), cr.Flatten(), cr.Affine(3)]
    schedules = {"cosine": Cosine(0.1), "one_cycle": OneCycle(), "plateau": ReduceOnPlateau(0.5, 1)}
    more: list[Callback] = []
    if "early" in features:
        more.append(EarlyStopping("val_loss" if "early_loss" in features else "val_acc", patience=2))
    more += [EMA(0.9)] if "ema" in features else [SWA(0.3)] if "swa" in features else []
    more += [KeepLast()] if "last" in features else []
    return Solver(
        cr.Network(layers, input_shape=(1, 6, 6), seed=3),
        data,
        update_rule=rule,
        schedule=next((s for name, s in schedules.items() if name in features), None),
        augment=(RandomCrop(1), HorizontalFlip()) if lazily else (),
        sampling="replacement" if "replacement" in features else "shuffled",
        callbacks=[*callbacks, *more],
        engine=engine,
        batch_size=7,
        num_epochs=5,
        seed=11,
        verbose=False,
    )


def outcome(solver: Solver) -> dict[str, Any]:
    """Everything a user could compare, but for the times."""
    state = {name: array.tobytes() for name, array in solver.engine.state().items()}
    history = solver.history.to_dict()
    for record in history["epochs"]:
        del record["seconds"], record["examples_per_second"]
    return {"state": state, "history": history, "best": solver.best_val_acc, "epoch": solver.epoch,
            "best weights": {n: w.tobytes() for n, w in solver.best_params.items()}}  # fmt: skip


def resumed(tmp_path: Path, stops: list[int], *arguments: Any) -> Solver:
    """The run stopped at each of `stops`, every time by an object, and a file, of its own."""
    for step in stops:
        solver = make(*arguments, [StopAt(step), TrainingCheckpoints(tmp_path, seconds=1e9)])
        if step != stops[0]:
            resume_training(tmp_path, solver)
        solver.train()
    solver = make(*arguments, [])
    at = resume_training(tmp_path, solver)
    assert at.step == stops[-1]
    assert not at.damaged
    solver.train()
    return solver


FEATURES = ["dropout", "norm", "augment", "cosine", "early", "early_loss plateau norm"]
OTHERS = ["ema norm", "swa norm", "last", "replacement one_cycle", "dropout norm augment one_cycle early"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_every_rule_goes_on_to_the_same_bits(tmp_path: Path, rule: Any, engine: str) -> None:
    for i, features in enumerate(FEATURES):
        arguments = (features, rule.key, engine)
        unbroken = make(*arguments, [])
        unbroken.train()
        stop = 1 + (7 * i + 5) % 20  # within an epoch and at its end; early stopping may come before
        if stop < unbroken.engine.step_number:
            assert outcome(resumed(tmp_path / str(i), [stop], *arguments)) == outcome(unbroken), features


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("features", OTHERS)
def test_everything_that_keeps_something(tmp_path: Path, features: str, engine: str) -> None:
    rule = Chain(cr.Adam(0.01), clip_norm=0.5, weight_decay=0.01)
    unbroken = make(features, rule, engine, [])
    unbroken.train()
    for i, wanted in enumerate(([1], [6], [7, 20], [3, 4, 5, 29])):
        stops = [step for step in wanted if step < unbroken.engine.step_number]
        assert outcome(resumed(tmp_path / str(i), stops, features, rule, engine)) == outcome(unbroken), stops


def test_the_classic_generator_goes_on(tmp_path: Path) -> None:
    def legacy(*callbacks: Callback) -> Solver:
        rng = np.random.RandomState(598)
        network = cr.Network([cr.Affine(3)], input_shape=36, rng=rng)
        X = SCALE.apply(IMAGES, np.float32).reshape(60, 36)
        data = {"X_train": X[:40], "y_train": LABELS[:40], "X_val": X[40:], "y_val": LABELS[40:]}
        options: dict[str, Any] = {"batch_size": 7, "num_epochs": 4, "verbose": False, "callbacks": list(callbacks)}
        return Solver(network, data, sampling=LegacyBatches(40, 7, rng), **options)

    unbroken = legacy()
    unbroken.train()
    legacy(StopAt(9), TrainingCheckpoints(tmp_path, seconds=1e9)).train()
    again = legacy()
    resume_training(tmp_path, again)
    again.train()
    assert outcome(again) == outcome(unbroken)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path) -> None:
    arguments = ("norm", "adam", ENGINES[-1])
    unbroken = make(*arguments, [])
    unbroken.train()
    make(*arguments, [EachStep(), StopAt(17), TrainingCheckpoints(tmp_path, seconds=0)]).train()
    newest, before = checkpoints(tmp_path)
    assert (newest.name, before.name) == ("step-000000000017", "step-000000000016")
    content = bytearray((newest / "weights.safetensors").read_bytes())
    content[-9] ^= 1
    (newest / "weights.safetensors").write_bytes(content)
    solver = make(*arguments, [])
    at = resume_training(tmp_path, solver)
    assert at.step == 16
    assert len(at.damaged) == 1
    assert "weights.safetensors: its SHA-256" in at.damaged[0]
    solver.train()
    assert outcome(solver) == outcome(unbroken)
    (before / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used: .*SHA-256.*; .*manifest.json"):
        resume_training(tmp_path, make(*arguments, []))


def test_only_the_last_stay_and_leftovers_go(tmp_path: Path) -> None:
    tmp_path.joinpath(".step-000000000003.abcd1234").mkdir()
    tmp_path.joinpath(".weights.safetensors.zz_99xyz").write_bytes(b"half")
    tmp_path.joinpath(".lock").touch()
    tmp_path.joinpath("notes.txt").touch()
    solver = make("norm", "sgd", "reference", [TrainingCheckpoints(tmp_path, seconds=0, keep=3)])
    solver.train()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[:2] == [".lock", "notes.txt"]
    assert len(names) == 5
    assert names[-1] == "step-000000000030"


def test_without_room_training_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 1000))
    with pytest.raises(ConfigError, match=r"needs room for 3 checkpoints, 3 MB, got 0 MB"):
        make("norm", "sgd", "reference", [TrainingCheckpoints(tmp_path)]).train()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="checkpoints cannot be written"):
        make("norm", "sgd", "reference", [TrainingCheckpoints(tmp_path / "deep")]).train()


def test_bad_options(tmp_path: Path) -> None:
    for options in ({"seconds": -1}, {"keep": 0}, {"keep": 1.5}):
        with pytest.raises(cr.ChainruleError, match=f"TrainingCheckpoints: {next(iter(options))} must be"):
            TrainingCheckpoints(tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        resume_training(tmp_path / "none", make("norm", "sgd", "reference", []))


def test_other_engines_are_told(tmp_path: Path) -> None:
    if len(ENGINES) < 2:
        pytest.skip("one engine only")
    make("norm", "sgd", "native", [StopAt(3), TrainingCheckpoints(tmp_path)]).train()
    with pytest.warns(UserWarning, match=r"saved by the engine native \(.*\), training goes on with reference"):
        resume_training(tmp_path, make("norm", "sgd", "reference", []))


def test_all_features_are_used() -> None:
    words = set(itertools.chain.from_iterable(f.split() for f in [*FEATURES, *OTHERS]))
    known = {"dropout", "norm", "augment", "cosine", "early", "early_loss", "plateau"}
    assert words == known | {"ema", "swa", "last", "replacement", "one_cycle"}
