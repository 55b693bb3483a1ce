"""Turns, processes and peers, without looking at any time."""

from __future__ import annotations

import dataclasses
import math
import os

import numpy as np
import pytest

from chainrule.bench import measure
from chainrule.bench.cases import layer_cases, usual_case
from chainrule.bench.measure import OURS, Settings, call, modes_of, take_turns
from chainrule.bench.rows import ROWS, Row, layers_of, products, select_rows, step_flops
from chainrule.bench.worker import peak_memory
from chainrule.engines import NativeEngine
from chainrule.engines.native import is_available
from chainrule.errors import ChainruleError
from chainrule.layers import LAYERS, Affine, Conv2D, ConvTranspose2D
from chainrule.network import Network
from chainrule.optim import SGD

QUICK = Settings(rows=select_rows(["mlp-200"]), peers=(), threads=1, rounds=1, seconds=0.01)


def silent(line):
    pass


def test_modes_take_turns():
    seen = []

    def one(mode):
        seen.append(mode)
        return {"ms": 1.0}

    runs, skipped = take_turns([OURS, "torch", "jax"], 2, one, silent)
    assert seen == [OURS, "torch", "jax"] * 2
    assert [len(r) for r in runs.values()] == [2, 2, 2]
    assert skipped == {}


def test_a_mode_that_cannot_run_is_asked_once_and_told():
    said = []
    runs, skipped = take_turns(
        [OURS, "jax"], 3, lambda mode: {"ms": 1.0} if mode == OURS else {"skipped": "no such thing"}, said.append
    )
    assert set(runs) == {OURS}
    assert skipped == {"jax": "no such thing"}
    assert sum("jax is skipped: no such thing" in line for line in said) == 1


def test_a_mode_that_fails_later_has_no_part():
    answers = iter([{"ms": 1.0}, {"ms": 1.0}, {"ms": 1.0}, {"skipped": "killed"}])
    runs, skipped = take_turns([OURS, "jax"], 2, lambda mode: next(answers), silent)
    assert set(runs) == {OURS}
    assert skipped == {"jax": "killed"}


def test_a_hopeless_compiler_is_left_out_after_the_first_round():
    times = {OURS: 1.0, "torch": 2.0, "torch compile": 9.0}
    runs, skipped = take_turns(list(times), 3, lambda mode: {"ms": times[mode]}, silent)
    assert set(runs) == {OURS, "torch"}
    assert "4.5 times" in skipped["torch compile"]
    times["torch compile"] = 2.5
    assert set(take_turns(list(times), 3, lambda mode: {"ms": times[mode]}, silent)[0]) == set(times)


def test_our_own_failure_is_an_error():
    with pytest.raises(ChainruleError, match="out of memory"):
        take_turns([OURS], 1, lambda mode: {"skipped": "out of memory"}, silent)


def test_a_process_that_breaks_is_a_reason():
    assert "failed: KeyError: 'nonsense'" in call(QUICK, {"task": "nonsense"})["skipped"]
    assert "failed" in call(QUICK, {"task": "row", "row": "mlp-200", "mode": "tensorflow"})["skipped"]


def test_channels_last_is_for_images_and_bf16_for_the_native_engine():
    assert modes_of([], "reference") == [OURS]
    assert modes_of(["jax"], "native") == [OURS, "chainrule bf16", "jax"]


def test_a_peer_that_is_not_installed_is_said_and_left_out(monkeypatch):
    monkeypatch.setitem(measure.PEERS, "torch_that_is_not_there", ("torch_that_is_not_there",))
    asked, said = [], []

    def answer(settings, job):
        asked.append(job)
        return {"gflops": 1.0, "source": ""} if job["task"] == "peak" else {"ms": 1.0, "peak_mb": 1, "first_step_s": 1}

    monkeypatch.setattr(measure, "call", answer)
    settings = Settings(rows=ROWS[:1], peers=("torch_that_is_not_there",), engine="reference")
    found = measure.run(settings, said.append)
    assert "torch_that_is_not_there is not installed: skipped" in said
    assert found["settings"]["peers_absent"] == ["torch_that_is_not_there"]
    assert {job["mode"] for job in asked if job["task"] == "row"} == {OURS}


def test_what_was_measured_while_the_machine_was_slow_is_measured_again(monkeypatch):
    peaks = iter([100.0, 101.0, 99.0, 98.0, 97.0] + [100.0, 50.0, 99.0, 99.0] + [50.0] * 5)
    times = iter(range(100))

    def answer(settings, job):
        return {"gflops": next(peaks), "source": ""} if job["task"] == "peak" else {"ms": next(times)}

    monkeypatch.setattr(measure, "call", answer)
    machine = measure.Machine(QUICK)
    assert machine.peak["gflops"] == 101
    # Slow after the first attempt, and so before the second: the third counts.
    assert machine.measure({"task": "row"}) == {"ms": 2}
    assert (machine.repeated, machine.slow) == (2, 0)
    assert machine.measure({"task": "row"}) == {"ms": 2 + measure.ATTEMPTS}
    assert (machine.repeated, machine.slow) == (2 + measure.ATTEMPTS - 1, 1)


