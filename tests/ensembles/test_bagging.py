"""Bagging: E_bag = E_av/L for uncorrelated errors, E_bag <= E_av for any, the identity between; out of bag."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.data.bootstrap import bootstrap_rows
from chainrule.ensembles import (
    Ensemble,
    bagging_figure,
    bagging_table,
    load_runs,
    out_of_bag_score,
    prediction_errors,
    train_members,
    uncorrelated_errors,
)
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.layers import Affine
from chainrule.losses import MultiClassHinge, SquaredError
from chainrule.network import Network
from chainrule.recipes import apply_overrides, load_recipe
from chainrule.recipes.experiment import load_splits

ERRORS = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(1, 3)),
    elements=st.floats(-10, 10),
)


@pytest.mark.parametrize("rows", [21, 1000])
def test_uncorrelated_errors_of_mean_zero_give_the_mean_error_over_l(rows: int) -> None:
    errors = uncorrelated_errors(20, rows, seed=3)
    np.testing.assert_allclose(errors.mean(axis=1), 0, atol=1e-14)
    for row in bagging_table(errors):
        assert row.ensemble_error == pytest.approx(row.average_error / row.members, rel=1e-12)
        assert row.uncorrelated_error == pytest.approx(1 / row.members, rel=1e-12)
        assert row.correlation is None if row.members == 1 else abs(row.correlation) < 1e-12


def test_independent_errors_come_close() -> None:
    errors = np.random.default_rng(0).normal(size=(10, 200_000))
    last = bagging_table(errors)[-1]
    assert last.ensemble_error == pytest.approx(0.1, abs=0.002)  # six standard deviations


@given(ERRORS)
def test_the_average_is_never_worse_and_the_identity_holds(errors: Any) -> None:
    for row in bagging_table(errors):
        part = errors[: row.members]
        assert row.average_error == pytest.approx((part**2).sum(axis=2).mean(), abs=1e-12)
        assert row.ensemble_error == pytest.approx((part.mean(axis=0) ** 2).sum(axis=1).mean(), abs=1e-12)
        assert row.ensemble_error <= row.average_error * (1 + 1e-12)  # Jensen
        spread = ((part - part.mean(axis=0)) ** 2).sum(axis=2).mean()
        assert row.average_error == pytest.approx(row.ensemble_error + spread, abs=1e-10)  # Krogh & Vedelsby 1995
        if row.correlation is not None:
            assert row.correlation <= 1 + 1e-12
            identity = row.average_error / row.members * (1 + (row.members - 1) * row.correlation)
            assert row.ensemble_error == pytest.approx(identity, rel=1e-9, abs=1e-12)


def test_equal_errors_gain_nothing() -> None:
    table = bagging_table(np.tile([[0.5, -2.0, 1.0]], (4, 1)))
    assert [row.ensemble_error for row in table] == pytest.approx([1.75] * 4)
    assert table[3].correlation == pytest.approx(1)


def test_a_shared_mean_correlates_errors() -> None:
    table = bagging_table(uncorrelated_errors(5, 100) + 1.0)  # E[ε²] = 2, E[ε ε'] = 1
    assert table[4].correlation == pytest.approx(0.5)
    assert table[4].ensemble_error == pytest.approx(1 + 1 / 5)


def test_errors_of_probabilities_and_of_values() -> None:
    rng = np.random.default_rng(1)
    X, y, t = rng.normal(size=(30, 4)), rng.integers(0, 3, 30), rng.normal(size=(30, 3))
    classes = [Network([Affine(3)], input_shape=4, seed=s, dtype="float64") for s in range(3)]
    expected = [n.predict_proba(X) - np.eye(3)[y] for n in classes]
    np.testing.assert_allclose(prediction_errors(Ensemble(classes), X, y), expected, atol=1e-12)
    values = [Network([Affine(3)], SquaredError(), input_shape=4, seed=s, dtype="float64") for s in range(3)]
    np.testing.assert_allclose(prediction_errors(Ensemble(values), X, t), [n.scores(X) - t for n in values])
    table = bagging_table(prediction_errors(Ensemble(values), X, t))
    assert table[2].ensemble_error == pytest.approx(((Ensemble(values).predict(X) - t) ** 2).sum(axis=1).mean())
    hinges = [Network([Affine(3)], MultiClassHinge(), input_shape=4, seed=s) for s in range(2)]
    with pytest.raises(ConfigError, match="MultiClassHinge defines no probabilities, so errors have no size"):
        prediction_errors(Ensemble(hinges, votes=True), X, y)


@pytest.mark.parametrize(
    "overrides", [[], ["model.loss=MultiClassHinge", "train.optim_config.learning_rate=1e-3"]], ids=["softmax", "hinge"]
)
def test_out_of_bag_score(overrides: list[str], tmp_path: Any) -> None:
    small = ["model.layers.1.units=16", "train.epochs=2", "seed=3"]
    recipe = apply_overrides(load_recipe("digits-mlp"), [*small, *overrides])
    for _ in train_members(recipe, 3, tmp_path, bootstrap=True):
        pass
    runs = load_runs([tmp_path])
    assert [(run.recipe.seed, run.recipe.data.bootstrap) for run in runs] == [(3, 3), (4, 4), (5, 5)]
    train = load_splits(recipe)[1].train
    right, asked = [], 0
    samples = [set(bootstrap_rows(len(train), seed).tolist()) for seed in (3, 4, 5)]
    outputs = []
    for run in runs:
        scores = run.network.scores(run.normalize(train.X)).astype(float)
        soft = np.exp(scores - scores.max(axis=1, keepdims=True))
        soft /= soft.sum(axis=1, keepdims=True)
        outputs.append(np.eye(10)[scores.argmax(axis=1)] if overrides else soft)
    for row in range(len(train)):
        unseen = [out[row] for out, sample in zip(outputs, samples, strict=True) if row not in sample]
        if unseen:
            asked += 1
            right.append(np.mean(unseen, axis=0).argmax() == train.y[row])
    got = out_of_bag_score(runs)
    assert (got.rows, got.training_rows) == (asked, len(train))
    assert got.score == pytest.approx(np.mean(right), abs=2 / asked)


def test_runs_without_a_sample_have_no_rows_left_out(tmp_path: Any) -> None:
    recipe = apply_overrides(load_recipe("digits-mlp"), ["train.epochs=1", "model.layers.1.units=4"])
    for _ in train_members(recipe, 1, tmp_path):
        pass
    with pytest.raises(ConfigError, match=r"data\.bootstrap is not set"):
        out_of_bag_score(load_runs([tmp_path]))


def test_the_figure_draws_the_table() -> None:
    table = bagging_table(uncorrelated_errors(4, 50))
    figure = bagging_figure([("ideal", table), ("again", table)])
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    assert [list(values) for values in lines.values()] == [
        [getattr(row, name) for row in table] for name in ("average_error", "ensemble_error", "uncorrelated_error")
    ]
    assert len(figure.axes) == 4


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match="errors must have axes"):
        bagging_table(np.zeros(3))
    with pytest.raises(ConfigError, match="rows must be an integer >= 6"):
        uncorrelated_errors(5, 5)
    with pytest.raises(DTypeError, match="members must be an integer"):
        uncorrelated_errors(2.5, 10)  # type: ignore[arg-type]
