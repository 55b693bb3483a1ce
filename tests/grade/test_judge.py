"""When a result counts as right."""

import numpy as np
import pytest

from chainrule.grade.inside.wire import Foreign
from chainrule.grade.judge import compare_all, difference

RNG = np.random.default_rng(0)


def test_rounding_passes_and_more_does_not():
    x = RNG.normal(size=(3, 4))
    assert difference(x, x * (1 + 1e-7), 1e-5) is None
    assert difference(x, x.astype(np.float32), 1e-5) is None
    assert difference(x, x * (1 + 1e-3), 1e-5) is not None
    assert difference(np.zeros(3), np.full(3, 1e-12), 1e-5) is None
    assert difference(np.zeros(3), np.full(3, 1e-3), 1e-5) is not None
    off = x.copy()
    off[1, 2] += 0.1
    assert "at index (1, 2)" in difference(x, off, 1e-5)
    assert "1 of 12" in difference(x, off, 1e-5)


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (np.zeros((3, 1)), "shape"),
        (np.array([0, np.nan, 0]), "nan"),
        (np.array([0, np.inf, 0]), "inf"),
        (None, "missing"),
        (Foreign("object"), "object"),
        ("text", "str"),
        ({"a": 1}, "dictionary"),
        ([[1, 2], [3]], "numbers"),
        (["a", "b", "c"], "numbers"),
    ],
)
def test_what_is_no_array_of_the_shape(got, words):
    assert words in difference(np.zeros(3), got, 1e-5)


def test_a_number_may_come_as_an_array_of_one():
    assert difference(2.0, np.array([2.0]), 1e-5) is None
    assert difference(2.0, np.array([2.0, 2.0]), 1e-5) is not None


def test_changed_inputs_are_findings():
    found = compare_all({"out": 1.0, "changed": []}, {"out": 1.0, "changed": ["x"]}, 1e-5)
    assert [str(finding) for finding in found] == ["x is an input, and is changed in place"]


def test_numbers_that_are_not_finite():
    """Ours are always finite; those of a known mistake need not be, and then the submission's must be so too."""
    bad = np.array([np.nan, 1.0])
    assert difference(bad, bad, 1e-5) is None
    assert difference(bad, np.array([0.0, 1.0]), 1e-5) is not None
    assert difference(bad, np.array([np.nan, 2.0]), 1e-5) is not None
