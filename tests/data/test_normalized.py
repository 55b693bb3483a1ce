"""Rows normalised when taken are bit for bit those that `Normalizer.apply` makes of the whole set."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import NORMALIZATIONS, NormalizedRows, Normalizer
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError

row_shapes = st.sampled_from([(1,), (7,), (12,), (1, 4, 6), (3, 3, 3), (3, 2, 5), (20, 2, 2), (2, 1, 1)])


@given(
    n=st.integers(1, 9),
    row=row_shapes,
    X_dtype=st.sampled_from([np.uint8, np.int16, np.float32]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64, np.longdouble]),
    kind=st.sampled_from(NORMALIZATIONS),
    seed=st.integers(0, 99),
)
def test_taken_rows_are_those_of_apply(n, row, X_dtype, dtype, kind, seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n, *row)).astype(X_dtype)
    normalizer = Normalizer.fit(kind, X, 255.0 if kind == "unit" else None)
    rows, expected = NormalizedRows(X, normalizer, dtype), normalizer.apply(X, dtype)
    assert (rows.shape, rows.ndim, rows.dtype, len(rows)) == (X.shape, X.ndim, np.dtype(dtype), n)
    indices = rng.integers(0, n, 5)
    for index in (slice(None), slice(1, None, 2), slice(0, 0), indices, 0, -1):
        got = rows[index]
        assert got.dtype == dtype
        assert got.tobytes() == expected[index].tobytes() or dtype == np.longdouble  # which has padding
        np.testing.assert_array_equal(got, expected[index])
    np.testing.assert_array_equal(np.asarray(rows), expected)
    assert np.asarray(rows, np.float64).dtype == np.float64


@pytest.mark.parametrize("kind", ["channel", "standard"])
def test_many_blocks(kind):
    X = np.random.default_rng(0).integers(0, 256, (300, 3, 12, 14), dtype=np.uint8)
    normalizer = Normalizer.fit(kind, X)
    out = np.empty(X.shape, np.float32)
    assert NormalizedRows(X, normalizer).normalize(X, out) is out
    np.testing.assert_array_equal(out, normalizer.apply(X))
    np.testing.assert_array_equal(NormalizedRows(X, normalizer).normalize(X[::-1]), normalizer.apply(X[::-1]))


def test_channel_statistics():
    X = np.random.default_rng(0).integers(0, 256, (300, 3, 12, 14), dtype=np.uint8)
    X[:, 1] = 9
    normalizer = Normalizer.fit("channel", X)
    assert normalizer.mean.shape == normalizer.scale.shape == (3, 1, 1)
    np.testing.assert_allclose(normalizer.mean.ravel(), X.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(normalizer.scale.ravel()[[0, 2]], X.std(axis=(0, 2, 3))[[0, 2]])
    assert normalizer.scale[1, 0, 0] == 1
    assert not normalizer.apply(X)[:, 1].any()
    again = Normalizer(np.asarray(normalizer.mean.tolist()), np.asarray(normalizer.scale.tolist()))
    np.testing.assert_array_equal(again.apply(X), normalizer.apply(X))


def test_channel_statistics_over_several_blocks():
    """A block is about a million elements, so these rows come in three."""
    X = np.random.default_rng(0).normal(3, 2, (3000, 2, 500))
    normalizer = Normalizer.fit("channel", X)
    np.testing.assert_allclose(normalizer.mean.ravel(), X.mean(axis=(0, 2)))
    np.testing.assert_allclose(normalizer.scale.ravel(), X.std(axis=(0, 2)))


X = np.ones((3, 2, 4, 4), np.uint8)
FITTED = Normalizer.fit("standard", X)
TINY = Normalizer(np.zeros(()), np.array(1e-300))
BAD = [
    (lambda: NormalizedRows([[1]], FITTED), DTypeError, "NormalizedRows: X must be an array of integers or floats"),
    (lambda: NormalizedRows(X > 0, FITTED), DTypeError, "X must be an array of integers or floats"),
    (lambda: NormalizedRows(X[:0], FITTED), ShapeError, "of length >= 1, at least two, got shape (0, 2, 4, 4)"),
    (lambda: NormalizedRows(X[:, 0, 0, 0], FITTED), ShapeError, "at least two, got shape (3,)"),
    (lambda: NormalizedRows(X, "standard"), DTypeError, "normalizer must be a Normalizer, got str 'standard'"),
    (lambda: NormalizedRows(X[:, :1], FITTED), ShapeError, "rows of X must have shape (2, 4, 4)"),
    (lambda: NormalizedRows(X, FITTED, np.int32), DTypeError, "dtype must be a floating-point dtype, got int32"),
    (lambda: NormalizedRows(X * 0, TINY), DataError, "X must be finite in float32 after normalising"),
    (lambda: Normalizer.fit("chanel", X), ConfigError, "did you mean 'channel'"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
