import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import Dataset, Splits
from chainrule.data.rows import first_nonfinite_row, row_blocks
from chainrule.errors import ChainruleError, ConfigError, DataError, DTypeError, ShapeError

X3 = np.arange(6.0).reshape(3, 2)
Y3 = np.array([0, 2, 1])


def nan_at(row):
    X = np.zeros((5, 2, 2), np.float32)
    X[row:, 1, 0] = np.nan
    return X


BAD = [
    (lambda: Dataset(X3, Y3[:2]), ShapeError, "as many rows as each other, got 3 and 2"),
    (lambda: Dataset(X3[:0], Y3[:0]), DataError, "X must not be empty, got shape (0, 2)"),
    (lambda: Dataset(np.zeros((3, 0)), Y3), DataError, "X must not be empty"),
    (lambda: Dataset(X3, np.zeros((3, 0))), DataError, "y must not be empty"),
    (lambda: Dataset(X3, Y3[:, None]), ShapeError, "use y[:, 0]"),
    (lambda: Dataset(X3[:, 0], Y3), ShapeError, "X[:, None]"),
    (lambda: Dataset(np.array(1.0), Y3), ShapeError, "at least two"),
    (lambda: Dataset(X3, np.array(1)), ShapeError, "got one number"),
    (lambda: Dataset(nan_at(3), np.arange(5)), DataError, "X must be finite, got nan in row 3"),
    (lambda: Dataset(X3, np.array([0.0, -np.inf, np.nan])), DataError, "y must be finite, got -inf in row 1"),
    (lambda: Dataset(X3.astype(object), Y3), DTypeError, "X must hold integers or floats, got dtype object"),
    (lambda: Dataset(X3, Y3.astype(str)), DTypeError, "y must hold integers or floats"),
    (lambda: Dataset(X3 > 1, Y3), DTypeError, "got dtype bool"),
    (lambda: Dataset(X3 + 1j, Y3), DTypeError, "complex128"),
    (lambda: Dataset(X3.tolist(), Y3), DTypeError, "must be a NumPy array"),
    (lambda: Dataset(np.ma.masked_less(X3, 2), Y3), DTypeError, "without a mask"),
    (lambda: Dataset(X3, np.array([0, 1, 2**63], np.uint64)), DataError, "64-bit signed"),
    (lambda: Dataset(X3, Y3, ("a", "b")), DataError, "from 0 to 1 for 2 class_names, got 2 in row 1"),
    (lambda: Dataset(X3, Y3 - 1, ("a", "b")), DataError, "got -1 in row 0"),
    (lambda: Dataset(X3, Y3, "abc"), DTypeError, "tuple of strings, got str 'abc'"),
    (lambda: Dataset(X3, Y3, (1, 2, 3)), DTypeError, "tuple of strings"),
    (lambda: Dataset(X3, Y3, ("a", "b", "a")), ConfigError, "'a' more than once"),
    (lambda: Dataset(X3, Y3, ()), ConfigError, "got none"),
    (lambda: Dataset(X3, Y3 * 1.0, ("a", "b")), ConfigError, "class_names need integer labels"),
    (lambda: Dataset(X3, X3, ("a", "b", "c")), ConfigError, "targets (N, 3)"),
    (lambda: Dataset(X3, Y3 * 0.5).classes, ConfigError, "classes needs integer labels"),
    (lambda: Dataset(X3, X3).class_counts(), ConfigError, "class_counts needs integer labels"),
    (lambda: Dataset(X3, Y3 - 2).classes, DataError, "got -2 in row 0"),
    (lambda: Dataset(X3, np.array([0, 10**12, 1])).class_counts(), DataError, "np.unique(y, return_inverse=True)"),
    (lambda: Dataset(X3, Y3).take([0, 3]), DataError, "from 0 to 2, got 3"),
    (lambda: Dataset(X3, Y3).take([-1]), DataError, "got -1"),
    (lambda: Dataset(X3, Y3).take(np.array([], int)), DataError, "at least one row"),
    (lambda: Dataset(X3, Y3).take([]), DTypeError, "one axis of integers"),
    (lambda: Dataset(X3, Y3).take(Y3 > 0), DTypeError, "np.flatnonzero(mask)"),
    (lambda: Dataset(X3, Y3).take(1), DTypeError, "one axis of integers"),
    (lambda: Splits(X3), DTypeError, "train must be a Dataset"),
    (lambda: Splits(Dataset(X3, Y3), test=X3), DTypeError, "test must be a Dataset"),
    (lambda: Splits(Dataset(X3, Y3), Dataset(X3[:, :1], Y3)), ShapeError, "rows of val must have the shape"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)) as caught:
        make()
    assert isinstance(caught.value, ChainruleError)


