"""Trainings in child processes: kept, resumed, shared, and lost alone where one fails."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chainrule.files import LOCK, locked
from chainrule.recipes import build, change, load_recipe, to_toml
from chainrule.recipes.run import load_run, train
from chainrule.reproduce import runner
from chainrule.reproduce.jobs import Job, Row, make_row
from chainrule.reproduce.outcomes import read
from chainrule.reproduce.runner import missing, run
from chainrule.reproduce.worker import MEASURED, run_job
from chainrule.solver import Callback


def parts_of(kept):
    return [p for p in kept.iterdir() if p.name.startswith(".")]


def test_a_training_is_measured(write_recipe, tmp_path):
    job = Job(load_recipe(write_recipe()))
    folder = job.folder(tmp_path / "kept")
    assert run_job(job.recipe, folder, "reference", {}) == "finished"
    outcome = read(job, tmp_path / "kept")
    assert outcome.state == "finished"
    assert len(outcome.epochs) == 3
    run, experiment = load_run(folder), build(job.recipe)
    X, y = experiment.data["X_test"], experiment.data["y_test"]
    scores = run.network.scores(X).astype(np.float64)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(y)), y]
    assert outcome.figure("test_loss") == pytest.approx(losses.mean(), rel=1e-5)
    assert outcome.sampling_error("test_loss") == pytest.approx(losses.std(ddof=1) / math.sqrt(200), rel=1e-4)
    p = outcome.figure("test_accuracy")
    assert p == (run.network.predict(X) == y).mean() > 0.4
    assert outcome.sampling_error("test_accuracy") == pytest.approx(math.sqrt(p * (1 - p) / 200))
    history = json.loads((folder / "history.json").read_text("utf-8"))["loss_history"]
    assert outcome.figure("mean_step_loss") == pytest.approx(np.mean(history))
    assert json.loads((folder / "results.json").read_text("utf-8"))["run"] == str(folder)
    assert not parts_of(tmp_path / "kept")


def test_divergence_is_kept_and_other_errors_are_not(write_recipe, tmp_path):
    diverging = Job(load_recipe(write_recipe(rate=1e38)))
    assert run_job(diverging.recipe, diverging.folder(tmp_path / "kept"), "auto", {}) == "diverged"
    outcome = read(diverging, tmp_path / "kept")
    assert outcome.state == "diverged"
    assert "training diverged at step" in outcome.why
    assert math.isnan(outcome.figure("test_accuracy"))
    wrong = Job(change(diverging.recipe, {"data.train": 5000}))
    said = run_job(wrong.recipe, wrong.folder(tmp_path / "kept"), "auto", {})
    assert said.startswith("failed: [data] of recipe good")
    assert read(wrong, tmp_path / "kept", said).state == "failed"
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_rows_are_kept_shared_and_lost_alone(write_recipe, study_path, tmp_path):
    kept, said = tmp_path / "kept", []
    rows = [
        make_row(write_recipe("bad", replace=("train = 400", "train = 4000"))),
        make_row(write_recipe("good"), seeds=2),
        make_row(write_recipe("twin")),
        make_row(study_path),
    ]
    failures = run(rows, kept, "auto", 2, said.append)
    assert list(failures) == [rows[0].jobs[0].key]
    assert failures[rows[0].jobs[0].key].startswith("[data] of recipe bad")
    assert [len(missing(row, kept)) for row in rows] == [1, 0, 0, 0]
    assert rows[2].jobs[0].key == rows[1].jobs[0].key  # the twin is one training with the first seed
    assert len(list(kept.iterdir())) == 4
    before = {p: p.stat().st_mtime_ns for p in kept.rglob("*") if p.is_file()}
    assert run(rows[1:], kept, "auto", 1, said.append) == {}
    assert {p: p.stat().st_mtime_ns for p in kept.rglob("*") if p.is_file()} == before
    (rows[1].jobs[1].folder(kept) / MEASURED).unlink()
    assert missing(rows[1], kept) == [rows[1].jobs[1]]
    assert run(rows[1:2], kept, "auto", 1, said.append) == {}
    assert missing(rows[1], kept) == []


def test_two_processes_at_the_same_training_leave_one(write_recipe, tmp_path):
    job = Job(load_recipe(write_recipe()))
    folder = job.folder(tmp_path)
    assert run_job(job.recipe, folder, "auto", {}) == "finished"
    before = (folder / MEASURED).stat().st_mtime_ns
    assert run_job(job.recipe, folder, "auto", {}) == "finished"
    assert (folder / MEASURED).stat().st_mtime_ns == before
    assert not parts_of(tmp_path)


def test_a_training_that_was_stopped_goes_on_from_its_checkpoint(write_recipe, tmp_path):
    class Stop(Callback):
        def on_step_end(self, solver):
            solver.stop = solver.engine.step_number >= 7

    job = Job(load_recipe(write_recipe()))
    whole, folder = tmp_path / "whole" / "a", job.folder(tmp_path)
    assert run_job(job.recipe, whole, "auto", {}) == "finished"
    part = tmp_path / f".part-auto-{folder.name}"
    part.mkdir()
    experiment = build(job.recipe)
    train(experiment, experiment.solver([Stop()], engine="auto"), part)
    assert run([Row(job.recipe, (job,))], tmp_path, "auto", 1, lambda line: None) == {}
    assert json.loads((folder / MEASURED).read_text("utf-8"))["resumed"]
    assert not parts_of(tmp_path)
    manifests = [json.loads((f / "checkpoint" / "manifest.json").read_text("utf-8")) for f in (whole, folder)]
    assert manifests[0]["files"]["weights.safetensors"] == manifests[1]["files"]["weights.safetensors"]


def test_it_waits_for_another_process_at_the_same_training(write_recipe, tmp_path, monkeypatch):
    job = Job(load_recipe(write_recipe()))
    folder = job.folder(tmp_path)
    part = tmp_path / f".part-auto-{folder.name}"
    part.mkdir()
    waits, sleep = threading.Event(), time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.set(), sleep(0.01)))
    with ThreadPoolExecutor(1) as pool:
        with locked(part / LOCK) as alone:
            assert alone
            later = pool.submit(run_job, job.recipe, folder, "auto", {})
            assert waits.wait(300)
            assert not later.done()
        assert later.result() == "finished"
    assert not parts_of(tmp_path)


def test_a_process_that_dies_costs_its_own_row(write_recipe, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(runner, "WORKER", [sys.executable, "-c", "import sys; sys.exit('no such luck')"])
    row = make_row(write_recipe())
    failures = run([row], tmp_path / "kept", "auto", 1, said.append)
    assert failures == {row.jobs[0].key: "the process ended with status 1: no such luck"}
    assert read(row.jobs[0], tmp_path / "kept", failures[row.jobs[0].key]).state == "failed"


def test_a_process_whose_runner_is_gone_ends(write_recipe, tmp_path):
    job = Job(load_recipe(write_recipe()))
    folder = job.folder(tmp_path)
    part = tmp_path / f".part-auto-{folder.name}"
    part.mkdir()
    with locked(part / LOCK) as alone, subprocess.Popen(runner.WORKER, stdin=subprocess.PIPE, text=True) as process:
        assert alone  # and so it would wait for ever
        request = {"engine": "auto", "jobs": [{"recipe": to_toml(job.recipe), "folder": str(folder)}]}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.close()
        assert process.wait(300) == 1
    assert not folder.exists()


def test_ctrl_c_is_left_to_the_runner(write_recipe, tmp_path):
    """A terminal sends it to both; what a training has come to must not be cleared away then."""
    jobs = [Job(change(load_recipe(write_recipe()), {"seed": seed})) for seed in (0, 1)]
    folders = [job.folder(tmp_path) for job in jobs]
    request = [{"recipe": to_toml(j.recipe), "folder": str(f)} for j, f in zip(jobs, folders, strict=True)]
    part = tmp_path / f".part-auto-{folders[1].name}"
    part.mkdir()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(runner.WORKER, **pipes) as process:
        with locked(part / LOCK) as alone:
            assert alone
            process.stdin.write(json.dumps({"engine": "auto", "jobs": request}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["outcome"] == "finished"
            process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.readline())["outcome"] == "finished"
        assert process.wait(300) == 0


def test_killed_it_goes_on_where_it_was(write_recipe, tmp_path):
    """SIGKILL of the command, between two trainings of a row: nothing is done twice."""
    path = write_recipe("long", replace=("epochs = 3", "epochs = 300"))
    words = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main(sys.argv[1:]))"]
    words += ["reproduce", path, "--seeds", "3", "--kept", str(tmp_path / "kept"), "--out", str(tmp_path / "out")]
    row, kept = make_row(path, seeds=3), tmp_path / "kept"
    last = kept / f".part-auto-{row.jobs[2].folder(kept).name}"
    last.mkdir(parents=True)
    with locked(last / LOCK):  # it cannot be done with all before it is killed, however fast it is
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        try:
            first = process.stderr.readline()
            assert first.startswith("long seed 0: finished")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        finally:
            process.kill()
            process.stderr.close()
        done = [job for job in row.jobs if (job.folder(kept) / MEASURED).is_file()]
    assert 1 <= len(done) < 3
    before = {p: p.stat().st_mtime_ns for job in done for p in job.folder(kept).rglob("*")}
    assert run([row], kept, "auto", 1, lambda line: None) == {}
    assert missing(row, kept) == []
    assert {p: p.stat().st_mtime_ns for p in before} == before
