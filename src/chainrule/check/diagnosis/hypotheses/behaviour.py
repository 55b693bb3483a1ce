"""Faults in what the passes do, rather than in their arithmetic: exceptions, changes in place, stale state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.user_code import UserCodeError


class Raises(Hypothesis):
    """backward ends with an exception."""

    name, title = "raises", "backward raises an exception"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Whenever it does."""
        if s.failure:
            yield Match(tuple(s.subject.wanted), "", s.failure, "", None)


class MissingGradient(Hypothesis):
    """An argument's gradient is None or not returned at all."""

    name, title = "missing-gradient", "a gradient is missing"

    def examine(self, s: Sample) -> Iterator[Match]:
        """The arguments without one."""
        if s.failure:
            return
        missing = tuple(n for n in s.subject.wanted if s.got.get(n) is None)
        if missing:
            words = (
                f"backward returned nothing usable for {', '.join(missing)}; it must return one gradient an argument"
            )
            equations = "; ".join(e for e in (right_equation(s, n) for n in missing) if e)
            yield Match(missing, "", words, equations, None)


class ArgumentOrder(Hypothesis):
    """The gradients are right but are returned in another order than the arguments."""

    name, title = "argument-order", "gradients are returned in another order than the arguments"

    def examine(self, s: Sample) -> Iterator[Match]:
        """Wrong gradients that are right for another argument."""
        wrong = [n for n in s.wrong if s.got.get(n) is not None]
        owners = {}
        for name in wrong:
            for other in s.subject.wanted:
                if other != name and s.distance(s.got[name], s.numeric(other)) <= s.tolerance(other):
                    owners[name] = other
        if owners and len(owners) == len(wrong):
            words = "; ".join(
                f"in the place of {name}'s gradient stands that of {other}" for name, other in owners.items()
            )
            order = ", ".join(f"d{n}" for n in s.subject.wanted)
            yield Match(tuple(owners), "", words, f"return {order}", 0.0)


class InputChanged(Hypothesis):
    """forward changes one of its arguments in place."""

    name, title = "input-changed", "forward changes its input in place"
    rank = 0

    def examine(self, s: Sample) -> Iterator[Match]:
        """Compared before and after one forward pass."""
        found = s.subject.forward_changes(s.values)
        if found is not None:
            words = (
                f"forward changes {found} in place: the caller's array, and the one that backward reads from the cache"
            )
            yield Match((found.split("[")[0],), "", words, f"work on a copy: {found} = {found}.copy()", None)


class DoutChanged(Hypothesis):
    """backward changes dout in place, which spoils the gradients of whoever else uses it."""

    name, title = "dout-changed", "backward changes dout in place"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Compared before and after."""
        if "dout" in s.changed:
            words = "backward writes into dout, which belongs to the layer above and may be used once more (a shortcut)"
            yield Match((s.subject.wanted[0],), "", words, "dx = dout.copy(), then change dx", None)


class CacheChanged(Hypothesis):
    """backward changes what forward cached, so that a second backward pass gives something else."""

    name, title = "cache-changed", "backward changes its cache in place"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Compared before and after."""
        paths = [p for p in s.changed if p != "dout"]
        if paths:
            words = f"backward writes into {', '.join(paths)}: a second pass with the same cache gives other gradients"
            yield Match(tuple(s.subject.wanted[:1]), "", words, "work on a copy of what is changed", None)


class StaleCache(Hypothesis):
    """backward uses what an earlier or a later forward pass left, not its own cache."""

    name, title = "stale-cache", "backward uses the values of another forward pass"
    rank = 0

    def examine(self, s: Sample) -> Iterator[Match]:
        """Another forward pass is put in between (for an object: before), and must change nothing."""
        if s.failure or (not s.subject.takes_dout and not s.subject.keeps_state):
            return
        other = {n: self._moved(v) if n in s.subject.wanted else v for n, v in s.values.items()}
        try:
            undisturbed = [s.subject.run(s.values, s.dout).found for _ in range(2)]
            run = s.subject.run(s.values, s.dout, between=other).found
        except UserCodeError:
            return
        names = s.subject.wanted
        if any(not _same(undisturbed[0].get(n), undisturbed[1].get(n)) for n in names):
            return  # it changes without another pass in between, too
        different = [n for n in names if not _same(run.get(n), undisturbed[0].get(n))]
        if s.subject.keeps_state and not different:
            different = self._kept_first(s, other)
        if different:
            words = (
                "after a forward pass on other values, backward gives other gradients for the same cache: it reads a "
                "global, an attribute or a buffer that the last (or the first) forward pass wrote"
            )
            if s.subject.keeps_state:
                words = "backward keeps what an earlier forward pass stored and does not follow the last one"
            yield Match(tuple(different), "", words, "take everything from the cache of the same forward pass", None)

    @staticmethod
    def _kept_first(s: Sample, other: dict[str, Any]) -> list[str]:
        """The wrong gradients that stay the same at other values, where the right ones change."""
        try:
            there = type(s)(s.prepared, other, 0)
            elsewhere = s.subject.run(other, s.dout).found
        except UserCodeError:
            return []
        there.dout = s.dout
        return [
            n
            for n in s.wrong
            if s.got.get(n) is not None
            and _same(s.got[n], elsewhere.get(n))
            and s.distance(s.numeric(n), there.numeric(n)) > 1e-3
        ]

    @staticmethod
    def _moved(value: Any) -> Any:
        return np.flip(value) * 1.25 + 0.0625 if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f"))


