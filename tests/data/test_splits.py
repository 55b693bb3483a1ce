import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import Dataset, ordered_split, random_split, stratified_split
from chainrule.errors import ChainruleError, ConfigError, DataError, DTypeError


def numbered(n, classes=3):
    """Row i holds the number i, so that a split shows which rows it took."""
    return Dataset(np.arange(float(n))[:, None], np.arange(n) % classes)


def rows(part):
    return [] if part is None else part.X[:, 0].astype(int).tolist()


SPLITS = [
    lambda data, **sizes: ordered_split(data, **sizes),
    lambda data, **sizes: random_split(data, seed=5, **sizes),
    lambda data, **sizes: stratified_split(data, seed=5, **sizes),
]
each_split = pytest.mark.parametrize("split", SPLITS, ids=["ordered", "random", "stratified"])

SIZES = [
    ({}, (90, 0, 0)),
    ({"val": 20}, (70, 20, 0)),
    ({"test": 0.1}, (81, 0, 9)),
    ({"val": 0.29, "test": 0.1}, (55, 26, 9)),
    ({"train": 30, "val": 30, "test": 30}, (30, 30, 30)),
    ({"train": 30, "val": 20, "test": 10}, (30, 20, 10)),
    ({"train": 0.5, "val": 0.25, "test": 0.25}, (46, 22, 22)),  # what rounding leaves over goes to train
    ({"train": 0.5, "val": 0.25}, (45, 22, 0)),
    ({"train": 1.0}, (90, 0, 0)),
    ({"train": np.int64(40), "val": np.float64(0.1)}, (40, 9, 0)),
]


@each_split
@pytest.mark.parametrize(("sizes", "expected"), SIZES, ids=[str(s) for s, _ in SIZES])
def test_sizes_disjoint_reproducible(split, sizes, expected):
    data = numbered(90)
    parts = split(data, **sizes)
    got = [rows(p) for p in (parts.train, parts.val, parts.test)]
    assert tuple(map(len, got)) == expected
    assert len({row for part in got for row in part}) == sum(expected)
    again = split(data, **sizes)
    assert got == [rows(p) for p in (again.train, again.val, again.test)]
    for part in (parts.train, parts.val, parts.test):
        if part is not None:
            np.testing.assert_array_equal(part.y, part.X[:, 0] % 3)  # labels went with their rows


def test_order_is_kept():
    parts = ordered_split(numbered(10), train=4, val=3, test=2)
    assert (rows(parts.train), rows(parts.val), rows(parts.test)) == ([0, 1, 2, 3], [4, 5, 6], [7, 8])


@pytest.mark.parametrize("split", [random_split, stratified_split])
def test_another_seed_gives_other_rows(split):
    data = numbered(90)
    assert rows(split(data, val=20, seed=1).train) != rows(split(data, val=20, seed=2).train)
    assert rows(split(data, seed=1).train) != list(range(90))


@given(n=st.integers(1, 200), val=st.floats(0, 1), test=st.floats(0, 1))
def test_fractions_partition_or_are_refused(n, val, test):
    try:
        parts = ordered_split(numbered(n), val=val, test=test)
    except ConfigError:
        assert val + test > 1 - 1 / n - 1e-6 or 0 < min(v for v in (val, test) if v > 0) < 1 / n
        return
    assert rows(parts.train) + rows(parts.val) + rows(parts.test) == list(range(n))


