"""The learning-rate range test: the rates it runs through, where it stops, what it suggests."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from chainrule.errors import ConfigError, DTypeError
from chainrule.optim import When
from chainrule.recipes import change, load_recipe
from chainrule.report.plots import save_figure
from chainrule.search import LearningRateRange, lr_range
from chainrule.search.lr_range import GrowingRate, smoothed


def falling(turn, steepest=None, steps=200):
    """A loss that falls like a logistic curve around `steepest` and jumps at `turn`."""
    rates = np.geomspace(1e-6, 10, steps)
    middle = turn / 30 if steepest is None else steepest
    losses = 2 - 1.5 / (1 + (middle / rates) ** 2) + np.where(rates > turn, 5.0, 0.0)
    return LearningRateRange("made", rates.tolist(), losses.tolist(), losses.tolist(), None)


def test_rates_grow_by_a_constant_factor_from_end_to_end():
    schedule = GrowingRate(base=0.5, low=1e-4, high=1.0, steps=5)
    assert [0.5 * schedule(When(i, 10, 5)) for i in range(5)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])


@pytest.mark.parametrize("steepest", [1e-4, 1e-3, 1e-2])
def test_the_suggestion_lies_where_the_loss_falls_fastest(steepest):
    found = falling(turn=100 * steepest, steepest=steepest)
    assert found.suggestion == pytest.approx(steepest, rel=0.2)
    assert found.least == pytest.approx(100 * steepest, rel=0.2)


def test_the_suggestion_keeps_away_from_the_turn():
    found = falling(turn=1e-2, steepest=5e-3)
    assert found.suggestion == pytest.approx(found.least / 10, rel=0.1)
    assert found.suggestion < found.steepest


def test_nothing_is_suggested_where_nothing_falls():
    rates = np.geomspace(1e-6, 1, 50)
    losses = (1 + rates).tolist()
    assert LearningRateRange("made", rates.tolist(), losses, losses, None).suggestion is None


def test_the_test_replaces_rate_and_schedule_and_stops_where_the_loss_explodes():
    recipe = load_recipe("digits-mlp")
    found = lr_range(recipe, low=1e-5, high=100.0, steps=150)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 150
    assert found.rates[:2] == pytest.approx([1e-5, 1e-5 * 1e7 ** (1 / 149)])
    assert found.smoothed[-1] > 4 * min(found.smoothed) or found.diverged is not None
    other = change(recipe, {"train.optim_config.learning_rate": 0.1, "train.schedule": {"schedule": "one_cycle"}})
    again = lr_range(other, low=1e-5, high=100.0, steps=150)
    assert again.losses[:50] == pytest.approx(found.losses[:50], rel=0.05)
    assert 3e-4 < found.suggestion < 3e-2


def test_a_rate_that_makes_numbers_overflow_ends_the_test():
    recipe = change(load_recipe("digits-mlp"), {"train.update_rule": "sgd", "train.schedule": None})
    found = lr_range(recipe, low=1e-2, high=1e30, steps=40)
    assert found.diverged is None or found.diverged > found.rates[-1]
    assert len(found.rates) < 40


def test_the_picture(tmp_path):
    figure = falling(turn=0.1).figure()
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels[:2] == ["each step", "smoothed"]
    assert any(label.startswith("suggestion 0.003") for label in labels)
    save_figure(figure, tmp_path / "lr.png")
    with Image.open(tmp_path / "lr.png") as image:
        image.verify()


def test_smoothing_is_the_mean_of_as_many_left_as_right():
    rng = np.random.default_rng(0)
    losses = rng.normal(size=20).tolist()
    expected = [np.mean(losses[i - h : i + h + 1]) for i in range(20) for h in [min(i, 19 - i, 3)]]
    assert smoothed(losses, 3) == pytest.approx(expected)
    slope = np.arange(20.0)
    assert smoothed(slope.tolist(), 4) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"low": 0}, ConfigError),
        ({"low": 1, "high": 1}, ConfigError),
        ({"steps": 5}, ConfigError),
        ({"steps": 20.5}, DTypeError),
        ({"low": 1e30, "high": 1e38}, ConfigError),
    ],
)
def test_ranges_that_are_none_are_refused(options, error):
    recipe = change(load_recipe("digits-mlp"), {"train.update_rule": "sgd"})
    with pytest.raises(error, match="lr_range: "):
        lr_range(recipe, **options)
