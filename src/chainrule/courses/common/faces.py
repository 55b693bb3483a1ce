"""What every functional face needs: the course's cache form around a layer's own cache, and lenient inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, shown
from chainrule.layers import Layer
from chainrule.require import as_numbers


class FaceCache(tuple[Any, ...]):
    """The tuple that a course documents as its cache, which also carries the layer and the layer's own cache.

    A backward face takes `inner` where there is one, so that nothing is computed twice; from a plain tuple of the
    documented form, which a student may have built, it starts with the layer's forward pass.
    """

    layer: Layer
    inner: Any

    @classmethod
    def of(cls, form: Sequence[Any], layer: Layer, inner: Any) -> FaceCache:
        """`form` as a cache that remembers `inner`."""
        cache = cls(form)
        cache.layer, cache.inner = layer, inner
        return cache


def as_float(x: Any, name: str = "x") -> np.ndarray:
    """`x` as an array of floats: course code may pass integers (pixels, np.arange); floats keep their dtype."""
    owner, _, argument = name.rpartition(": ")
    array = as_numbers(owner if owner else "arguments", argument, x)
    return array.astype(np.float64) if array.dtype.kind in "iub" else array


def option(param: Mapping[str, Any], owner: str, argument: str, key: str) -> Any:
    """`param[key]`, or a `ConfigError` (a ValueError) that names what is missing."""
    if not isinstance(param, Mapping):
        raise DTypeError(f"{owner}: {argument} must be a dictionary, got {describe(param)}")
    if key not in param:
        raise ConfigError(f"{owner}: {argument} must have the key {key!r}, got only {sorted(map(str, param))}")
    return param[key]


def mode_of(param: Mapping[str, Any], owner: str, argument: str) -> bool:
    """Whether `param["mode"]` is "train"; a `ConfigError` (a ValueError) unless it is "train" or "test"."""
    mode = option(param, owner, argument, "mode")
    if not isinstance(mode, str) or mode not in ("train", "test"):
        raise ConfigError(f"{owner}: {argument}['mode'] must be 'train' or 'test', got {shown(mode)}")
    return bool(mode == "train")


def unpack(cache: Any, owner: str, names: str) -> tuple[Any, ...]:
    """`cache` as the tuple of `names` that the forward pass returned, or a typed error."""
    expected = names.split()
    if not isinstance(cache, tuple) or len(cache) != len(expected):
        got = f"{len(cache)} entries" if isinstance(cache, tuple) else describe(cache)
        raise ConfigError(f"{owner}: cache must be ({', '.join(expected)}) from the forward pass, got {got}")
    return cache


def matching(dout: Any, shape: tuple[int, ...], owner: str) -> np.ndarray:
    """`dout` as floats of the output's `shape`; shapes are compared, never broadcast."""
    array = as_float(dout, f"{owner}: dout")
    if array.shape != shape:
        raise ShapeError(f"{owner}: dout must have the shape of the output, {shape}, got {array.shape}")
    return array
