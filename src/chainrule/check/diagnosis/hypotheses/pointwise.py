"""Faults in the derivative of functions that work entry by entry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError


def local_derivative(s: Sample, name: str) -> Array | None:
    """f'(x) in the argument's shape if every output depends on its own entry only; else None."""
    if s.out.ndim == 0 or s.out.shape != s.values[name].shape:
        return None
    jacobian = s.jacobian(name)
    if np.any(jacobian - np.diag(np.diag(jacobian))):
        return None
    return np.diag(jacobian).reshape(s.out.shape)


class Pointwise(Hypothesis):
    """Base: what stands in the place of f'(x)."""

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """Wrong local derivatives; they are multiplied by dout."""
        raise NotImplementedError

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dout times them."""
        d = local_derivative(s, name)
        if d is not None and (s.kind is None or s.kind.name != "dropout"):
            for found in self.instead(s, name, d):
                equation = found.equation or right_equation(s, name)
                yield Prediction(s.dout * found.array, found.label, found.explanation, equation)


class DerivativeLeftOut(Pointwise):
    """dout is passed on as it is."""

    name, title = "derivative-left-out", "the local derivative is left out"

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """1, or the function's own value."""
        yield Prediction(np.ones_like(d), "one", f"d{name} is dout itself: it is not multiplied by the derivative")
        yield Prediction(s.out, "output", "dout is multiplied by the output y, not by the derivative of y")
        yield Prediction(s.values[name], "input", f"dout is multiplied by {name}, not by the derivative")


class DerivativeAtOutput(Pointwise):
    """The derivative is taken at the wrong point: the output where the input belongs, or the other way round."""

    name, title = "wrong-point", "the derivative is taken at the wrong point"

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """f'(y), and for formulas in y = f(x) the same formula in x."""
        x = s.values[name]
        try:
            h = 1e-6
            at = [s.subject.output({**s.values, name: s.out + by}) for by in (h, -h)]
        except UserCodeError:
            at = []
        if at and np.shape(at[0]) == d.shape:
            slope = (np.asarray(at[0], dtype=np.float64) - np.asarray(at[1], dtype=np.float64)) / (2 * h)
            yield Prediction(slope, "output", f"the derivative is taken at the output y, not at {name}: f'(f({name}))")
        for label, formula, inner in (
            ("y(1-y)", d - s.out * (1 - s.out), x * (1 - x)),
            ("1-y²", d - (1 - s.out**2), 1 - x**2),
        ):
            if np.allclose(formula, 0, atol=1e-6):
                words = f"the formula {label} is one in the output y; it is used with {name}"
                yield Prediction(inner, "input", words)


class WrongFormula(Pointwise):
    """The derivative of another function, one that is often confused with it."""

    name, title = "wrong-derivative", "the formula of the derivative is wrong"

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """Neighbours of the usual formulas, in x and y."""
        x, y = s.values[name], s.out
        with np.errstate(all="ignore"):
            logistic = 1 / (1 + np.exp(-x))
            forms = {
                "1 - y": 1 - y, "1 + y**2": 1 + y**2, "1 - y**2": 1 - y**2, "y * (1 - y)": y * (1 - y), "y**2": y**2,
                "y * (1 + y)": y * (1 + y), "y * (y - 1)": y * (y - 1), "(1 - y)**2": (1 - y) ** 2, "1 / y": 1 / y,
                "sigmoid(x)": logistic, "1 - sigmoid(x)": 1 - logistic,
                "sigmoid(x) * (1 - sigmoid(x))": logistic * (1 - logistic),
                "tanh(x)": np.tanh(x), "exp(x)": np.exp(x), "1 / x": 1 / x, "x**2": x**2,
                "the derivative squared": d * d,
                "1 / derivative": 1 / d, "the derivative times x": d * x, "the derivative times y": d * y,
                "cos(x)": np.cos(x), "sin(x)": np.sin(x), "1 - derivative": 1 - d, "y + sigmoid(x)": y + logistic,
            }  # fmt: skip
            if not np.any(np.isclose(s.dout, y)):
                forms |= {"y * (1 - dout)": y * (1 - s.dout), "1 - dout**2": 1 - s.dout**2, "1 - dout": 1 - s.dout}
        for formula, value in forms.items():
            if np.isfinite(value).all():
                yield Prediction(value, formula, f"dout is multiplied by {formula}, which is not the derivative")


class MaskOfDout(Pointwise):
    """The condition looks at dout, or at nothing that decides, where it should look at the input."""

    name, title = "mask-of-dout", "the mask is made of dout, not of the input"

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """d > 0 decided by dout's sign."""
        values = np.unique(np.round(d, 9))
        if len(values) == 2:
            low, high = float(values[0]), float(values[1])
            words = f"the derivative is {high:g} where dout > 0 instead of where {name} > 0"
            yield Prediction(np.where(s.dout > 0, high, low), "dout", words)
            yield Prediction(np.where(s.dout > 0, d, 0), "both", "entries with a negative dout are dropped")


class InvertedMask(Pointwise):
    """The two branches of a piecewise derivative are exchanged."""

    name, title = "inverted-mask", "the condition is the wrong way round"

    def instead(self, s: Sample, name: str, d: Array) -> Iterator[Prediction]:
        """Low where it should be high."""
        values = np.unique(np.round(d, 9))
        if len(values) == 2:
            words = f"the derivative is {values[1]:g} where it should be {values[0]:g}, and the other way round"
            yield Prediction(values.sum() - d, "", words)


class WrongBranch(Hypothesis):
    """Right on one side of zero, wrong on the other."""

    name, title = "wrong-branch", "the derivative is wrong on one side of zero"

    def examine(self, s: Sample) -> Iterator[Match]:
        """All errors on the entries of one sign, and all entries of that sign wrong."""
        for name in s.wrong:
            got = s.got.get(name)
            d = None if s.failure or got is None or got.shape != s.values[name].shape else local_derivative(s, name)
            if d is None or got is None or (s.kind is not None and s.kind.name == "dropout"):
                continue
            x, e = s.values[name], got / s.dout
            bad = ~np.isclose(e, d, rtol=1e-5, atol=1e-7)
            for side, word in ((x < 0, "< 0"), (x > 0, "> 0")):
                if side.any() and (~side).any() and np.array_equal(bad, side & bad) and bad.sum() > 0.9 * side.sum():
                    constant = np.ptp(e[bad]) < 1e-6 * max(1, float(abs(e[bad]).max()))
                    is_now = f"it is {float(e[bad][0]):.4g}" if constant else "it is another function"
                    wanted = d[bad]
                    should = (
                        f"{float(wanted[0]):.4g}"
                        if np.ptp(wanted) < 1e-9
                        else f"{float(wanted[0]):.4g} at {name} = {float(x[bad][0]):.4g}"
                    )
                    words = (
                        f"for {name} {word} the derivative should be {should}, {is_now}; on the other side it is right"
                    )
                    yield Match((name,), word, words, right_equation(s, name), None)
