"""What max and average pooling share: their options and their windows."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ConfigError
from chainrule.geometry import (
    Windows,
    as_option,
    fit_windows,
    four_sides,
    pair,
    require_padding,
    require_pair,
    require_rounding,
)


def check_pooling(layer: Any) -> None:
    """Raise unless size, stride, padding and rounding are sound; lists become tuples."""
    for option in ("size", "stride", "padding"):
        object.__setattr__(layer, option, as_option(getattr(layer, option)))
    require_pair(layer.name, "size", layer.size, low=1)
    if layer.stride is not None:
        require_pair(layer.name, "stride", layer.stride, low=1)
    require_padding(layer.name, layer.padding)
    require_rounding(layer.name, layer.rounding)
    size = pair(layer.size)
    if not isinstance(layer.padding, str):
        for side, padding in enumerate(four_sides(layer.padding)):
            if padding >= size[side // 2]:  # a window of padding alone has no largest entry and no mean
                raise ConfigError(f"{layer.name}: padding must be less than size = {layer.size}, got {layer.padding}")


def fit_pooling(layer: Any, h: int, w: int) -> Windows:
    """The windows of a pooling layer over an image of h × w."""
    size = pair(layer.size)
    stride = size if layer.stride is None else pair(layer.stride)
    return fit_windows(layer.name, (h, w), size, stride, layer.padding, rounding=layer.rounding)