def test_libraries_are_told_how_many_threads():
    environment = measure.environment(3)
    assert all(environment[name] == "3" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CHAINRULE_THREADS"))


def test_peak_memory_is_of_this_process():
    assert 10e6 < peak_memory() < 1e12


# -- what is measured ---------------------------------------------------------------------------------------------


def test_every_layer_has_a_case_that_fits_it():
    cases = layer_cases()
    assert {type(case.layer) for case in cases} == set(LAYERS)
    assert len({case.title for case in cases}) == len(cases)
    for case in cases:
        assert math.prod(case.layer.output_shape(case.shape)) > 0
    assert usual_case(Affine).shape == (256, 1024)


def test_operations_of_products():
    assert products(Affine(7), (5, 3)) == 2 * 5 * 3 * 7
    assert products(Conv2D(4, 3, padding=1, groups=2), (2, 6, 5, 5)) == 2 * 2 * 4 * 3 * 9 * 25
    assert products(ConvTranspose2D(4, 2, stride=2), (2, 6, 5, 5)) == 2 * 2 * 6 * 4 * 4 * 25


@pytest.mark.skipif(not is_available(), reason="the compiled module is not installed")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_operations_of_a_row_are_those_of_its_plan(row):
    plan = NativeEngine(Network(layers_of(row), input_shape=row.input_shape), SGD(), winograd=False).plan(2)
    planned = sum(op.flops for op in plan.operations if op.phase in ("forward", "backward", "update"))
    assert step_flops(row) == planned * row.batch


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_peers_have_the_same_parameters(row):
    torch = pytest.importorskip("torch")
    from chainrule.bench import torch_peer

    network = Network(layers_of(row), input_shape=row.input_shape)
    shape, modules = (row.batch, *row.input_shape), []
    for layer in layers_of(row):
        modules.append(torch_peer.module_for(layer, shape))
        shape = layer.output_shape(shape)
    model = torch.nn.Sequential(*modules)
    assert sum(p.numel() for p in model.parameters()) == network.params.flat.size
    assert model(torch.zeros(2, *row.input_shape)).shape == (2, row.classes)


@pytest.mark.parametrize("case", layer_cases(), ids=lambda case: case.title)
def test_pytorch_layers_have_the_same_shapes(case):
    torch = pytest.importorskip("torch")
    from chainrule.bench import torch_peer

    layer, shape = case
    if layer.name == "Affine" or len(shape) == 2:
        small = (2, *shape[1:])
    else:
        small = (2, *shape[1:2], *(min(s, 9 if s % 2 else 8) for s in shape[2:]))
    module = torch_peer.module_for(layer, small)
    x = torch.zeros(small, requires_grad=True)
    assert tuple(module(x).shape) == tuple(layer.output_shape(small))
    assert sum(p.numel() for p in module.parameters()) == layer.param_count(small)


SMALL = Row(
    "small",
    "every layer that rows have",
    (
        *({"layer": "Conv2D", "filters": 3, "kernel": 3, "padding": 1}, "BatchNorm", "ReLU"),
        *({"layer": "MaxPool2D", "size": 2}, {"layer": "Dropout", "rate": 0.1}, "Flatten"),
        {"layer": "Affine", "units": 5},
    ),
    (2, 4, 4),
    4,
    "adam",
    classes=5,
)


@pytest.mark.parametrize("row", [SMALL, dataclasses.replace(SMALL, rule="sgd_momentum")], ids=lambda row: row.rule)
def test_jax_trains_the_same_model(row):
    jax = pytest.importorskip("jax")
    from chainrule.bench.jax_peer import Model

    with jax.enable_x64(False):  # other tests switch it on for the whole process
        model = Model(jax, row)
        assert {layer.name for r in ROWS for layer in layers_of(r)} == {layer.name for layer in model.layers}
        state = model.start()
        own = Network(layers_of(row), input_shape=row.input_shape)
        assert sum(np.size(leaf) for leaf in jax.tree.leaves(state["params"])) == own.params.flat.size
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((4, 4, 4, 2)).astype(np.float32), rng.integers(0, 5, 4)
        step, losses = jax.jit(model.step), []
        for _ in range(60):
            state, loss = step(state, x, y)
            losses.append(float(loss))
        assert int(state["step"]) == 60
        assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_cores_are_those_of_this_process():
    from chainrule.bench.machine import allowed_cores

    if hasattr(os, "sched_getaffinity"):
        assert sorted(allowed_cores()) == sorted(os.sched_getaffinity(0))
