import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.data import NORMALIZATIONS, Normalizer, flatten, to_float
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError

images = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
    elements=st.integers(0, 100),
)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_to_float(dtype):
    X = np.arange(12, dtype=np.uint8).reshape(3, 4)[::2, ::3]
    before = X.copy()
    got = to_float(X, 16, dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, before / 16)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(to_float(got, dtype=dtype), got)


def test_flatten_keeps_the_order():
    X = np.arange(24).reshape(2, 3, 2, 2)
    assert flatten(X).tolist() == [list(range(12)), list(range(12, 24))]
    assert flatten(X[::-1])[0].tolist() == list(range(12, 24))
    assert flatten(np.zeros((1, 5))).shape == (1, 5)


def by_channel(X):
    rows = np.moveaxis(X, 1, -1).reshape(-1, X.shape[1])  # (N · pixels, C)
    spread = np.where(rows.min(axis=0) < rows.max(axis=0), rows.std(axis=0), 1)
    return np.moveaxis((np.moveaxis(X, 1, -1) - rows.mean(axis=0)) / spread, -1, 1)


@given(X=images, kind=st.sampled_from(NORMALIZATIONS), dtype=st.sampled_from([np.float32, np.float64]))
def test_normaliser_is_its_formula(X, kind, dtype):
    before = X.copy()
    normalizer = Normalizer.fit(kind, X)
    got = normalizer.apply(X, dtype)
    assert got.dtype == dtype
    X64 = X.astype(np.float64)
    mean, std = X64.mean(axis=0), X64.std(axis=0)
    expected = {
        "none": X64,
        "unit": X64 / (X64.max() if X64.max() > 0 else 1),
        "symmetric": 2 * X64 / (X64.max() if X64.max() > 0 else 1) - 1,
        "center": X64 - mean,
        "standard": (X64 - mean) / np.where(X64.min(axis=0) < X64.max(axis=0), std, 1),
        "channel": by_channel(X64),
    }[kind]
    np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    np.testing.assert_array_equal(X, before)


def test_standard_over_several_blocks():
    """A block is about a million elements, so these rows come in three."""
    X = np.random.default_rng(0).integers(0, 256, (3000, 1000), dtype=np.uint8)
    X[:, 7] = 9
    got = Normalizer.fit("standard", X).apply(X, np.float64)
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(got.std(axis=0), np.where(np.arange(1000) == 7, 0, 1), atol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e-300, 1e300, 0.0])
def test_constant_features_become_zero(value):
    X = np.full((1001, 2), value)
    normalizer = Normalizer.fit("standard", X)
    assert normalizer.scale.tolist() == [1, 1]
    assert not normalizer.apply(X, np.float64).any()


def test_one_row():
    X = np.array([[3.0, 4.0]])
    assert Normalizer.fit("standard", X).apply(X).tolist() == [[0, 0]]


def test_small_spread_is_not_taken_for_constant():
    X = 1e-9 * np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(Normalizer.fit("standard", X).apply(X, np.float64).std(axis=0), 1)


def test_statistics_are_those_of_the_training_rows():
    normalizer = Normalizer.fit("standard", np.array([[0.0], [2.0]]))
    assert normalizer.apply(np.array([[5.0], [1.0], [1.0]])).tolist() == [[4], [0], [0]]


def test_unit_takes_the_given_maximum():
    X = np.array([[1, 51]], np.uint8)
    assert Normalizer.fit("unit", X, 255).apply(X, np.float64).tolist() == [[1 / 255, 0.2]]
    assert Normalizer.fit("unit", np.array([[-4, 2]])).apply(X, np.float64)[0, 0] == 0.25


@given(X=images, kind=st.sampled_from(NORMALIZATIONS))
def test_round_trip_through_a_dict(X, kind):
    normalizer = Normalizer.fit(kind, X)
    arrays = normalizer.to_dict()
    assert all(type(a) is np.ndarray and a.dtype == np.float64 for a in arrays.values())
    again = Normalizer.from_dict(arrays)
    arrays["mean"][...] = 99  # nothing is shared
    np.testing.assert_array_equal(again.apply(X), normalizer.apply(X))


X2 = np.ones((3, 2))
FITTED = Normalizer.fit("standard", X2)
BAD = [
    (lambda: Normalizer.fit("standrd", X2), ConfigError, "did you mean 'standard'"),
    (lambda: Normalizer.fit("unit", X2, 0), ConfigError, "max_value must be a number > 0"),
    (lambda: Normalizer.fit("center", X2 * np.inf), DataError, "X_train must be finite, got NaN or infinity in row 0"),
    (lambda: Normalizer.fit("standard", np.array([[1e300], [-1e300]])), DataError, "scale must be finite"),
    (lambda: Normalizer.fit("none", [[1.0]]), DTypeError, "X_train must be an array"),
    (lambda: Normalizer.fit("none", X2[:0]), ShapeError, "got shape (0, 2)"),
    (lambda: FITTED.apply(np.ones((3, 4))), ShapeError, "rows of X must have shape (2,), got X of shape (3, 4)"),
    (lambda: FITTED.apply(np.ones((3, 2, 2))), ShapeError, "rows of X must have shape (2,)"),
    (lambda: FITTED.apply(X2, np.int32), DTypeError, "dtype must be a floating-point dtype, got int32"),
    (lambda: FITTED.apply(X2, "nonsense"), DTypeError, "dtype must be a floating-point dtype, got str"),
    (lambda: FITTED.apply(X2 * [[1], [1e6], [1]], np.float16), DataError, "finite in float16 after normalising, row 1"),
    (lambda: Normalizer(np.zeros(2), np.array([1.0, 0.0])), DataError, "scale must be finite and > 0"),
    (lambda: Normalizer(np.array([np.nan]), np.ones(1)), DataError, "mean must be finite"),
    (lambda: Normalizer(np.zeros(2), np.ones(3)), ShapeError, "same shape, got (2,) and (3,)"),
    (lambda: Normalizer("a", np.ones(3)), DTypeError, "mean must be an array"),
    (lambda: Normalizer.from_dict({"mean": np.zeros(1)}), ConfigError, "exactly mean and scale, got ['mean']"),
    (lambda: Normalizer.from_dict(None), ConfigError, "exactly mean and scale, got NoneType"),
    (lambda: to_float(X2, 0), ConfigError, "scale must be a number > 0"),
    (lambda: to_float(X2 > 0), DTypeError, "X must be an array of integers or floats"),
    (lambda: to_float(X2, dtype=int), DTypeError, "floating-point dtype"),
    (lambda: flatten(X2[:, 0]), ShapeError, "at least two"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
