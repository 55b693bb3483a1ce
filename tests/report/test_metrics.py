"""Class tables and confusion matrices, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import DataError
from chainrule.report import class_table, confusion_matrix

NAMES = ("ant", "bee", "cow")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_against_counting(pairs):
    y, predicted = np.array(pairs).T
    matrix = confusion_matrix(y, predicted, 3)
    for i, row in enumerate(class_table(y, predicted, NAMES)):
        hits = sum(1 for pair in pairs if pair == (i, i))
        said, true = (sum(1 for pair in pairs if pair[side] == i) for side in (1, 0))
        assert row.name == NAMES[i]
        assert row.support == true == matrix[i].sum()
        assert row.precision == (hits / said if said else 0)
        assert row.recall == (hits / true if true else 0)
        assert abs(row.f1 - (2 * hits / (said + true) if said + true else 0)) < 1e-12
        assert matrix[i].tolist() == [sum(1 for pair in pairs if pair == (i, j)) for j in range(3)]


def test_labels_of_both_signs():
    y, predicted = np.array([-1, -1, 1]), np.array([0, 1, 1])
    assert confusion_matrix(y, predicted, 2).tolist() == [[1, 1], [0, 1]]
    assert [row.support for row in class_table(y, predicted, ["no", "yes"])] == [2, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "wrong"), [([-1, 5], 2, 5), ([-2, 1], 2, -2), ([-1, 2], 3, -1), ([3], 3, 3)]
)
def test_a_label_of_no_class_is_named(labels, classes, wrong):
    with pytest.raises(
        DataError, match=f"y must hold labels from 0 to {classes - 1}, of {classes} classes, got {wrong}$"
    ):
        confusion_matrix(labels, labels, classes)


def test_one_class():
    y = np.zeros(3, np.int64)
    assert confusion_matrix(y, y, 1).tolist() == [[3]]
    assert [row.support for row in class_table(y, y, ["all"])] == [3]
