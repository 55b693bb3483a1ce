import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import Dataset, Splits, duplicates, k_fold, leakage, split_by_indices, stratified_k_fold
from chainrule.errors import ConfigError, DataError, DTypeError


def numbered(n, classes=3):
    """Row i holds the number i, so that a split shows which rows it took."""
    return Dataset(np.arange(float(n))[:, None], np.arange(n) % classes)


def rows(part):
    return [] if part is None else part.X[:, 0].astype(int).tolist()


@given(n=st.integers(2, 80), k=st.integers(2, 12), seed=st.none() | st.integers(0, 2**64 - 2048))
def test_every_row_is_validated_once(n, k, seed):
    k = min(k, n)
    folds = list(k_fold(numbered(n), k, seed=seed))
    assert len(folds) == k
    assert sorted(row for fold in folds for row in rows(fold.val)) == list(range(n))
    assert max(len(f.val) for f in folds) - min(len(f.val) for f in folds) <= 1
    for fold in folds:
        assert rows(fold.train) == sorted(set(range(n)) - set(rows(fold.val)))
        np.testing.assert_array_equal(fold.val.y, fold.val.X[:, 0] % 3)
    again = list(k_fold(numbered(n), k, seed=seed))
    assert [rows(f.val) for f in folds] == [rows(f.val) for f in again]


def test_seeds_draw_other_folds():
    def first(seed):
        return rows(next(k_fold(numbered(60), 3, seed=seed)).val)

    assert first(None) == list(range(20))
    assert first(1) != first(2) != first(None)


@given(counts=st.lists(st.integers(5, 40), min_size=1, max_size=5), k=st.integers(2, 5), seed=st.integers(0, 2**63))
def test_stratified_folds_share_every_class(counts, k, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    data = Dataset(np.arange(float(len(y)))[:, None], y)
    folds = list(stratified_k_fold(data, k, seed=seed))
    assert sorted(row for fold in folds for row in rows(fold.val)) == list(range(len(y)))
    for fold in folds:
        assert np.abs(np.bincount(fold.val.y, minlength=len(counts)) - np.array(counts) / k).max() < 1
        assert not set(rows(fold.val)) & set(rows(fold.train))
    assert [rows(f.val) for f in folds] == [rows(f.val) for f in stratified_k_fold(data, k, seed=seed)]


def test_given_indices_in_their_order():
    parts = split_by_indices(numbered(10), train=[7, 2], val=np.array([5]), test=[0, 9, 1])
    assert (rows(parts.train), rows(parts.val), rows(parts.test)) == ([7, 2], [5], [0, 9, 1])
    assert split_by_indices(numbered(10), train=[3]).test is None


BAD = [
    (lambda: k_fold(numbered(5), 1), ConfigError, "k must be an integer >= 2 and <= 5, got 1"),
    (lambda: k_fold(numbered(5), 6), ConfigError, "k must be an integer >= 2 and <= 5, got 6"),
    (lambda: k_fold(numbered(5), 2.0), DTypeError, "k must be an integer, got float 2.0"),
    (lambda: k_fold(np.zeros((3, 1)), 2), DTypeError, "dataset must be a Dataset"),
    (lambda: k_fold(numbered(5), 2, seed=-1), ConfigError, "seed must be an integer >= 0"),
    (lambda: stratified_k_fold(numbered(5), 2, seed=0), DataError, "every class must have 2 rows, got 1 of 2"),
    (lambda: stratified_k_fold(Dataset(np.zeros((4, 1)), np.ones(4)), 2, seed=0), ConfigError, "integer labels (N,)"),
    (lambda: stratified_k_fold(numbered(9), 2, seed="x"), DTypeError, "seed must be an integer"),
    (lambda: split_by_indices(numbered(5), train=[0, 1], val=[2, 1]), DataError, "got 1 in train and val"),
    (lambda: split_by_indices(numbered(5), train=[0, 4], val=[2], test=[2]), DataError, "got 2 in val and test"),
    (lambda: split_by_indices(numbered(5), train=[3, 0, 3]), DataError, "got 3 twice in train"),
    (lambda: split_by_indices(numbered(5), train=[5]), DataError, "from 0 to 4, got 5"),
    (lambda: split_by_indices(numbered(5), train=[-1]), DataError, "got -1"),
    (lambda: split_by_indices(numbered(5), train=None), DTypeError, "one axis of integers"),
    (lambda: split_by_indices(numbered(5), train=[0.5]), DTypeError, "one axis of integers"),
    (lambda: split_by_indices(numbered(5), train=[0], val=np.array([], int)), DataError, "at least one row"),
    (lambda: split_by_indices(3, train=[0]), DTypeError, "dataset must be a Dataset"),
    (lambda: leakage(numbered(3)), DTypeError, "splits must be Splits"),
    (lambda: duplicates([1]), DTypeError, "dataset must be a Dataset"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()


# -- leakage -------------------------------------------------------------------------------------------------------


def images(*levels, dtype=np.uint8):
    X = np.array(levels, dtype=dtype).reshape(-1, 1, 1, 1) * np.ones((1, 1, 2, 3), dtype)
    return Dataset(X, np.zeros(len(levels), int))


def test_leaks_are_the_rows_of_later_parts():
    splits = Splits(images(1, 2, 2, 3), images(4, 2), images(5, 4, 3, 6, 4))
    assert leakage(splits) == [
        ("val", 1, "train", 1),
        ("test", 1, "val", 0),
        ("test", 2, "train", 3),
        ("test", 4, "val", 0),
    ]
    assert leakage(Splits(images(1, 1), test=images(2, 2))) == []
    assert leakage(Splits(images(1))) == []


def test_rows_are_compared_as_numbers():
    splits = Splits(images(1, 2), test=images(2.0, 2.5, dtype=np.float32))
    assert leakage(splits) == [("test", 0, "train", 1)]
    zero = Dataset(np.array([[0.0, 1.0]]), np.zeros(1, int))
    assert len(leakage(Splits(zero, test=Dataset(np.array([[-0.0, 1.0]]), np.zeros(1, int))))) == 1
    assert leakage(Splits(zero, test=Dataset(np.array([[1.0, 0.0]]), np.zeros(1, int)))) == []


@given(train=st.lists(st.integers(0, 9), min_size=1), test=st.lists(st.integers(0, 9), min_size=1))
def test_leaks_and_duplicates_by_brute_force(train, test):
    expected = [("test", i, "train", train.index(v)) for i, v in enumerate(test) if v in train]
    assert leakage(Splits(images(*train), test=images(*test))) == expected
    groups = {v: [i for i, other in enumerate(train) if other == v] for v in train}
    assert duplicates(images(*train)) == [g for g in groups.values() if len(g) > 1]


def test_views_and_maps_are_compared_like_copies(tmp_path):
    X = np.random.default_rng(0).integers(0, 9, (50, 2, 3, 3), dtype=np.uint8)
    X.tofile(tmp_path / "x")
    kept = np.memmap(tmp_path / "x", np.uint8, "r", shape=X.shape)
    y = np.zeros(25, int)
    assert len(leakage(Splits(Dataset(X[::2], y), test=Dataset(kept[::2], y)))) == 25
    assert leakage(Splits(Dataset(X[::2], y), test=Dataset(kept[1::2], y))) == []
