"""Memory that is used again when the arrays made of it, and their views, are gone."""

from __future__ import annotations

import gc

import numpy as np

from chainrule.data.memory import Memory, on_page


def address(array):
    return array.__array_interface__["data"][0]


def test_used_again_when_the_array_is_gone():
    memory = Memory()
    first = memory.array((3, 4), np.float32)
    first[...] = 7
    place = address(first)
    second = memory.array((3, 4), np.float32)
    assert not np.shares_memory(first, second)
    del first
    assert address(memory.array((2, 4), np.float32)) == place  # a smaller one fits too


def test_a_view_keeps_the_memory():
    memory = Memory()
    for view in (lambda a: a[1:], lambda a: a.reshape(-1)[::2], lambda a: a.view(np.uint8)[0], lambda a: a.T[0][1:]):
        array = memory.array((4, 6), np.float64)
        array[...] = 5
        kept = view(array)
        place, before = address(array), kept.copy()
        del array
        other = memory.array((4, 6), np.float64)
        other[...] = 9
        assert address(other) != place
        np.testing.assert_array_equal(kept, before)
        del kept, other
        gc.collect()


def test_larger_arrays_than_before():
    memory = Memory()
    for size in (10, 1000, 10, 5000, 1):
        array = memory.array((size,), np.uint8)
        array[...] = 1
        assert array.shape == (size,)
    place = address(array)
    del array
    assert address(memory.array((5000,), np.uint8)) == place  # every block is as large as the largest


def test_nothing_is_asked_for_twice():
    memory = Memory()
    places = set()
    for _ in range(50):
        places.add(address(memory.array((100,), np.float32)))
    assert len(places) == 1


def test_places_in_a_page():
    for offset in (0, 1024):
        block = on_page(100, offset)
        assert address(block) % 4096 == offset
        assert block.nbytes == 100
    assert address(Memory().array((3,), np.float32)) % 4096 == 0
