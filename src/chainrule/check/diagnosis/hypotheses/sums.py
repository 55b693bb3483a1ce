"""Contributions that are lost: an assignment where they should add up, or a Jacobian of which a part is left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Prediction, contributions, right_equation
from chainrule.check.diagnosis.sample import Sample


class Overwritten(Hypothesis):
    """`=` for `+=`: where several outputs use the same entry, only the last one's contribution is left."""

    name, title = "overwritten", "contributions overwrite each other instead of adding up"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Of loops over any choice of the output's axes the last (or first) pass that touches an entry."""
        if s.out.ndim == 0:
            return
        parts = contributions(s, name).reshape(*s.out.shape, -1)  # (*outputs, entries)
        touched = (s.jacobian(name) != 0).reshape(parts.shape)
        axes = range(s.out.ndim)
        for count in range(1, s.out.ndim + 1):
            for looped in itertools.combinations(axes, count):
                rest = tuple(a for a in axes if a not in looped)
                passes = parts.sum(axis=rest).reshape(-1, parts.shape[-1])
                used = touched.any(axis=rest).reshape(passes.shape)
                words = (
                    f"of the outputs that an entry of {name} takes part in, only the last one written counts in "
                    f"d{name}; all of them add up"
                )
                for order, label in ((slice(None), "last"), (slice(None, None, -1), "first")):
                    yield Prediction(
                        _last(passes[order], used[order], s.values[name].shape), label, words, _add(s, name)
                    )
                # The last pass may write zeros where it has nothing to add (the padding of an image).
                yield Prediction(passes[-1].reshape(s.values[name].shape), "last", words, _add(s, name))


def _add(s: Sample, name: str) -> str:
    if s.kind is not None and s.kind.name == "embedding":
        return s.kind.equations["w"]
    return f"d{name}[...] += ... in the place of d{name}[...] = ...  (for repeated indices np.add.at)"


def _last(passes: Array, used: Array, shape: tuple[int, ...]) -> Array:
    last = np.where(used.any(axis=0), len(used) - 1 - np.argmax(used[::-1], axis=0), 0)
    return np.take_along_axis(passes, last[None], axis=0)[0].reshape(shape)


class TransposedWeight(Hypothesis):
    """A weight matrix is used as it is where its transpose belongs, or the other way round."""

    name, title = "transposed-weight", "a weight matrix is not transposed"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The Jacobian in place of its transpose, which needs as many outputs as entries."""
        size = s.values[name].size
        if s.out.size == size and s.out.ndim and s.out.ndim == s.values[name].ndim:
            product = (s.jacobian(name) @ s.dout.reshape(-1)).reshape(s.values[name].shape)
            words = f"d{name} is dout times the weights themselves; the derivative has their transpose"
            yield Prediction(product, "", words, right_equation(s, name) or f"d{name} = dout @ W.T")


class FactorConstant(Hypothesis):
    """y = x g(x), and g (a norm, a mean, a gate) is treated as a constant."""

    name, title = "factor-constant", "a factor that depends on the input is treated as a constant"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dout y/x."""
        x = s.values[name]
        if s.out.ndim and s.out.shape == x.shape and np.all(x != 0):
            words = f"d{name} is dout * y / {name}: in y = {name} * g({name}) the derivative of g is left out"
            equation = right_equation(s, name) or f"d{name} = dout * g + (what flows through g)"
            yield Prediction(s.dout * s.out / x, "", words, equation)


class DiagonalOnly(Hypothesis):
    """Only each output's derivative by its own input is there; the outputs depend on the others too."""

    name, title = "diagonal-only", "the off-diagonal part of the Jacobian is missing"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Without what is off the diagonal; without the diagonal."""
        jacobian = s.jacobian(name)
        if jacobian.shape[0] != jacobian.shape[1] or s.out.ndim == 0:
            return
        diagonal = s.dout.reshape(-1) * np.diag(jacobian)
        off = s.dout.reshape(-1) @ (jacobian - np.diag(np.diag(jacobian)))
        if not np.any(off):
            return
        words = f"output i also depends on {name}_j: their derivatives ∂y_i/∂{name}_j, i ≠ j, are left out"
        yield Prediction(diagonal.reshape(s.values[name].shape), "diagonal", words, right_equation(s, name))
        words = f"the derivatives ∂y_i/∂{name}_i are left out, only those by the others are there"
        yield Prediction(off.reshape(s.values[name].shape), "off-diagonal", words, right_equation(s, name))
