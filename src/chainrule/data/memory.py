"""Arrays out of memory that is used again, so that a loop over batches does not ask the system for more each step.

Nobody has to give anything back: an array's memory is free again when the array and all views of it are gone. Who
keeps a batch keeps it, and only then new memory is taken.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

from chainrule.arrays import Shape

_PAGE = 4096  # a processor compares addresses by their place in a page first


def on_page(size: int, offset: int = 0) -> np.ndarray:
    """`size` uninitialised bytes that start `offset` bytes after the beginning of a page.

    Arrays that a loop reads and writes side by side slow it down to a third where their places in a page are close, the
    written one just behind: a read must then wait for a write that it has nothing to do with.
    """
    raw = np.empty(size + _PAGE + offset, np.uint8)
    skip = _to_page(raw) + offset
    return raw[skip : skip + size]


class Memory:
    """A store of memory for arrays of about one size, safe to use from several threads.

    >>> memory = Memory()
    >>> first = memory.array((2, 5), np.float32)
    >>> address = first.ctypes.data
    >>> del first
    >>> memory.array((10,), np.uint8).ctypes.data == address
    True
    """

    def __init__(self) -> None:
        self._size = 0  # bytes of a block: the most that was asked for so far
        self._free: list[bytearray] = []  # its append and pop are atomic

    def array(self, shape: Shape, dtype: Any) -> np.ndarray:
        """An array with arbitrary contents in C order, at the beginning of a page."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        self._size = max(self._size, size)
        block = self._block()
        # A view of an array holds on to what lies under it: past other arrays, but not past a bytearray. So every view
        # of the array made here keeps that array alive, and its end is the end of all of them.
        array: np.ndarray = np.ndarray(shape, dtype, buffer=block, offset=_to_page(np.frombuffer(block, np.uint8)))
        weakref.finalize(array, self._free.append, block).atexit = False
        return array

    def _block(self) -> bytearray:
        while True:
            try:
                block = self._free.pop()
            except IndexError:
                return bytearray(self._size + _PAGE)
            if len(block) >= self._size + _PAGE:  # smaller ones are from before, and are dropped
                return block


def _to_page(raw: np.ndarray) -> int:
    """How many bytes after its beginning a page begins in `raw`."""
    place: int = -raw.__array_interface__["data"][0] % _PAGE
    return place
