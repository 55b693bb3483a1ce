"""Split criteria: the bounds of the theory, and scikit-learn's numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from chainrule.analysis.impurity import CRITERIA, entropy, gain, gini, misclassification, split_impurity
from chainrule.errors import ConfigError, DTypeError


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_entropy_of_two_classes_is_at_most_one_bit(p, n):
    if p + n:
        bits = entropy([p, n])
        assert 0 <= bits <= 1
        assert (bits == 1) == (p == n)
        assert (bits == 0) == (p == 0 or n == 0)


@given(st.integers(2, 4).flatmap(lambda c: st.lists(st.lists(st.integers(0, 50), min_size=c, max_size=c), min_size=1)))
def test_no_split_increases_any_impurity(children):
    if any(map(sum, children)):
        for criterion in CRITERIA.values():
            assert gain(criterion, children) >= -1e-12


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_equal_classes_have_the_largest_impurity(classes):
    equal = [7] * classes
    assert entropy(equal) == pytest.approx(math.log2(classes))
    assert gini(equal) == pytest.approx(1 - 1 / classes)
    assert misclassification(equal) == pytest.approx(1 - 1 / classes)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_scikit_learn_agrees(criterion):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (300, 1)), rng.integers(0, 3, 300)
    tree = DecisionTreeClassifier(criterion=criterion, max_depth=1).fit(X, y).tree_
    children = [[int(np.sum((X[:, 0] == side) & (y == c))) for c in range(3)] for side in (0, 1)]
    assert tree.impurity[0] == pytest.approx(CRITERIA[criterion]([sum(c) for c in zip(*children, strict=True)]))
    for i, child in ((tree.children_left[0], children[0]), (tree.children_right[0], children[1])):
        assert tree.impurity[i] == pytest.approx(CRITERIA[criterion](child))


def test_empty_children_do_not_count():
    assert split_impurity(gini, [[3, 1], [0, 0]]) == gini([3, 1])
    assert split_impurity(gini, [[np.int64(3), np.int64(1)]]) == gini([3, 1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gini([0, 0]), ConfigError, "at least one row"),
        (lambda: gini([1.5, 2]), DTypeError, "each count must be an integer"),
        (lambda: gini([-1, 2]), ConfigError, "each count must be an integer >= 0"),
        (lambda: gini("12"), DTypeError, "counts must be a list"),
        (lambda: gini(3), DTypeError, "counts must be a list"),
        (lambda: gain(gini, [[1, 2], [3]]), ConfigError, "same classes"),
        (lambda: gain(gini, []), ConfigError, "same classes"),
    ],
)
def test_bad_counts(call, error, message):
    with pytest.raises(error, match=message):
        call()
