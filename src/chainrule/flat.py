"""One flat vector with named views: how all numbers of one kind (parameters, gradients, a slot) are stored.

An update rule is then one pass over one vector, a checkpoint one write, and every engine shares the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from chainrule.arrays import Array, Shape
from chainrule.errors import ConfigError, ShapeError, unknown
from chainrule.require import as_numbers


class FlatViews(MutableMapping[str, Array]):
    """A mapping from names to views into one vector, `flat`; assigning to a name writes into the vector.

    >>> views = FlatViews({"W1": (2, 3), "b1": (3,)}, np.float32)
    >>> views["b1"] = np.ones(3)
    >>> views.flat.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, shapes: Mapping[str, Shape], dtype: Any, flat: Array | None = None) -> None:
        total = sum(math.prod(shape) for shape in shapes.values())
        if flat is None:
            flat = _zeros(total, dtype)
        elif flat.shape != (total,):
            raise ShapeError(f"FlatViews: flat must have shape ({total},), got {flat.shape}")
        self.flat = flat
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.slices: dict[str, slice] = {}
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            self.slices[name] = slice(start, start + math.prod(shape))
            self._views[name] = flat[self.slices[name]].reshape(shape)
            start += math.prod(shape)

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._views:
            raise unknown("parameter", name, self._views)
        array = as_numbers("parameters", name, value)
        if array.shape != self.shapes[name]:
            raise ShapeError(f"{name} must have shape {self.shapes[name]}, got {array.shape}")
        self._views[name][...] = array

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies are made of the vector; views copied one by one would no longer share its memory."""
        return FlatViews, (self.shapes, self.flat.dtype, self.flat)

    def __delitem__(self, name: str) -> None:
        raise ConfigError(f"the set of parameters is fixed; {name!r} cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"FlatViews({inside}; {self.flat.size} numbers of {self.flat.dtype})"

    def copy(self) -> dict[str, Array]:
        """A plain dictionary of copies."""
        return {name: view.copy() for name, view in self._views.items()}

    def name_at(self, index: int) -> str:
        """The name of the tensor that entry `index` of the vector belongs to."""
        for name, where in self.slices.items():
            if where.start <= index < where.stop:
                return name
        raise ConfigError(f"index must be from 0 to {self.flat.size - 1}, got {index}")


#: Bytes of a cache line, at a multiple of which vectors start.
_LINE = 64


def _zeros(total: int, dtype: Any) -> Array:
    itemsize = np.dtype(dtype).itemsize
    try:
        raw = np.zeros(total + _LINE // itemsize, dtype)
        skip = -raw.ctypes.data % _LINE // itemsize
        return raw[skip : skip + total]
    except (MemoryError, ValueError, OverflowError):
        raise ConfigError(f"the tensors must fit in memory, got {total} numbers of {np.dtype(dtype)}") from None
