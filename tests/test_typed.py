"""What the check of arguments against annotations makes of values that are almost of the type."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from chainrule.errors import ConfigError, DTypeError
from chainrule.typed import typed

Pair = namedtuple("Pair", "h w")


@typed
def many(sizes: Sequence[int]) -> Any:
    return sizes


@typed
def two(sizes: tuple[int, float]) -> Any:
    return sizes


class Rows(list[int]):
    """A list that is made of a number."""

    def __init__(self, count: int) -> None:
        super().__init__(range(count))


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ([1, np.int64(2)], [1, 2]),
        ((1, 2), (1, 2)),
        (Pair(1, 2), (1, 2)),
        (Rows(3), [0, 1, 2]),
        (range(2), [0, 1]),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_lists_of_every_making(given: Any, got: Any) -> None:
    found = many(given)
    assert (type(found), found) == (type(got), got)
    assert {type(entry) for entry in found} == {int}


def test_what_is_no_list_of_integers_is_named() -> None:
    with pytest.raises(DTypeError, match=r"many: sizes\[1\] must be an integer, got float 2.5"):
        many([1, 2.5])
    with pytest.raises(DTypeError, match="many: sizes must be a list, got str"):
        many("12")
    with pytest.raises(ConfigError, match="two: sizes must be 2 values, got 3"):
        two((1, 2.0, 3))
    assert two(Pair(1, 2)) == (1, 2)
