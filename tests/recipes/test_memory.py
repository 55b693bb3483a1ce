"""The memory that training will take: its parts, what they follow, and a budget."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli import main
from chainrule.engines.memory import evaluation_bytes, runs_native, training_bytes
from chainrule.engines.native import is_available
from chainrule.errors import ConfigError, MemoryLimitError
from chainrule.recipes import apply_overrides, build, load_recipe
from chainrule.recipes.memory import estimate_memory, fit_in_memory, known_rows, parse_bytes, resident_memory

DIGITS = load_recipe("digits-mlp")


def parts(*overrides: str, engine: str = "auto", lazily: bool | None = None) -> dict[str, int]:
    return dict(estimate_memory(apply_overrides(DIGITS, overrides), engine, lazily=lazily).parts)


def test_the_parts_and_their_sum() -> None:
    estimate = estimate_memory(DIGITS)
    assert estimate.total == sum(estimate.parts.values())
    assert estimate.parts["interpreter and libraries"] > 30e6
    floats = 4 * 64 * 1797
    assert estimate.parts["inputs as floats"] == floats
    network = build(DIGITS).network
    assert estimate.parts["weights and gradients"] == 3 * network.params.flat.nbytes
    assert estimate.parts["slots of the update rule"] == 2 * network.params.flat.nbytes
    assert str(estimate).splitlines()[-1].split() == ["peak", f"{estimate.total / 1e6:,.1f}", "MB"]


def test_what_the_parts_follow() -> None:
    plain = parts()
    assert (
        parts("train.update_rule=sgd", "train.optim_config={learning_rate=0.1}").get("slots of the update rule") is None
    )
    twice = parts("dtype=float64")
    assert twice["inputs as floats"] == 2 * plain["inputs as floats"]
    if is_available():
        assert parts("train.batch_size=640")["a training step"] > 5 * plain["a training step"]
    assert "a training step, an evaluation or a checkpoint" in parts(engine="reference")
    last = parts("train.keep=last")
    assert last["best weights"] == 2 * plain["best weights"]
    assert "the state to go back to" in parts("train.on_divergence=back-off")
    assert "inputs as floats" in parts()


@pytest.mark.parametrize("train", [True, False])
def test_small_steps_tell_of_large_ones(train: bool) -> None:
    layers = [cr.Conv2D(8, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Affine(10)]
    network = cr.Network(layers, input_shape=(3, 16, 16), dtype="float64")
    import tracemalloc

    rows = 400
    x, y = np.zeros((rows, 3, 16, 16)), np.zeros(rows, int)
    run = (lambda: network.loss(x, y)) if train else (lambda: network.scores(x))
    run()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    predicted = (training_bytes if train else evaluation_bytes)(network, rows, native=False)
    assert predicted == pytest.approx(peak, rel=0.15)


@pytest.mark.skipif(not is_available(), reason="chainrule was installed without the native engine")
def test_the_arena_is_the_one_that_the_engine_makes() -> None:
    network = build(DIGITS).network
    engine = cr.NativeEngine(network, cr.Adam())
    engine.plan(64)
    assert abs(training_bytes(network, 64, native=True) - engine._train.arena.nbytes) <= 64  # type: ignore[union-attr]
    assert runs_native(network, "auto")
    assert not runs_native(network, "reference")


def test_rows_are_known_without_reading() -> None:
    rows = known_rows(load_recipe("cifar-fc"))  # also where the set is not there
    assert (rows.shape, rows.itemsize) == ((3, 32, 32), 1)
    assert rows.source == {"train": 50_000, "test": 10_000}
    assert rows.parts == {"train": 49_000, "val": 1_000}
    assert known_rows(DIGITS).source["train"] == 1797


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("800MB", 800_000_000), ("2 GiB", 2**31), ("1.5kb", 1500), ("0.5TB", 5 * 10**11), ("3mib", 3 << 20)],
)
def test_bytes_as_written(text: str, number: int) -> None:
    assert parse_bytes(text) == number


@pytest.mark.parametrize("text", ["", "MB", "-1", "0", "1e9", "2 apples", "0.0GB", "nan", "0.5", "9" * 400])
def test_what_is_no_number_of_bytes(text: str) -> None:
    with pytest.raises(ConfigError, match="memory must be a number of bytes"):
        parse_bytes(text)


def test_a_budget_is_kept_to_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.recipes.memory.resident_memory", lambda: 100_000_000)
    small, large = (apply_overrides(DIGITS, [f"train.batch_size={n}"]) for n in (8, 1000))
    estimate, late = estimate_memory(small), estimate_memory(small, lazily=True)
    assert late.total < estimate.total
    assert fit_in_memory(small, "auto", estimate.total) == (estimate, False)
    assert fit_in_memory(small, "auto", late.total) == (late, True)
    recipe, budget = large, 108_000_000
    with pytest.raises(MemoryLimitError, match=r"108\.0 MB are allowed: interpreter and libraries 100\.0 MB") as caught:
        fit_in_memory(recipe, "auto", budget)
    batch = int(str(caught.value).rpartition("batch_size=")[2].split()[0])
    assert 1 <= batch < 1000
    for n, fits in ((batch, True), (batch + 1, False)):
        changed = apply_overrides(recipe, [f"train.batch_size={n}"])
        assert (min(estimate_memory(changed, lazily=way).total for way in (None, True)) <= budget) is fits
    with pytest.raises(MemoryLimitError, match="no batch size is small enough"):
        fit_in_memory(recipe, "auto", 1000)


def test_rows_normalised_late_give_the_same_bits() -> None:
    kept = []
    for lazily in (False, True):
        experiment = build(apply_overrides(DIGITS, ["train.epochs=1"]), lazily=lazily)
        solver = experiment.solver()
        solver.train()
        kept.append((solver.loss_history, experiment.network.params.flat.copy()))
    assert kept[0][0] == kept[1][0]
    np.testing.assert_array_equal(kept[0][1], kept[1][1])


def test_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["summary", "digits-mlp", "--memory", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == sum(found["parts"].values())
    assert main(["summary", "resnet18", "--memory"]) == 2
    assert "--memory goes with a recipe" in capsys.readouterr().err
    assert main(["train", "digits-mlp", "--memory", "1MB"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "1.0 MB are allowed: interpreter and libraries" in told
    assert not Path("runs").exists()
    assert main(["train", "digits-mlp", "--epochs", "1", "--memory", "100GB", "--out", "run"]) == 0
    assert "100GB allowed" in capsys.readouterr().err


def test_a_prediction_meets_the_peak_of_a_process(tmp_path: Path) -> None:
    """The smallest case of what tools/memory.py measures for every recipe."""
    pytest.importorskip("resource")
    tool = Path(__file__).parents[2] / "tools" / "memory.py"
    made = {}
    for task in ("peak", "prediction"):
        command = [sys.executable, str(tool), "digits-mlp", "--task", task]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "TMPDIR": str(tmp_path)}
        )
        made[task] = json.loads(done.stdout.splitlines()[-1])
    assert sum(made["prediction"]["parts"].values()) == pytest.approx(made["peak"]["peak"], rel=0.15)
    assert resident_memory() > 10e6
