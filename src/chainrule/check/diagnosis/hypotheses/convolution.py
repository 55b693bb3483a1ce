"""Faults of convolutions: kernels that are not flipped, padding off by one, a stride that backward forgets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check import naive
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample


class Case:
    """One convolution of the usual layout (N, C, H, W), with the gradients that the loops of its definition give."""

    def __init__(self, s: Sample) -> None:
        self.x, self.w = s.value("x"), s.value("w")
        self.stride, self.pad = int(s.options.get("stride", 1)), int(s.options.get("pad", s.options.get("padding", 0)))
        self.dout = s.dout
        sides = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        self.padded = np.pad(self.x, sides)

    def gradients(self, padded: Array, w: Array, stride: int | None = None) -> tuple[Array, Array]:
        """(∂L/∂padded, ∂L/∂w); output pixels whose window does not fit are left out."""
        step = self.stride if stride is None else stride
        dx, dw = np.zeros_like(padded), np.zeros_like(w)
        height, width = w.shape[2:]
        for i, j in np.ndindex(self.dout.shape[2:]):
            window = (slice(None), slice(None), slice(i * step, i * step + height), slice(j * step, j * step + width))
            if padded[window].shape[2:] == (height, width):
                dx[window] += np.einsum("nf,fchw->nchw", self.dout[:, :, i, j], w)
                dw += np.einsum("nf,nchw->fchw", self.dout[:, :, i, j], padded[window])
        return dx, dw

    def inner(self, dx: Array, top: int, left: int) -> Array:
        """What lies at (top, left) of a padded gradient, in x's shape, zeros where nothing is."""
        height, width = self.x.shape[2:]
        room = np.pad(dx, ((0, 0), (0, 0), (height, height), (width, width)))
        return room[:, :, height + top : 2 * height + top, width + left : 2 * width + left]


def case_of(s: Sample) -> Case | None:
    """The convolution, if the derivatives by differences confirm it."""
    if s.kind is None or s.kind.name != "conv":
        return None
    if "convolution" not in s.kept:
        s.kept["convolution"] = _find(s)
    return s.kept["convolution"]


def _find(s: Sample) -> Case | None:
    x, w = s.value("x"), s.value("w")
    if np.ndim(x) != 4 or np.ndim(w) != 4 or s.out.ndim != 4 or x.shape[1] != w.shape[1] or s.out.shape[1] != len(w):
        return None
    case = Case(s)
    try:
        y = naive.convolution(case.x, case.w, np.zeros(len(w)), (case.stride,) * 2, (case.pad,) * 4, (1, 1), 1)
    except ValueError:
        return None
    dx, _ = case.gradients(case.padded, case.w)
    name = s.named("x")
    good = y.shape == s.out.shape and name is not None
    return case if good and s.distance(case.inner(dx, case.pad, case.pad), s.numeric(str(name))) < 1e-5 else None


class UnflippedKernel(Hypothesis):
    """∂L/∂x is a correlation with the kernel turned by 180 degrees; it is not turned, or the result is."""

    name, title = "unflipped-kernel", "convolution: the kernel is not flipped"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Turned kernels; turned results; turned in one direction only; exchanged axes."""
        role, n = s.roles.get(name), s.numeric(name)
        if n.ndim == 4:
            for axes in ((2, 3), (2,), (3,), (1, 2)):
                words = f"d{name} is the right gradient turned over along axis {axes}"
                yield Prediction(np.flip(n, axes), "result", words, right_equation(s, name))
        case = case_of(s)
        if case is None or role != "x":
            return
        for axes in ((2, 3), (2,), (3,)):
            dx, _ = case.gradients(case.padded, np.flip(case.w, axes))
            words = "in full correlation the kernel must be turned by 180 degrees (w[:, :, ::-1, ::-1]); here it is not"
            yield Prediction(case.inner(dx, case.pad, case.pad), "kernel", words, right_equation(s, name))
        if case.w.shape[2] == case.w.shape[3]:
            dx, _ = case.gradients(case.padded, case.w.swapaxes(2, 3))
            words = "the kernel's rows and columns are exchanged (transposed, not turned by 180 degrees)"
            yield Prediction(case.inner(dx, case.pad, case.pad), "transposed", words, right_equation(s, name))


class PaddingOffset(Hypothesis):
    """The padding is cut off, or put on, in the wrong place."""

    name, title = "padding-offset", "convolution: the padding is off"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Every other place from which to take dx, or at which x lies for dw."""
        case, role = case_of(s), s.roles.get(name)
        if case is None or role not in ("x", "w"):
            return
        dx, _ = case.gradients(case.padded, case.w)
        reach = range(-1, 2 * case.pad + 2)
        for top, left in itertools.product(reach, reach):
            if (top, left) == (case.pad, case.pad):
                continue
            words = f"taken {top - case.pad:+d} rows and {left - case.pad:+d} columns off"
            if role == "x":
                equation = "dx = dx_padded[:, :, pad:pad + H, pad:pad + W]"
                yield Prediction(
                    case.inner(dx, top, left), "offset", f"dx is {words}: the padding is {case.pad}", equation
                )
            else:
                shifted = np.zeros_like(case.padded)
                moved = case.inner(case.padded, top, left)
                shifted[:, :, case.pad : case.pad + moved.shape[2], case.pad : case.pad + moved.shape[3]] = moved
                yield Prediction(
                    case.gradients(shifted, case.w)[1], "offset", f"dw reads x {words}", right_equation(s, name)
                )
        if role == "w":
            sides = ((0, 0), (0, 0), (0, 2 * case.pad), (0, 2 * case.pad))
            words = "dw reads x without its padding"
            yield Prediction(
                case.gradients(np.pad(case.x, sides), case.w)[1], "unpadded", words, right_equation(s, name)
            )


class StrideForgotten(Hypothesis):
    """backward moves its windows by another stride than forward."""

    name, title = "stride-forgotten", "convolution or pooling: backward uses another stride than forward"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Strides 1 to 3."""
        case, role = case_of(s), s.roles.get(name)
        if case is None or role not in ("x", "w"):
            return
        for stride in (1, 2, 3):
            if stride != case.stride:
                dx, dw = case.gradients(case.padded, case.w, stride)
                words = f"the windows move by {stride}; forward's stride is {case.stride}"
                array = case.inner(dx, case.pad, case.pad) if role == "x" else dw
                yield Prediction(array, "", words, right_equation(s, name))


class ChannelsSwapped(Hypothesis):
    """Filters and channels of the kernel are exchanged, by a reshape for instance."""

    name, title = "channels-swapped", "convolution: filters and channels of the kernel are exchanged"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The kernel, or its gradient, read in another order of its axes."""
        case, role = case_of(s), s.roles.get(name)
        if case is None:
            return
        for axes in list(itertools.permutations(range(4)))[1:]:
            words = f"the kernel is read in the order of axes {axes}"
            if role == "x":
                dx, _ = case.gradients(case.padded, case.w.transpose(axes).reshape(case.w.shape))
                yield Prediction(case.inner(dx, case.pad, case.pad), str(axes), words, right_equation(s, name))
            elif role == "w":
                _, dw = case.gradients(case.padded, case.w)
                yield Prediction(dw.transpose(axes).reshape(dw.shape), str(axes), words, right_equation(s, name))
