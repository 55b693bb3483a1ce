"""One vector with named views: writes through either are seen through both, and nothing else can get in."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.flat import FlatViews

SHAPES = {"W1": (2, 3), "b1": (3,), "s": (), "none": (0, 4), "K": (2, 1, 2)}


def test_views_lie_in_order_and_share_the_memory() -> None:
    views = FlatViews(SHAPES, np.float64)
    assert list(views) == list(SHAPES)
    assert len(views) == 5
    assert views.flat.shape == (6 + 3 + 1 + 0 + 4,)
    views.flat[:] = np.arange(14)
    assert views["W1"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert views["b1"].tolist() == [6, 7, 8]
    assert views["s"] == 9
    assert views["K"].tolist() == [[[10, 11]], [[12, 13]]]
    views["s"] = -1.0
    views["b1"][1] = 70
    assert views.flat[[7, 9]].tolist() == [70, -1]
    assert [views.name_at(i) for i in (0, 5, 6, 9, 10, 13)] == ["W1", "W1", "b1", "s", "K", "K"]


def test_a_vector_may_be_given() -> None:
    flat = np.arange(4.0)
    views = FlatViews({"a": (2,), "b": (2,)}, None, flat)
    assert views.flat is flat
    views["b"] = [5, 6]
    assert flat.tolist() == [0, 1, 5, 6]
    with pytest.raises(ShapeError, match=r"flat must have shape \(4,\), got \(3,\)"):
        FlatViews({"a": (2,), "b": (2,)}, None, np.zeros(3))


def test_assignment_casts_and_copies() -> None:
    views = FlatViews({"a": (2,)}, np.float32)
    given = np.array([1, 2])
    views["a"] = given
    given[0] = 9
    assert views["a"].dtype == np.float32
    assert views["a"].tolist() == [1, 2]
    views.update({"a": [True, False]})
    assert views["a"].tolist() == [1, 0]


def test_copy_is_independent() -> None:
    views = FlatViews({"a": (2,)}, np.float64)
    copied = views.copy()
    views["a"] = [1, 1]
    assert copied["a"].tolist() == [0, 0]
    assert type(copied) is dict


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("w1", np.zeros((2, 3)), ConfigError, "unknown parameter 'w1'; did you mean 'W1'"),
        ("W1", np.zeros((3, 2)), ShapeError, r"W1 must have shape \(2, 3\), got \(3, 2\)"),
        ("W1", 1.0, ShapeError, r"W1 must have shape \(2, 3\), got \(\)"),
        ("b1", np.zeros((1, 3)), ShapeError, r"b1 must have shape \(3,\), got \(1, 3\)"),
        ("b1", np.zeros(1), ShapeError, r"b1 must have shape \(3,\), got \(1,\)"),
        ("W1", [[1, 2, 3], [4]], ShapeError, "rows of unequal lengths"),
        ("b1", ["a", "b", "c"], DTypeError, "b1 must be an array of real numbers, got list"),
        ("b1", None, DTypeError, "b1 must be an array of real numbers, got NoneType"),
        ("b1", np.zeros(3) * 1j, DTypeError, "b1 must be an array of real numbers, got an array .* complex128"),
    ],
)
def test_bad_assignments_change_nothing(name: str, value: object, error: type[Exception], message: str) -> None:
    views = FlatViews(SHAPES, np.float64)
    with pytest.raises(error, match=message):
        views[name] = value
    assert not views.flat.any()


def test_the_set_of_names_is_fixed() -> None:
    views = FlatViews(SHAPES, np.float64)
    with pytest.raises(ConfigError, match="'W1' cannot be removed"):
        del views["W1"]
    with pytest.raises(KeyError):
        views["W9"]  # a mapping's own error, which `in` and `get` rely on
    assert "W9" not in views
    assert views.get("W9") is None


def test_index_outside() -> None:
    views = FlatViews({"a": (2,)}, np.float64)
    for index in (-1, 2):
        with pytest.raises(ConfigError, match=f"index must be from 0 to 1, got {index}"):
            views.name_at(index)


def test_more_than_fits_in_memory() -> None:
    for size in (10**15, 10**30):
        with pytest.raises(ConfigError, match=f"must fit in memory, got {size} numbers of float64"):
            FlatViews({"a": (size,)}, np.float64)


def test_repr_says_what_is_inside() -> None:
    assert repr(FlatViews({"a": (2, 1)}, np.float32)) == "FlatViews(a (2, 1); 2 numbers of float32)"
    assert math.prod(()) == FlatViews({"s": ()}, float).flat.size


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda views: pickle.loads(pickle.dumps(views))])
def test_a_copy_shares_memory_with_itself_alone(copied):
    views = FlatViews({"W1": (2, 3), "b1": (3,)}, np.float32)
    other = copied(views)
    other["b1"] = np.ones(3)
    assert other.flat.tolist() == [0] * 6 + [1] * 3
    assert not views.flat.any()
    assert other["W1"].dtype == np.float32
