"""Going on after a stop: the same bits as the run that was never stopped, whatever the stop fell upon."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import LegacyBatches
from chainrule.errors import CheckpointError, ConfigError
from chainrule.optim import RULES, Chain
from chainrule.solver import Callback, Solver
from chainrule.solver.resumption import TrainingCheckpoints, checkpoints, resume_training
from crashes.solvers import ENGINES, FEATURES, IMAGES, LABELS, OTHERS, SCALE, StopAt, make, matrix, outcome, resumed


class EachStep(Callback):
    """Has steps taken one by one."""

    def on_step_end(self, solver: Solver) -> None:
        pass


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_every_rule_goes_on_to_the_same_bits(tmp_path: Path, rule: Any, engine: str) -> None:
    compared = list(matrix(tmp_path, [rule], [engine], FEATURES, stops=1))
    assert [features for _, features, _, _ in compared] == FEATURES
    assert [features for _, features, _, same in compared if not same] == []


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