def test_message_carries_the_name():
    with pytest.raises(ShapeError, match=r"^Dataset 'letters': X and y"):
        Dataset(X3, Y3[:2], name="letters")


def test_labels_become_int64_in_native_order():
    for y in (Y3.astype(np.uint8), Y3.astype(">i4"), Y3 > 0):
        data = Dataset(X3.astype(">f4"), y)
        assert data.y.dtype == np.int64
        assert data.y.dtype.isnative
        assert data.X.dtype == np.float32
        assert data.X.dtype.isnative
        np.testing.assert_array_equal(data.y, y)
        np.testing.assert_array_equal(data.X, X3)


def test_targets_keep_shape_and_dtype():
    y = np.ones((3, 1), np.float32)
    data = Dataset(X3, y)
    assert data.y.dtype == np.float32
    assert data.y.shape == (3, 1)
    assert not data.has_labels


def test_counts_and_names():
    data = Dataset(X3, Y3, ["a", "b", "c", "d"], "letters")
    assert (len(data), data.classes, data.input_shape, data.class_names) == (3, 4, (2,), ("a", "b", "c", "d"))
    assert data.class_counts().tolist() == [1, 1, 1, 0]
    assert Dataset(X3, Y3).classes == 3
    assert repr(data) == "Dataset('letters', X (3, 2) float64, y (3,) int64, 4 classes)"
    assert Dataset(X3, np.eye(3)[:, :2], ("a", "b")).classes == 2


def test_sign_labels_are_two_classes():
    data = Dataset(X3, np.array([-1, 1, 1]))
    assert data.classes == 2
    assert data.class_counts().tolist() == [1, 2]
    assert Dataset(X3, np.array([1, 1, 1])).class_counts().tolist() == [0, 3]
    assert Dataset(X3, np.array([-1, -1, -1])).class_counts().tolist() == [3, 0]


def test_take_copies_in_order():
    data = Dataset(X3, Y3, ("a", "b", "c"), "letters")
    taken = data.take([2, 0, 2])
    assert taken.y.tolist() == [1, 0, 1]
    assert taken.X[:, 0].tolist() == [4, 0, 4]
    assert (taken.class_names, taken.name) == (data.class_names, "letters")
    assert not np.shares_memory(taken.X, data.X)


def test_views_are_not_changed_or_copied():
    X = np.arange(24.0).reshape(4, 6)[::2, ::3]
    before = X.copy()
    data = Dataset(X, np.array([0, 1]))
    assert np.shares_memory(data.X, X)
    np.testing.assert_array_equal(X, before)


def test_as_dict():
    a, b = Dataset(X3, Y3), Dataset(X3[:1], Y3[:1])
    assert list(Splits(a, b, b).as_dict()) == ["X_train", "y_train", "X_val", "y_val", "X_test", "y_test"]
    assert list(Splits(a, test=b).as_dict()) == ["X_train", "y_train", "X_test", "y_test"]
    assert Splits(a, b).as_dict()["X_val"] is b.X
    assert Splits(a, b).as_dict()["y_train"] is a.y


@given(n=st.integers(1, 5000), columns=st.sampled_from([1, 3, 700, 2**21]), data=st.data())
def test_first_nonfinite_row_over_blocks(n, columns, data):
    n = min(n, 2**22 // columns)
    X = np.broadcast_to(np.float32(0), (n, columns))
    assert [i for rows in row_blocks(X) for i in range(n)[rows]] == list(range(n))
    if columns <= 3:
        X = X.copy()
        bad = sorted(data.draw(st.lists(st.integers(0, n - 1), max_size=3)))
        X[bad, columns - 1] = np.nan
        assert first_nonfinite_row(X) == (bad[0] if bad else None)


def test_first_nonfinite_row_in_a_later_block():
    X = np.zeros((3, 2**20), np.float16)
    X[2, 5] = np.inf
    assert first_nonfinite_row(X) == 2
