"""Where a plan's numbers live: tensors with borders, in buffers that share one arena where their lifetimes allow it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ConfigError

#: Memory spaces, as native/program.hpp numbers them.
ARENA, PARAMS, GRADIENTS, BUFFERS, SLOTS = range(5)
SPACE_BITS = 44
NONE = -1

#: Kernels load whole vectors, which may reach this many floats beyond the last number they use.
SLACK = 64
_ALIGNMENT = 16  # floats: a cache line


def address(space: int, offset: int) -> int:
    """A place in memory as kernels take it."""
    return space << SPACE_BITS | offset


@dataclass(eq=False)
class Buffer:
    """A stretch of the arena, and the operations between which it is in use."""

    floats: int = 0
    first: int | None = None
    last: int = -1
    offset: int = -1

    def touch(self, time: int) -> None:
        """Note a use at operation number `time`."""
        self.first = time if self.first is None else min(self.first, time)
        self.last = max(self.last, time)

    @property
    def at(self) -> int:
        """The address, once the arena is laid out."""
        return address(ARENA, self.offset)


@dataclass(eq=False)
class Tensor:
    """Numbers (N, h, w, c) with a border of zeros (top, bottom, left, right), or some channels of another tensor."""

    h: int
    w: int
    c: int
    border: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    parent: Tensor | None = None
    channel: int = 0  # where its channels begin in the parent's
    _buffer: Buffer = field(default_factory=Buffer)

    @property
    def root(self) -> Tensor:
        """The tensor whose memory this one lies in."""
        return self if self.parent is None else self.parent.root

    @property
    def buffer(self) -> Buffer:
        """The memory."""
        return self.root._buffer

    def need_border(self, top: int, bottom: int, left: int, right: int) -> None:
        """Ask for at least so many lines of zeros around each image."""
        around = self.root.border
        around[:] = [max(a, b) for a, b in zip(around, (top, bottom, left, right), strict=True)]

    def share_border(self, other: Tensor) -> None:
        """Have the same border as another tensor of the same sizes from now on."""
        self.need_border(*other.border)
        other.need_border(*self.border)
        self.border = other.border

    @property
    def pixel(self) -> int:
        """Floats from one pixel to the next."""
        return self.root.c

    @property
    def row(self) -> int:
        """Floats from one line to the next."""
        _, _, left, right = self.root.border
        return (self.w + left + right) * self.pixel

    @property
    def image(self) -> int:
        """Floats from one image to the next."""
        top, bottom, _, _ = self.root.border
        return (self.h + top + bottom) * self.row

    @property
    def start(self) -> int:
        """Floats from the start of the buffer to the first pixel."""
        top, _, left, _ = self.root.border
        channel, tensor = 0, self
        while tensor.parent is not None:
            channel, tensor = channel + tensor.channel, tensor.parent
        return top * self.row + left * self.pixel + channel

    def view(self) -> list[int]:
        """The seven numbers of a kernel's view."""
        return [self.buffer.at + self.start, self.h, self.w, self.c, self.pixel, self.row, self.image]

    def phase(self, r: int, q: int, stride: tuple[int, int]) -> list[int]:
        """The view of every stride-th pixel, beginning at (r, q)."""
        at, h, w, c, pixel, row, image = self.view()
        rows, columns = -(-(h - r) // stride[0]), -(-(w - q) // stride[1])
        return [at + r * row + q * pixel, rows, columns, c, pixel * stride[1], row * stride[0], image]

    def array(self, arena: Array, n: int) -> Array:
        """The numbers of the first n images as a view (n, c, h, w) of the arena."""
        at = self.buffer.offset + self.start
        strides = tuple(4 * s for s in (self.image, 1, self.row, self.pixel))
        return np.lib.stride_tricks.as_strided(arena[at:], (n, self.c, self.h, self.w), strides)


def lay_out(tensors: Sequence[Tensor], buffers: Sequence[Buffer], capacity: int) -> int:
    """Give every buffer its place, so that no two that are in use at the same time overlap; the floats needed.

    The largest first, each at the lowest place where it fits.
    """
    for tensor in tensors:
        if tensor.parent is None:
            tensor.buffer.floats = max(tensor.buffer.floats, capacity * tensor.image)
    used = [b for b in {id(b): b for b in [*buffers, *(t.buffer for t in tensors)]}.values() if b.first is not None]
    placed: list[Buffer] = []
    for buffer in sorted(used, key=lambda b: (-b.floats, b.first)):
        others = sorted(
            (b for b in placed if b.first <= buffer.last and buffer.first <= b.last),  # type: ignore[operator]
            key=lambda b: b.offset,
        )
        buffer.offset = 0
        for other in others:
            if buffer.offset + buffer.floats + SLACK <= other.offset:
                break
            buffer.offset = max(buffer.offset, _aligned(other.offset + other.floats + SLACK))
        placed.append(buffer)
    return max((b.offset + b.floats for b in placed), default=0) + SLACK


def make_arena(floats: int) -> Array:
    """Zeros for the arena, at a multiple of a cache line."""
    try:
        raw: Any = np.zeros(floats + _ALIGNMENT, np.float32)
    except (MemoryError, ValueError, OverflowError):
        raise ConfigError(f"the batch must fit in memory, got one that needs {4 * floats / 1e9:.3g} GB") from None
    skip = -(raw.ctypes.data // 4) % _ALIGNMENT
    return raw[skip : skip + floats]


def _aligned(floats: int) -> int:
    return math.ceil(floats / _ALIGNMENT) * _ALIGNMENT
