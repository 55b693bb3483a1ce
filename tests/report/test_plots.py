"""Figures: what is drawn, that it fits on the canvas, and that nothing global is touched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from chainrule.report import confusion_figure, curves_figure, save_figure
from chainrule.report.plots import moving_average
from chainrule.solver import Epoch, History


def history(epochs, steps_per_epoch, seed=0):
    rng = np.random.default_rng(seed)
    losses = (
        2 * np.exp(-np.arange(epochs * steps_per_epoch) / 200) + rng.uniform(0, 0.3, epochs * steps_per_epoch)
    ).tolist()
    records = [
        Epoch(i + 1, 0.5, 0.9 + 0.05 * rng.uniform(), 0.9 - 0.1 * rng.uniform(), 0.4, 1.0, 0.1, 1000.0)
        for i in range(epochs)
    ]
    return History(losses, [r.train_acc for r in records], [r.val_acc for r in records], records)


def assert_nothing_is_cut_off(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.min() < 100
    assert all((edge == 255).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def lines(axes):
    return {line.get_label().split(" (")[0]: line.get_xydata() for line in axes.get_lines()}


def test_curves_show_every_step_its_mean_and_both_scores():
    h = history(5, 40)
    loss, score = curves_figure(h, "A run").axes
    np.testing.assert_array_equal(lines(loss)["each step"], np.c_[1:201, h.loss_history])
    smooth = lines(loss)["mean of 4 steps"]
    assert smooth[0].tolist() == [4, pytest.approx(np.mean(h.loss_history[:4]))]
    assert smooth[-1].tolist() == [200, pytest.approx(np.mean(h.loss_history[-4:]))]
    np.testing.assert_array_equal(lines(score)["training"], [(e.epoch, e.train_acc) for e in h.epochs])
    np.testing.assert_array_equal(lines(score)["validation"], [(e.epoch, e.val_acc) for e in h.epochs])
    assert (loss.get_xlabel(), loss.get_ylabel(), score.get_xlabel(), score.get_ylabel()) == (
        *("step", "training loss"),
        *("epoch", "accuracy"),
    )


@pytest.mark.parametrize("epochs", [0, 1, 2, 3, 40])
def test_steps_and_epochs_are_marked_at_integers(epochs):
    for axes in curves_figure(history(epochs, 1), "A run").axes:
        low, high = axes.get_xlim()
        ticks = [t for t in axes.get_xticks() if low <= t <= high]
        assert all(t == int(t) for t in ticks)
        assert len(ticks) >= min(epochs, 2)
        assert epochs > 0 or not ticks


@pytest.mark.parametrize("h", [History(), history(1, 1), history(300, 3)], ids=["nothing", "one step", "many"])
def test_every_length_of_run_can_be_drawn(h, tmp_path):
    save_figure(curves_figure(h, "A run"), tmp_path / "curves.png")
    assert_nothing_is_cut_off(tmp_path / "curves.png")


@pytest.mark.parametrize("classes", [2, 10, 40])
@pytest.mark.parametrize("name", ["", "automobile "])
def test_confusion_matrix(classes, name, tmp_path):
    matrix = np.random.default_rng(0).integers(0, 1200, (classes, classes))
    matrix[0] = 0
    names = [f"{name}{i}" for i in range(classes)]
    figure = confusion_figure(matrix, names, "A run: test set")
    axes = figure.axes[0]
    counts = {t.get_text() for t in axes.texts}
    assert counts == ({str(n) for n in matrix.flat if n} if classes <= 25 else set())
    assert [t.get_text() for t in axes.get_yticklabels()] == names
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    save_figure(figure, tmp_path / "confusion.png")
    assert_nothing_is_cut_off(tmp_path / "confusion.png")


def test_a_count_is_legible_on_its_colour():
    texts = confusion_figure(np.array([[90, 10], [50, 50]]), ["a", "b"], "").axes[0].texts
    assert [(t.get_text(), t.get_color()) for t in texts[:2]] == [("90", "white"), ("10", "black")]


def test_moving_average():
    np.testing.assert_allclose(moving_average(np.array([3.0, 5.0, 10.0, 0.0]), 3), [6, 5])


def test_pyplot_is_never_loaded():
    program = (
        "import sys, numpy as np; from chainrule.report import *; from chainrule.solver import History;"
        "curves_figure(History(), ''); confusion_figure(np.eye(2, dtype=int), ['a', 'b'], '');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
