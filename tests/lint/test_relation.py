"""The permutation test of labels against inputs keeps its level, and has power."""

import numpy as np
import pytest

from chainrule.data import load
from chainrule.lint.relation import ALPHA, as_targets, p_values, unrelated


def noise(seed, rows=60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 10)), as_targets(rng.integers(0, 3, rows), labels=True)


def test_level():
    """Without a relation p is uniform on 1/200, 2/200, ..., 1: P(p ≤ α) = α for each measure."""
    found = np.array([list(p_values(*noise(seed), seed=seed)) for seed in range(100)])  # (100, 2)
    small = (found <= ALPHA).sum(axis=0)
    assert (small <= 8).all()  # Binomial(100, 0.02): beyond 8 once in 4,000
    assert np.abs(found.mean(axis=0) - 0.5).max() < 0.15  # five standard errors of 0.03
    assert found.min() >= 1 / 200


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_digits_are_found_and_true_ones_are_not(seed):
    digits = load("digits").train
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(digits), 150, replace=False)
    x, t = digits.X[rows].reshape(150, -1).astype(float), as_targets(digits.y[rows], labels=True)
    assert not unrelated(x, t)
    assert unrelated(x, t[np.random.default_rng(seed + 77).permutation(150)])


def test_other_rows():
    x, t = noise(0, 400)
    t = np.eye(2)[(x[:, 0] > 0).astype(int)]
    assert not unrelated(x[300:], t[300:], (x[:300], t[:300]))
    assert unrelated(x[300:], t[np.random.default_rng(9).permutation(np.arange(300, 400))], (x[:300], t[:300]))


def test_neighbours_see_what_a_linear_map_does_not():
    x = np.random.default_rng(0).normal(size=(300, 2))
    t = np.eye(2)[(x[:, 0] * x[:, 1] > 0).astype(int)]  # exclusive or
    neighbours, linear = p_values(x, t)
    assert neighbours == 1 / 200
    assert linear > ALPHA


def test_a_linear_map_sees_what_neighbours_do_not():
    x = np.random.default_rng(1).normal(size=(300, 200))
    t = as_targets(x @ np.random.default_rng(2).normal(size=200), labels=False)
    assert list(p_values(x, t))[1] == 1 / 200


def test_standardised_targets():
    t = as_targets(np.array([[1.0, 5.0], [3.0, 5.0]]), labels=False)
    assert t.shape == (2, 1)
    np.testing.assert_allclose(t.std(axis=0), 1)