@given(
    counts=st.lists(st.integers(3, 60), min_size=1, max_size=5),
    val=st.integers(0, 40),
    test=st.integers(0, 40),
    train=st.none() | st.integers(1, 60),
    seed=st.integers(0, 2**64 - 2048),
)
def test_stratified_gives_every_class_its_share(counts, val, test, train, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    data = Dataset(np.arange(float(len(y)))[:, None], y)
    try:
        parts = stratified_split(data, train=train, val=val, test=test, seed=seed)
    except ChainruleError:
        return
    for part, size in ((parts.train, train), (parts.val, val), (parts.test, test)):
        if part is not None:
            assert size is None or len(part) == size
            shares = np.bincount(part.y, minlength=len(counts)) - np.array(counts) * len(part) / len(y)
            assert np.abs(shares).max() < 2
            assert np.bincount(part.y, minlength=len(counts)).min() >= 1
    taken = rows(parts.train) + rows(parts.val) + rows(parts.test)
    assert len(set(taken)) == len(taken)


def test_fractions_are_meant_in_decimals():
    assert 0.29 * 100 < 29
    assert len(ordered_split(numbered(100), val=0.29).val) == 29


def test_rows_left_out_need_no_row_of_every_class():
    data = Dataset(np.zeros((1000, 1)), np.repeat([0, 1], [996, 4]))
    for seed in range(5):
        assert stratified_split(data, train=990, seed=seed).train.class_counts()[1] >= 3


def test_stratified_shares_of_a_rare_class():
    y = np.repeat([0, 1], [900, 100])
    parts = stratified_split(Dataset(np.zeros((1000, 1)), y), val=0.2, test=0.1, seed=3)
    assert [p.class_counts().tolist() for p in (parts.train, parts.val, parts.test)] == [[630, 70], [180, 20], [90, 10]]


SMALL = Dataset(np.zeros((23, 1)), np.repeat([0, 1, 2], [20, 2, 1]), ("ant", "bee", "cat"))
RARE = Dataset(np.zeros((1000, 1)), np.repeat([0, 1], [996, 4]), ("ant", "bee"))
BAD = [
    (lambda: ordered_split(numbered(10), train=8, val=2, test=1), ConfigError, "train 8 + val 2 + test 1 = 11"),
    (lambda: ordered_split(numbered(10), val=0.6, test=5), ConfigError, "val 6 + test 5 = 11"),
    (lambda: ordered_split(numbered(10), val=10), ConfigError, "at least one for train, got val 10 + test 0 = 10"),
    (lambda: ordered_split(numbered(10), train=0), ConfigError, "train 0 + val 0 + test 0 = 0"),
    (lambda: ordered_split(numbered(10), train=5.0), ConfigError, "from 0.0 to 1.0, got 5.0; for rows write 5"),
    (lambda: ordered_split(numbered(10), val=0.05), ConfigError, "at least one row, got 0.05 of 10 rows"),
    (lambda: ordered_split(numbered(10), val=-1), ConfigError, "val must be an integer >= 0, got -1"),
    (lambda: ordered_split(numbered(10), val=float("nan")), ConfigError, "from 0.0 to 1.0, got nan"),
    (lambda: ordered_split(numbered(10), val="2"), DTypeError, "val must be an integer, got str '2'"),
    (lambda: ordered_split(numbered(10), val=True), DTypeError, "got bool True"),
    (lambda: ordered_split(np.zeros((3, 2))), DTypeError, "dataset must be a Dataset"),
    (lambda: random_split(numbered(10), seed=-1), ConfigError, "seed must be an integer >= 0"),
    (lambda: random_split(numbered(10), seed=0.5), DTypeError, "seed must be an integer"),
    (lambda: stratified_split(SMALL, val=5, seed=0), DataError, "got class 2 ('cat') with 1 row"),
    (
        lambda: stratified_split(numbered(30), val=2, seed=0),
        ConfigError,
        "val must hold a row of each of the 3 classes",
    ),
    (lambda: stratified_split(numbered(30), train=20, val=8, seed=0), ConfigError, "the rows left out must hold a row"),
    (lambda: stratified_split(RARE, val=20, test=20, seed=0), DataError, "class 1 ('bee') has 4 rows of 1000"),
    (lambda: stratified_split(Dataset(np.zeros((4, 1)), np.ones(4)), seed=0), ConfigError, "integer labels (N,)"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_input_gets_a_typed_error(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()
