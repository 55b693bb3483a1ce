"""Gradients that are the right ones times a number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample


def factor(s: Sample, name: str) -> tuple[float, float] | None:
    """(c, relative difference left) with gradient ≈ c · derivative; None where they are not proportional."""
    got, n = s.got.get(name), s.numeric(name)
    if got is None or got.shape != n.shape or not np.isfinite(got).all() or not np.any(n) or not np.any(got):
        return None
    c = float(np.sum(got * n) / np.sum(n * n))
    distance = s.distance(got, c * n)
    return (c, distance) if distance <= s.tolerance(name) else None


def close(a: float, b: float) -> bool:
    """Equal but for rounding in differences."""
    return abs(a - b) <= 1e-5 * max(abs(a), abs(b))


class Scaled(Hypothesis):
    """Base of the hypotheses about one factor."""

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """(label, explanation, equation) if c is this fault's factor."""
        raise NotImplementedError

    def examine(self, s: Sample) -> Iterator[Match]:
        """Proportional gradients whose factor this one is."""
        for name in s.wrong:
            found = None if s.failure else factor(s, name)
            if found is None:
                continue
            said = self.means(s, name, found[0])
            if said is not None:
                yield Match((name,), said[0], said[1], said[2], found[1])


class WrongSign(Scaled):
    """The gradient has the opposite sign."""

    name, title = "wrong-sign", "the sign is wrong"

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """c = −1."""
        return ("", f"d{name} is the right gradient times −1", f"d{name} = -(yours)") if close(c, -1) else None


def counts(s: Sample) -> dict[str, float]:
    """The numbers by which losses and means are divided: N, the rows, the entries."""
    found = {"N": float(s.batch)}
    x = s.value("x")
    if x is None:
        x = next((v for v in s.values.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"), None)
    if x is not None and np.ndim(x) > 1:
        found["the number of entries of x"] = float(np.size(x))
        found["D"] = float(np.size(x) / len(x))
        if np.ndim(x) == 4:
            found["H * W"] = float(x.shape[2] * x.shape[3])
            found["N * H * W"] = float(np.size(x) / x.shape[1])
    if s.out.ndim > 1:
        found["M"] = float(s.out.shape[-1])
        found["the number of outputs"] = float(s.out.size)
    if s.out.ndim == 4:
        found["H' * W'"] = float(s.out.shape[2] * s.out.shape[3])
    return found


class MissingMean(Scaled):
    """The loss is a mean, its gradient is not divided by the number of examples."""

    name, title = "missing-1/N", "the division by N is missing"

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """c = N, or another count."""
        for word, count in counts(s).items():
            if count > 1 and close(c, count):
                words = f"d{name} is {word} (here {count:g}) times too large: forward divides by it, backward does not"
                return word, words, f"d{name} = (yours) / {word}"
        return None


class DoubledMean(Scaled):
    """The gradient is divided by N once too often: a mean where a sum belongs, or 1/N applied twice."""

    name, title = "doubled-1/N", "divided by N once too often"

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """c = 1/N, or one over another count."""
        for word, count in counts(s).items():
            if count > 1 and close(c, 1 / count):
                words = f"d{name} is {word} (here {count:g}) times too small: divided twice, or a mean stands for a sum"
                return word, words, f"d{name} = (yours) * {word}; " + right_equation(s, name)
        return None


class FactorTwo(Scaled):
    """A factor 2, or ½, too many or too few: that of a square, usually."""

    name, title = "factor-two", "a factor 2 is missing or too many"

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """c = 2 or ½, of either sign."""
        if close(abs(c), 2):
            return f"{c:.3g}", f"d{name} is {c:.3g} times the right gradient", f"d{name} = (yours) / {round(c)}"
        if close(abs(c), 0.5):
            words = f"d{name} is {'half' if c > 0 else 'minus half'} the right gradient: the 2 of (x²)' = 2x, say"
            return f"{c:.3g}", words, f"d{name} = {round(1 / c)} * (yours)"
        return None


class ConstantFactor(Scaled):
    """The gradient is the right one times some other number."""

    name, title = "constant-factor", "the gradient is off by a constant factor"

    def means(self, s: Sample, name: str, c: float) -> tuple[str, str, str] | None:
        """Any factor; named where it is an option's value."""
        for option, value in s.options.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value not in (0, 1):
                for word, number in ((option, value), (f"1/{option}", 1 / value), (f"(1 - {option})", 1 - value)):
                    if number and close(c, number):
                        return word, f"d{name} is the right gradient times {word}", f"d{name} = (yours) / {word}"
        power = next((k for k in (-3, -2, 2, 3) if s.batch > 1 and close(abs(c), float(s.batch) ** k)), None)
        if power is not None:
            return f"N^{power}", f"d{name} is the right gradient times N^{power}", f"d{name} = (yours) / N**{power}"
        if close(c, 1):
            return None
        return f"{c:.4g}", f"d{name} is the right gradient times {c:.6g}", f"d{name} = (yours) / {c:.6g}"


class UpstreamIgnored(Hypothesis):
    """The local derivative is there, dout is not: right only for dout = 1."""

    name, title = "dout-not-used", "the gradient does not use dout"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The derivative of the plain sum of outputs."""
        if s.out.ndim and s.subject.takes_dout:
            ones = s.jacobian(name).sum(axis=0).reshape(s.values[name].shape)
            words = f"d{name} is what dout = 1 would give: the incoming gradient is left out of the chain rule"
            yield Prediction(
                ones, "", words, f"multiply by dout: {right_equation(s, name) or f'd{name} = dout * local derivative'}"
            )


class UpstreamTwice(Hypothesis):
    """dout is multiplied in twice."""

    name, title = "dout-used-twice", "dout is multiplied in twice"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dout² for dout."""
        if s.out.ndim and s.subject.takes_dout:
            square = ((s.dout.reshape(-1) ** 2) @ s.jacobian(name)).reshape(s.values[name].shape)
            yield Prediction(square, "", f"d{name} has dout squared", right_equation(s, name))