class RandomForward(Hypothesis):
    """forward draws fresh random numbers that cannot be repeated."""

    name, title = "random-forward", "forward gives another result each time"
    rank = 0

    def examine(self, s: Sample) -> Iterator[Match]:
        """Two calls compared."""
        first, second = s.subject.output(s.values), s.subject.output(s.values)
        if not np.array_equal(first, second, equal_nan=True):
            words = (
                "two forward passes on the same values differ, so there is no function to differentiate; draw with "
                "np.random, or take a seed"
            )
            yield Match(
                tuple(s.subject.wanted), "", words, "np.random.seed(dropout_param['seed']) at every forward", None
            )


class NotFinite(Hypothesis):
    """The gradient holds NaN or infinity although the output is finite."""

    name, title = "not-finite", "the gradient is not finite"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Where it is not."""
        for name in s.wrong:
            got = s.got.get(name)
            if got is not None and got.shape == s.values[name].shape and not np.isfinite(got).all():
                index = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
                words = (
                    f"{np.sum(~np.isfinite(got))} of {got.size} entries of d{name} are NaN or infinite, the first at "
                    f"{index}: a division by zero, a logarithm of zero, or an overflowing exponential in backward"
                )
                yield Match((name,), "", words, right_equation(s, name), None)


class Zero(Hypothesis):
    """The gradient is zero everywhere: an array that was made and never filled."""

    name, title = "zero-gradient", "the gradient is zero everywhere"

    def examine(self, s: Sample) -> Iterator[Match]:
        """All zeros where the derivative is not."""
        for name in s.wrong:
            got = s.got.get(name)
            if got is not None and got.shape == s.values[name].shape and not np.any(got):
                yield Match(
                    (name,), "", f"d{name} is all zeros: it was made and never filled", right_equation(s, name), None
                )


class ForgottenState(Hypothesis):
    """Gradients of an earlier backward pass are still in the sum."""

    name, title = "accumulated-state", "gradients of earlier backward passes are added in"
    rank = 0

    def examine(self, s: Sample) -> Iterator[Match]:
        """Two runs give different gradients, the second one more step of the same size."""
        if s.failure:
            return
        try:
            runs = [s.subject.run(s.values, s.dout).found for _ in range(3)]
        except UserCodeError:
            return
        for name in s.subject.wanted:
            a, b, c = (
                np.asarray(run.get(name), dtype=np.float64) if run.get(name) is not None else None for run in runs
            )
            if a is None or b is None or c is None or a.shape != s.values[name].shape:
                continue
            grows = not np.array_equal(a, b) and s.distance(c - b, b - a) < 1e-6
            if grows and s.distance(b - a, s.numeric(name)) <= s.tolerance(name):
                words = f"every call of backward adds to d{name} of the calls before"
                yield Match(
                    (name,),
                    "",
                    words,
                    f"start from zeros: d{name} = np.zeros_like({name})",
                    s.distance(b - a, s.numeric(name)),
                )


class ForwardDiffers(Hypothesis):
    """backward is the derivative of the usual function of that kind, but forward computes something else."""

    name, title = "forward-differs", "backward is right for the usual forward pass, which this forward pass is not"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The gradient of the reference layer, where the kind has one."""
        from chainrule.check.diagnosis.hypotheses.references import reference_gradient

        found = reference_gradient(s, name)
        if found is not None:
            words = (
                f"d{name} is the gradient of the usual {s.kind.name if s.kind else 'layer'}; so the fault is in forward"
            )
            yield Prediction(found, "", words, "")
