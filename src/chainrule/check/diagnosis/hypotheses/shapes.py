"""Faults that show in the shape of the gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError


def _axes(axes: tuple[int, ...]) -> str:
    return str(axes[0]) if len(axes) == 1 else str(axes)


class MissingBatchSum(Hypothesis):
    """The gradient of a parameter that every example shares is not summed over the examples."""

    name, title = "missing-batch-sum", "the sum over the batch is missing"

    def mended(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Sum the axes that are too many."""
        got, shape = s.got[name], s.values[name].shape
        for count in range(1, got.ndim + 1):
            for axes in itertools.combinations(range(got.ndim), count):
                summed = got.sum(axis=axes)
                if summed.size == int(np.prod(shape)) and (0 in axes or got.ndim > len(shape)):
                    words = f"d{name} has shape {got.shape}; summed over axis {_axes(axes)} it is right"
                    equation = f"d{name} = (yours).sum(axis={_axes(axes)});  {right_equation(s, name)}"
                    yield Prediction(summed.reshape(shape), _axes(axes), words, equation)

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Only one example's share, of the right shape."""
        if s.out.ndim == 0 or name == s.named("x"):
            return
        rows = (s.dout.reshape(-1, 1) * s.jacobian(name)).reshape(s.out.shape[0], -1, s.values[name].size).sum(axis=1)
        for i, word in ((0, "first"), (-1, "last")):
            words = f"d{name} holds the {word} example's share only; the shares of all examples add up"
            equation = right_equation(s, name)
            yield Prediction(rows[i].reshape(s.values[name].shape), word, words, equation)


