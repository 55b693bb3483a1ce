"""Corners of single losses that no generated score reaches; a planted fault survived at each of them."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.losses import SoftmaxCrossEntropy, SquaredError


def test_softmax_probabilities_of_scores_far_from_zero_and_from_each_other():
    """exp must not overflow, and no row may be shifted by another row's maximum."""
    base = np.array([[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]])
    expected = np.exp(base) / np.exp(base).sum(axis=1, keepdims=True)
    shift = np.array([[1e4], [-1e4]])
    np.testing.assert_allclose(SoftmaxCrossEntropy().probabilities(base + shift), expected, rtol=1e-11)
    wide = SoftmaxCrossEntropy().probabilities(np.array([[0.0, 2000.0], [0.0, -2000.0]]))
    assert wide.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_r_squared_is_computed_in_double_precision():
    rng = np.random.default_rng(0)
    s = (1e4 + rng.normal(size=200)).astype(np.float32)
    y = (s + 0.1 * rng.normal(size=200)).astype(np.float32)
    wide_s, wide_y = s.astype(np.float64), y.astype(np.float64)
    r2 = 1 - ((wide_y - wide_s) ** 2).sum() / ((wide_y - wide_y.mean()) ** 2).sum()
    assert SquaredError().score(s, y) == pytest.approx(r2, rel=1e-12)


def test_r_squared_does_not_depend_on_the_unit_of_the_targets():
    rng = np.random.default_rng(1)
    s, y = rng.normal(size=(2, 7, 3))
    for unit in (1e-6, 1e-2, 1e3):
        assert SquaredError().score(s * unit, y * unit) == pytest.approx(SquaredError().score(s, y), rel=1e-12)
