"""Faults in weight decay: the gradient's difference to the right one is then a multiple of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError


def multiples(s: Sample, name: str) -> tuple[float, float, float] | None:
    """(in the gradient, in the loss, reg): the multiples of the weights in both, in units of reg if that is known.

    None where the difference of the two is no multiple of the weights.
    """
    got, w = s.got.get(name), s.values[name]
    if s.failure or got is None or got.shape != w.shape or w.size == 0 or s.subject.takes_dout:
        return None
    n = s.numeric(name)
    k = float(np.sum((got - n) * w) / np.sum(w * w))
    if abs(k) < 1e-7 or s.distance(got, n + k * w) > s.tolerance(name) or _proportional(n, w):
        return None
    argument, reg = s.named("reg"), s.value("reg")
    if argument is None and "reg" in s.values:
        argument, reg = "reg", s.values["reg"]
    if argument is None or not isinstance(reg, (int, float)) or reg == 0:
        return k, 0.0, 0.0
    try:
        without = type(s)(s.prepared, {**s.values, argument: 0.0}, 0)
    except UserCodeError:
        return k, 0.0, 0.0
    in_loss = float(np.sum((n - without.numeric(name)) * w) / np.sum(w * w)) / reg
    return in_loss + k / reg, in_loss, float(reg)


def _proportional(n: Array, w: Array) -> bool:
    """Whether the right gradient is itself a multiple of the weights: then nothing can be told apart."""
    return bool(np.allclose(n, w * (np.sum(n * w) / np.sum(w * w)), rtol=1e-6, atol=1e-9))


class Regulariser(Hypothesis):
    """Base: which multiples of reg · w are in the loss's derivative and in the gradient."""

    bias: ClassVar[bool | None] = None

    def says(self, gradient: float, loss: float, reg: float, bias: bool) -> tuple[str, str, str] | None:
        """(label, words, equation) if these multiples are this fault."""
        raise NotImplementedError

    def examine(self, s: Sample) -> Iterator[Match]:
        """Every wrong gradient that is off by a multiple of its argument."""
        for name in s.wrong:
            found = multiples(s, name)
            if found is None:
                continue
            role = s.roles.get(name, name).lower()
            bias = s.values[name].ndim < 2 and (role.startswith("b") or name.lower().endswith("_0"))
            if np.size(s.values[name]) < 2:
                continue
            said = self.says(*found, bias)
            if said is not None:
                label, words, equation = said
                yield Match((name,), label, words.replace("W", name), equation.replace("W", name), 0.0)


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-4


class RegularisedBias(Regulariser):
    """A bias is regularised in the gradient, not in the loss, or the other way round."""

    name, title = "regularised-bias", "a bias is regularised"

    def says(self, gradient: float, loss: float, reg: float, bias: bool) -> tuple[str, str, str] | None:
        """Only for biases."""
        if not bias:
            return None
        if reg and _near(gradient, 0):
            return (
                "loss",
                "the loss regularises W, a bias; its gradient does not",
                "leave W out of the sum of squares in the loss",
            )
        return (
            "gradient",
            f"dW has {gradient:.3g}{' * reg' if reg else ''} * W too many: a bias is not regularised",
            "no reg * W in dW",
        )


class RegulariserMissing(Regulariser):
    """The loss has a regulariser, the gradient has not."""

    name, title = "regulariser-missing", "the regulariser's gradient is missing"

    def says(self, gradient: float, loss: float, reg: float, bias: bool) -> tuple[str, str, str] | None:
        """0 in the gradient, or unknown reg with a negative difference."""
        if bias or (reg and not (_near(gradient, 0) and abs(loss) > 1e-4)):
            return None
        if not reg:
            if gradient > 0:
                return None
            return "", f"dW lacks {-gradient:.4g} * W", f"dW += {-gradient:.4g} * W"
        return (
            "",
            f"dW lacks {loss:.3g} * reg * W, the derivative of the loss's regulariser",
            f"dW += {loss:.3g} * reg * W",
        )


