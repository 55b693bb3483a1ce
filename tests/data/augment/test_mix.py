"""Mixup and cutmix against loops over images and pixels, and their shares against the Beta distribution."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data.augment import CutMix, MixUp
from chainrule.data.augment.mix import beta, cutmix, mixup
from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.losses import SoftmaxCrossEntropy


def drawn(transform, n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**32, (transform.words, n), dtype=np.uint32)


@given(n=st.integers(1, 5), seed=st.integers(0, 99), dtype=st.sampled_from([np.float32, np.float64]))
def test_mixup_image_by_image(n, seed, dtype):
    rng = np.random.default_rng(seed)
    x, t, share = rng.normal(size=(n, 2, 3, 5)).astype(dtype), rng.random((n, 4)).astype(dtype), rng.random(n)
    before = x.copy(), t.copy()
    got, targets = mixup(x, t, share)
    for i in range(n):
        np.testing.assert_allclose(got[i], share[i] * x[i] + (1 - share[i]) * x[i - 1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(targets[i], share[i] * t[i] + (1 - share[i]) * t[i - 1], rtol=1e-5, atol=1e-6)
    assert got.dtype == targets.dtype == dtype
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(t, before[1])


def test_mixup_is_torchvisions(torchvision):
    """`v2.MixUp` has one share a batch, and the same neighbours."""
    import torch
    from torchvision.transforms import v2

    x, labels = torch.rand(4, 3, 6, 6), torch.tensor([0, 2, 1, 2])
    torch.manual_seed(3)
    expected_x, expected_t = v2.MixUp(alpha=0.7, num_classes=3)(x, labels)
    first = torch.nn.functional.one_hot(labels, 3).numpy().astype(np.float32)
    share = float(expected_t[0, 0])  # of label 0 mixed with label 2
    got_x, got_t = mixup(x.numpy(), first, np.full(4, share))
    np.testing.assert_allclose(got_x, expected_x.numpy(), atol=1e-6)
    np.testing.assert_allclose(got_t, expected_t.numpy(), atol=1e-6)


@given(n=st.integers(1, 4), h=st.integers(1, 6), w=st.integers(1, 6), seed=st.integers(0, 99))
def test_cutmix_pixel_by_pixel(n, h, w, seed):
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(n, 2, h, w)), rng.random((n, 3))
    rows, columns = np.sort(rng.integers(0, h + 1, (2, n)), axis=0), np.sort(rng.integers(0, w + 1, (2, n)), axis=0)
    got, targets = cutmix(x, t, np.stack((rows[0], columns[0], rows[1], columns[1])))
    for k in range(n):
        pasted = 0
        for i in range(h):
            for j in range(w):
                other = rows[0, k] <= i < rows[1, k] and columns[0, k] <= j < columns[1, k]
                pasted += other
                np.testing.assert_array_equal(got[k, :, i, j], x[k - 1 if other else k, :, i, j])
        share = 1 - pasted / (h * w)
        np.testing.assert_allclose(targets[k], share * t[k] + (1 - share) * t[k - 1])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.5])
def test_shares_have_the_beta_distribution(alpha):
    from scipy.stats import beta as distribution
    from scipy.stats import kstest

    shares = beta(np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32), alpha)
    assert shares.min() >= 0
    assert shares.max() <= 1
    # Near 0 and 1 Beta(0.2, 0.2) is far steeper than the steps of 2⁻¹⁶ are fine; there they are compared as counts.
    inner = shares[(shares > 0.01) & (shares < 0.99)]
    low, high = distribution.cdf([0.01, 0.99], alpha, alpha)
    assert kstest(inner, lambda s: (distribution.cdf(s, alpha, alpha) - low) / (high - low)).pvalue > 0.01
    assert abs(len(inner) / 5000 - (high - low)) < 0.03


@pytest.mark.parametrize("transform", [MixUp(), MixUp(0.2), CutMix(), CutMix(0.5)])
def test_targets_are_probabilities_that_say_what_is_in_the_image(transform):
    """Image k is filled with k, so the share of each value in the mixture can be read from it."""
    n = 50
    x = np.repeat(np.eye(n, dtype=np.float32)[:, :, None, None], 8, axis=2).repeat(8, axis=3)  # (N, N, 8, 8)
    got, targets = transform.mix(x, np.eye(n, dtype=np.float32), drawn(transform, n))
    np.testing.assert_allclose(got.mean(axis=(2, 3)), targets, atol=1e-6)
    assert len(set(np.diag(targets).tolist())) > 10
    SoftmaxCrossEntropy()(np.zeros((n, n), np.float32), targets)  # which refuses what is no distribution


def test_targets_of_a_regression_are_mixed_too():
    x, t = np.ones((3, 1, 2, 2)), np.array([0.0, 1.0, 2.0])
    assert mixup(x, t, np.array([1.0, 0.5, 0.25]))[1].tolist() == [0, 0.5, 1.25]


X, T, HALF = np.ones((2, 1, 3, 4)), np.eye(2), np.full(2, 0.5)
BOX = np.array([[0, 0], [0, 0], [1, 1], [1, 1]])
BAD = [
    (lambda: mixup(X.astype(np.uint8), T, HALF), DTypeError, "mixup: x must be an array of floats"),
    (lambda: mixup(X, T.astype(int), HALF), DTypeError, "t must be an array of floats"),
    (lambda: mixup(X, T[:1], HALF), ShapeError, "as many rows as each other, got (2, 1, 3, 4) and (1, 2)"),
    (lambda: mixup(X, T, HALF + 1), ShapeError, "share must be from 0 to 1, got 1.5"),
    (lambda: mixup(X, T, 0.5), DTypeError, "share must be an array of numbers"),
    (lambda: mixup(X[0], T, HALF), ShapeError, "mixup: x has axes"),
    (lambda: cutmix(X, T, BOX[:3]), DTypeError, "box must be an array (4, 2) of integers"),
    (lambda: cutmix(X, T, BOX + 3), ShapeError, "the bottom of box must be from 0 to 3, got 4"),
    (lambda: cutmix(X, T, BOX[::-1]), ShapeError, "top and left of box must not lie beyond bottom and right"),
    (lambda: MixUp(0), ConfigError, "MixUp: alpha must be a number > 0, got 0"),
    (lambda: CutMix("1"), DTypeError, "CutMix: alpha must be a number"),
    (lambda: MixUp()(X), DTypeError, "MixUp: changes targets too; call mix(x, t, words)"),
    (lambda: MixUp().mix(X, T, np.zeros((2, 2), np.uint32)), ShapeError, "words must have shape (1, 2), got (2, 2)"),
    (lambda: CutMix().mix(None, T, None), DTypeError, "CutMix: x must be an array"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