class TransposedResult(Hypothesis):
    """The gradient is the transpose of the right one."""

    name, title = "transposed-gradient", "the gradient is transposed"

    def mended(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Every other order of the axes."""
        got = s.got[name]
        if got.ndim < 2:
            return
        for axes in list(itertools.permutations(range(got.ndim)))[1:]:
            words = f"with its axes in the order {axes} d{name} is right"
            turned = f"transpose{axes}" if got.ndim > 2 else "T"
            yield Prediction(
                got.transpose(axes), str(axes), words, f"d{name} = (yours).{turned};  {right_equation(s, name)}"
            )


class NotReshaped(Hypothesis):
    """The numbers are right but lie in another shape than the argument's."""

    name, title = "not-reshaped", "the gradient is not reshaped to its argument's shape"

    def mended(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Reshape it."""
        got, shape = s.got[name], s.values[name].shape
        if got.shape != shape and got.size == int(np.prod(shape)):
            words = f"d{name} has shape {got.shape}, {name} has {shape}; reshaped it is right"
            yield Prediction(got.reshape(shape), "", words, f"d{name} = d{name}.reshape({name}.shape)")
            for axes in list(itertools.permutations(range(got.ndim)))[1:] if 2 < got.ndim != len(shape) else []:
                words = f"d{name} has shape {got.shape}, {name} has {shape}: an operand was not flattened to two axes"
                equation = f"x.reshape(len(x), -1) in the products;  {right_equation(s, name)}"
                yield Prediction(got.transpose(axes).reshape(shape), "flatten", words, equation)

    def examine(self, s: Sample) -> Iterator[Match]:
        """Also an exception that goes away when x has two axes."""
        yield from super().examine(s)
        name = s.named("x")
        if s.failure and name is not None and np.ndim(s.values[name]) > 2:
            flat = {**s.values, name: s.values[name].reshape(len(s.values[name]), -1)}
            try:
                s.subject.run(flat, s.dout)
            except UserCodeError:
                return
            words = f"backward fails for {name} of shape {s.values[name].shape} and runs for (N, D): {s.failure}"
            yield Match(
                (name,), "flatten", words, f"{name}.reshape(len({name}), -1) in the products, dx.reshape(x.shape)", None
            )


class ReshapedInsteadOfTransposed(Hypothesis):
    """An array was reshaped where it should have been transposed, or the other way round: its numbers are scrambled."""

    name, title = "reshape-for-transpose", "reshape was used in the place of transpose"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """One operand of a product reshaped: x or dout of dw, w of dx; or the result."""
        x, w, role = s.value("x"), s.value("w"), s.roles.get(name)
        n = s.numeric(name)
        if n.ndim >= 2:
            for axes in list(itertools.permutations(range(n.ndim)))[1:]:
                words = f"the entries of d{name} are right but scrambled, as reshape does where transpose is meant"
                yield Prediction(
                    n.transpose(axes).reshape(n.shape), "result", words, f"d{name} = (yours).transpose(...)"
                )
        if x is None or w is None or np.ndim(w) != 2 or s.dout.ndim != 2:
            return
        flat = x.reshape(len(x), -1)
        if role == "w" and s.dout.shape[0] == len(flat) and n.shape == (flat.shape[1], s.dout.shape[1]):
            words = "x was reshaped to (D, N) where its transpose belongs: examples and features are mixed"
            yield Prediction(
                (flat.reshape(flat.shape[::-1]) @ s.dout).reshape(n.shape), "operand", words, "dw = x.T @ dout"
            )
        if role == "x" and s.dout.shape[1] == w.shape[1] and s.dout.shape[0] * w.shape[0] == n.size:
            words = "w was reshaped to (M, D) where its transpose belongs"
            yield Prediction((s.dout @ w.reshape(w.shape[::-1])).reshape(n.shape), "operand", words, "dx = dout @ w.T")


class SummedTooMuch(Hypothesis):
    """The gradient was summed over axes that it should keep."""

    name, title = "summed-too-much", "summed over an axis that the gradient keeps"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The right gradient summed over some of its axes."""
        n = s.numeric(name)
        for count in range(1, n.ndim + 1):
            for axes in itertools.combinations(range(n.ndim), count):
                for keep in (False, True):
                    words = f"d{name} is the right gradient summed over axis {_axes(axes)} as well"
                    summed = n.sum(axis=axes, keepdims=keep)
                    yield Prediction(summed, _axes(axes), words, right_equation(s, name))
                    if not keep and s.got[name].shape == n.shape and np.ptp(n, axis=axes).max() > 1e-9 * abs(n).max():
                        spread = np.broadcast_to(n.sum(axis=axes, keepdims=True), n.shape)
                        yield Prediction(spread, _axes(axes), words, right_equation(s, name))


class WrongAxis(Hypothesis):
    """The sum runs over another axis than it should."""

    name, title = "wrong-axis", "summed over the wrong axis"

    def examine(self, s: Sample) -> Iterator[Match]:
        """dout (or dout times something) summed over one axis gives what was returned, over another what is right."""
        for name in s.wrong:
            got = s.got.get(name)
            if got is None or s.failure or s.dout.ndim < 2 or got.shape == s.values[name].shape:
                continue
            if got.ndim > s.values[name].ndim:
                continue
            n = s.numeric(name)
            whole = float(n.sum())
            if got.size and abs(float(got.sum()) - whole) <= s.tolerance(name) * float(abs(s.dout).sum()):
                words = f"d{name} has shape {got.shape} and the total of the right one, {n.shape}: another axis is left"
                yield Match((name,), "", words, right_equation(s, name), 0.0)


class PaddingNotRemoved(Hypothesis):
    """The gradient still has the rows and columns of zeros that forward added."""

    name, title = "padding-not-removed", "the padding is not cut off"

    def mended(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Cut the same number of rows and columns from either side."""
        got, shape = s.got[name], s.values[name].shape
        if got.ndim != len(shape) or got.shape == shape or got.ndim < 3:
            return
        extra = [g - n for g, n in zip(got.shape, shape, strict=True)]
        if min(extra) < 0 or any(e % 2 for e in extra):
            return
        cut = tuple(slice(e // 2, g - e // 2) for e, g in zip(extra, got.shape, strict=True))
        words = f"d{name} has shape {got.shape}, the padded one; without the padding it is right"
        yield Prediction(got[cut], "", words, f"d{name} = d{name}_padded[:, :, pad:-pad, pad:-pad] (for pad > 0)")


class WrongShape(Hypothesis):
    """The gradient's shape is not its argument's."""

    name, title = "wrong-shape", "the gradient has another shape than its argument"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Whatever has the wrong shape."""
        for name in s.wrong:
            got = s.got.get(name)
            if got is not None and got.shape != s.values[name].shape:
                words = f"d{name} has shape {got.shape}, {name} has {s.values[name].shape}"
                yield Match((name,), "", words, right_equation(s, name), None)
