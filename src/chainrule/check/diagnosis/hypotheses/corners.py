"""Faults at special points: a kink at 0, tied maxima, large scores, float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, right_equation
from chainrule.check.diagnosis.hypotheses.losses import SOFTMAX, Scores, scores_of, softmax
from chainrule.check.diagnosis.hypotheses.normalization import NORMS
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError
from chainrule.errors import ConfigError

PIECEWISE = ("relu", "leaky relu", "elu", "affine-relu", "absolute error")


class Corner(Hypothesis):
    """Base: examined on values of its own, also where the gradient is right elsewhere."""


class ReluAtZero(Corner):
    """At exactly 0 the gradient is not between the slopes to the left and to the right (or is NaN)."""

    name, title = "relu-at-zero", "wrong exactly at 0, where the function has a kink"

    def examine(self, s: Sample) -> Iterator[Match]:
        """A quarter of the entries set to 0."""
        name = s.named("x")
        if s.kind is None or not s.kind.elementwise or s.kind.name == "dropout" or name is None or s.failure:
            return
        if name in s.wrong:
            return
        x = s.values[name].copy()
        x.flat[::4] = 0.0
        values = {**s.values, name: x}
        try:
            got = np.asarray(s.subject.run(values, s.dout).found[name], dtype=np.float64)
            h = 1e-6
            here = s.subject.output(values)
            right = (s.subject.output({**values, name: x + h}) - here) / h
            left = (here - s.subject.output({**values, name: x - h})) / h
        except (UserCodeError, ConfigError, TypeError, ValueError):
            return
        low, high = np.minimum(left, right), np.maximum(left, right)
        if got.shape != x.shape or here.shape != x.shape or not np.isfinite(low).all():
            return
        e = got / s.dout
        bad = (x == 0) & ~((e >= low - 1e-3) & (e <= high + 1e-3))
        if bad.any():
            value = float(e[bad][0])
            words = (
                f"at {name} = 0 the derivative is {value:.4g}; it must lie between the slopes to the left, "
                f"{float(low[bad][0]):.3g}, and to the right, {float(high[bad][0]):.3g}"
            )
            yield Match((name,), "", words, right_equation(s, name), None)


class MaxPoolTies(Corner):
    """Where several entries of a window are the maximum, all of them get all of dout."""

    name, title = "max-pool-ties", "max pool: tied maxima each get the whole of dout"

    def examine(self, s: Sample) -> Iterator[Match]:
        """An input of equal entries, moved by the same amount everywhere: a smooth direction through the ties."""
        name = s.named("x")
        if s.kind is None or s.kind.name != "max pool" or name is None or s.failure or name in s.wrong:
            return
        x = np.zeros_like(s.values[name])
        values = {**s.values, name: x}
        dout = np.abs(s.dout) + 0.1
        try:
            got = np.asarray(s.subject.run(values, dout).found[name], dtype=np.float64)
            slope = float(np.sum(dout * (s.subject.output({**values, name: x + 1.0}) - s.subject.output(values))))
        except (UserCodeError, ConfigError, TypeError, ValueError):
            return
        if got.shape == x.shape and abs(float(got.sum()) - slope) > 1e-6 * abs(slope):
            words = (
                f"on a window of equal entries dx adds up to {float(got.sum()) / slope:.3g} times dout, and not to "
                "dout (after a ReLU, ties at 0 are common)"
            )
            yield Match(
                (name,),
                "",
                words,
                "give dout to the first maximum only (argmax), or equal shares to the tied ones",
                None,
            )


class Overflow(Corner):
    """Large scores give NaN or infinity, because an exponential overflows."""

    name, title = "overflow", "large inputs overflow"

    def examine(self, s: Sample) -> Iterator[Match]:
        """Inputs 500 times larger: values of up to 1000, whose exponential is beyond float64."""
        is_softmax = s.kind is not None and s.kind.name in ("softmax loss", "softmax", "softmax classifier")
        if (
            s.kind is None
            or s.failure
            or not (is_softmax or s.kind.name in ("sigmoid", "tanh", "silu", "logistic loss"))
        ):
            return
        name = s.named("x")
        if name is None or any(n in s.wrong for n in s.subject.wanted):
            return
        large = {**s.values, name: s.values[name] * 500}
        try:
            out = s.subject.output(large)
            run = s.subject.run(large, s.dout)
        except (UserCodeError, ConfigError):
            return
        for target in s.subject.wanted:
            got = np.asarray(run.found.get(target), dtype=np.float64)
            right = self._saturated(s, target, large)
            lost = np.isnan(got).any() and (is_softmax or np.isfinite(out).all())
            if lost or (right is not None and not s.distance(got, right) < 1e-3):
                remedy = "x - x.max(axis=1, keepdims=True) before exp" if is_softmax else right_equation(s, target)
                words = f"for inputs of up to 1000 d{target} is {'NaN' if lost else 'wrong'}: an exponential overflows"
                yield Match((target,), "", words, remedy, None)

    @staticmethod
    def _saturated(s: Sample, name: str, large: dict[str, Any]) -> Array | None:
        """The gradient of softmax cross-entropy at large scores, by its formula."""
        if s.kind is None or s.kind.name != "softmax loss" or scores_of(s, name, SOFTMAX) is None:
            return None
        here, there = softmax(s.values[name]), softmax(large[name])
        one_hot = Scores(s, name).one_hot
        scale = float(np.sum(s.numeric(name) * (here - one_hot)) / np.sum((here - one_hot) ** 2))
        return (there - one_hot) * scale


class SinglePrecision(Corner):
    """In float32 the gradient loses its digits, where those of the formula are not lost."""

    name, title = "float32-precision", "the gradient is lost in float32"

    def examine(self, s: Sample) -> Iterator[Match]:
        """The same values in float32; for normalisations with a mean of 1000, whose square must not be subtracted."""
        if s.failure or s.wrong or s.kind is None or not s.subject.takes_dout:
            return
        name = s.named("x")
        if name is None or not isinstance(s.values[name], np.ndarray) or s.values[name].dtype.kind != "f":
            return
        offset = 1000.0 if s.kind.name in NORMS else 0.0
        values = {
            n: v.astype(np.float32) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
            for n, v in s.values.items()
        }
        values[name] = values[name] + np.float32(offset)
        exact = {
            n: v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
            for n, v in values.items()
        }
        try:
            narrow = s.subject.run(values, s.dout.astype(np.float32)).found
            wide = s.subject.run(exact, s.dout.astype(np.float32).astype(np.float64)).found
        except (UserCodeError, ConfigError):
            return
        for target in s.subject.wanted:
            a, b = (np.asarray(found.get(target), dtype=np.float64) for found in (narrow, wide))
            if a.shape != b.shape:
                continue
            # Around a gradient of 0 (a bias before a normalisation) there is rounding noise, in both.
            least = 1e-3 * float(np.sum(abs(s.dout))) / max(1, b.size)
            distance = float(np.max(abs(a - b), initial=0)) / max(float(np.max(abs(b), initial=0)), least)
            if not distance <= 0.03:
                where = " on inputs with a mean of 1000" if offset else ""
                lost = "NaN or infinite" if not np.isfinite(distance) else f"{distance:.0%} off"
                words = f"in float32{where} d{target} is {lost}, while float64 gives the right one"
                remedy = (
                    "var = ((x - mean)**2).mean(), not mean(x**2) - mean**2"
                    if offset
                    else "compute in the input's precision"
                )
                yield Match((target,), "", words, remedy, None)