class RegulariserFactor(Regulariser):
    """The factor 2 of the derivative, or the ½ in the loss, is missing."""

    name, title = "regulariser-factor-two", "the regulariser is off by a factor 2 (the 1/2 in the loss)"

    def says(self, gradient: float, loss: float, reg: float, bias: bool) -> tuple[str, str, str] | None:
        """Gradient and loss apart by 2 or ½."""
        if bias or not reg or abs(loss) < 1e-4:
            return None
        if _near(gradient, 2 * loss):
            half = "1/2 * " if _near(loss, 1) else ""
            words = (
                f"the loss has {half}reg * sum(W**2), whose derivative is {loss:.3g} * reg * W; "
                f"dW has {gradient:.3g} * reg * W"
            )
            return "double", words, f"dW += {loss:.3g} * reg * W"
        if _near(2 * gradient, loss):
            words = f"the derivative of the loss's regulariser is {loss:.3g} * reg * W; dW has {gradient:.3g} * reg * W"
            return "half", words, f"dW += {loss:.3g} * reg * W, or 1/2 in the loss"
        return None


class RegulariserOther(Regulariser):
    """Another wrong multiple: the wrong sign, counted twice, divided by N, present in the gradient only."""

    name, title = "regulariser-wrong", "the regulariser's gradient is wrong"

    def says(self, gradient: float, loss: float, reg: float, bias: bool) -> tuple[str, str, str] | None:
        """What the others leave."""
        if bias:
            return None
        if not reg:
            return (
                (
                    None
                    if gradient <= 0
                    else ("more", f"dW has {gradient:.4g} * W too many: a regulariser that the loss lacks", "")
                )
                if gradient
                else None
            )
        if _near(gradient, 0) or (_near(gradient, 2 * loss) and loss) or (_near(2 * gradient, loss) and loss):
            return None
        if _near(gradient, -loss):
            return "sign", "the regulariser's gradient has the wrong sign", f"dW += {loss:.3g} * reg * W"
        return (
            "other",
            f"dW has {gradient:.4g} * reg * W, the loss's derivative {loss:.4g} * reg * W",
            f"dW += {loss:.3g} * reg * W",
        )


class DataPartScaled(Hypothesis):
    """The regulariser is right; the data's part of the gradient is off by a factor, such as N."""

    name, title = "data-part-scaled", "the data's part of the gradient is off by a factor"

    def examine(self, s: Sample) -> Iterator[Match]:
        """Least squares in the two parts."""
        argument = s.named("reg")
        if argument is None and "reg" in s.values:
            argument = "reg"
        if argument is None or s.failure or s.subject.takes_dout:
            return
        reg = s.values[argument]
        if not isinstance(reg, (int, float)) or reg == 0:
            return
        try:
            without = type(s)(s.prepared, {**s.values, argument: 0.0}, 0)
        except UserCodeError:
            return
        for name in s.wrong:
            got = s.got.get(name)
            if got is None or got.shape != s.values[name].shape:
                continue
            data, whole = without.numeric(name), s.numeric(name)
            decay = whole - data
            if not np.any(abs(decay) > 1e-9):
                continue
            basis = np.stack([data.reshape(-1), decay.reshape(-1)], axis=1)
            fit = np.linalg.lstsq(basis, got.reshape(-1), rcond=None)[0]
            if s.distance((basis @ fit).reshape(got.shape), got) > s.tolerance(name) or abs(fit[0] - 1) < 1e-4:
                continue
            factors = {"N": float(s.batch), "1/N": 1 / s.batch, "-1": -1.0, "2": 2.0, "1/2": 0.5}
            word = next((w for w, c in factors.items() if abs(fit[0] - c) < 1e-4 * abs(c)), f"{fit[0]:.4g}")
            decay_word = "" if abs(fit[1] - 1) < 1e-4 else f", the regulariser's part by {fit[1]:.4g}"
            words = (
                f"the data's part of d{name} is multiplied by {word}{decay_word}; the regulariser is a part of its own"
            )
            yield Match((name,), word, words, f"d{name} = (data part) / N + reg * {name}", 0.0)
