"""How much of the input image one output number depends on.

    r ← r + (F − 1) j      j ← j S

r is the side of the receptive field in input pixels, j the distance between the fields of neighbouring outputs; both
start at 1. A window of F = d(F₀ − 1) + 1 pixels with stride S adds F − 1 steps of the size reached so far. Paths side
by side see the larger of their fields. The field is that of an output in the middle of a large image: at the border a
part of it is padding, and it may be larger than the image. Normalisation counts in test mode.
Source: Araujo, Norris & Sim, "Computing receptive fields of convolutional neural networks", Distill, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chainrule.arrays import Shape
from chainrule.geometry import pair
from chainrule.layers import (
    Affine,
    AveragePool2D,
    Conv2D,
    ConvTranspose2D,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    MaxPool2D,
    RMSNorm,
    Sequential,
    Softmax,
)
from chainrule.layers.sequential import Composite

#: Layers whose every output depends on all pixels, or on all pixels of its row.
WHOLE_IMAGE = (Affine, GlobalAveragePool, GroupNorm, InstanceNorm)
WHOLE_ROW = (LayerNorm, RMSNorm, Softmax)


@dataclass(frozen=True)
class Field:
    """Sides of the receptive field (height, width) in input pixels, None for the whole axis; and the jumps."""

    size: tuple[int | None, int | None]
    jump: tuple[Fraction, Fraction]

    @property
    def sees(self) -> str:
        """`7×7`, or `all` where every pixel counts."""
        sides = ["all" if r is None else str(r) for r in self.size]
        return "all" if self.size == (None, None) else "×".join(sides)

    @property
    def steps(self) -> str:
        """The jumps, `4×4`; nothing where every pixel counts."""
        return "" if None in self.size else "×".join(map(str, self.jump))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"size": self.size, "jump": tuple(map(float, self.jump))}


#: One pixel sees itself.
START = Field((1, 1), (Fraction(1), Fraction(1)))


def receptive_field(layer: Layer, x_shape: Shape, before: Field = START) -> Field:
    """The receptive field of `layer`'s output, given that of its input.

    >>> from chainrule.layers import Conv2D, MaxPool2D
    >>> block = Sequential((Conv2D(8, 3), Conv2D(8, 3), MaxPool2D(2)))
    >>> receptive_field(block, (1, 3, 32, 32)).sees
    '6×6'
    """
    if isinstance(layer, Sequential):
        for part, shape in zip(layer.layers, layer.child_shapes(x_shape), strict=True):
            before = receptive_field(part, shape, before)
        return before
    if isinstance(layer, Composite):
        paths = zip(layer.children, layer.child_shapes(x_shape), strict=True)
        fields = [receptive_field(path, shape, before) for path, shape in paths]
        return Field((_largest(fields, 0), _largest(fields, 1)), fields[0].jump)
    if isinstance(layer, WHOLE_IMAGE) or (isinstance(layer, WHOLE_ROW) and len(x_shape) == 2):
        return Field((None, None), before.jump)
    if isinstance(layer, WHOLE_ROW):
        return Field((before.size[0], None), before.jump)
    if isinstance(layer, ConvTranspose2D):
        return _enlarged(layer, before)
    if isinstance(layer, (Conv2D, MaxPool2D, AveragePool2D)):
        kernel = pair(layer.kernel if isinstance(layer, Conv2D) else layer.size)
        stride = kernel if layer.stride is None else pair(layer.stride)
        dilation = pair(layer.dilation) if isinstance(layer, Conv2D) else (1, 1)
        steps = [d * (f - 1) for f, d in zip(kernel, dilation, strict=True)]
        return _stepped(before, steps, [Fraction(s) for s in stride])
    return before  # element by element, along the channels, or only in another order


def _largest(fields: list[Field], axis: int) -> int | None:
    sides = [field.size[axis] for field in fields]
    return None if None in sides else max(side for side in sides if side is not None)


def _stepped(before: Field, steps: list[int], stride: list[Fraction]) -> Field:
    """The field after windows that reach `steps` outputs of the layer before further and start every `stride`."""
    grown = [None if r is None else int(r + n * j) for r, n, j in zip(before.size, steps, before.jump, strict=True)]
    jump = [j * s for j, s in zip(before.jump, stride, strict=True)]
    return Field((grown[0], grown[1]), (jump[0], jump[1]))


def _enlarged(layer: ConvTranspose2D, before: Field) -> Field:
    """Each output of a transposed convolution collects the taps that are a multiple of the stride away from it."""
    steps = []
    for f, d, s in zip(pair(layer.kernel), pair(layer.dilation), pair(layer.stride), strict=True):
        reached: dict[int, list[int]] = {}
        for tap in range(f):
            reached.setdefault(tap * d % s, []).append(tap * d // s)
        steps.append(max(max(places) - min(places) for places in reached.values()))
    return _stepped(before, steps, [Fraction(1, s) for s in pair(layer.stride)])
