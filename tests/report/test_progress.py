"""Progress on a terminal and without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from chainrule.errors import DivergenceError
from chainrule.recipes import apply_overrides, build, load_recipe
from chainrule.report import Progress


def run(terminal, epochs, *overrides):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, legacy_windows=False)
    recipe = apply_overrides(
        load_recipe("digits-mlp"), [f"train.epochs={epochs}", "model.layers.1.units=5", *overrides]
    )
    with Progress(console) as progress:
        build(recipe).solver([progress]).train()
    return out.getvalue()


def test_a_terminal_gets_a_bar():
    text = run(True, 2)
    for shown in ("epoch 2/2", "loss ", "train 0.", "val 0.", "images/s", "0:00:0"):
        assert shown in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is hidden, and shown again


def test_without_a_terminal_plain_lines_are_printed():
    text = run(False, 3)
    assert "\x1b" not in text
    assert "\r" not in text
    rows = text.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("images/s" in row and "loss" in row and "val" in row for row in rows)


def test_a_long_run_prints_few_lines():
    assert 20 <= len(run(False, 45, "data.train=64", "data.val=64").splitlines()) <= 23


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_terminal_is_put_right_when_training_diverges():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, legacy_windows=False)
    recipe = apply_overrides(load_recipe("digits-mlp"), ["train.optim_config.learning_rate=1e38"])
    with pytest.raises(DivergenceError), Progress(console) as progress:
        build(recipe).solver([progress]).train()
    assert out.getvalue().count("\x1b[?25h") == 1
