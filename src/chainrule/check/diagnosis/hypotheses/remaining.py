"""What can be said where no named fault fits: which part is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, right_equation
from chainrule.check.diagnosis.sample import Sample


class AddedConstant(Hypothesis):
    """The gradient is the right one plus something simple: a constant, dout, the argument's value."""

    name, title = "extra-term", "a term is too many or missing"

    def examine(self, s: Sample) -> Iterator[Match]:
        """The difference is a multiple of one simple array."""
        for name in s.wrong:
            got = s.got.get(name)
            if (
                s.failure
                or got is None
                or got.shape != s.values[name].shape
                or not np.isfinite(got).all()
                or got.size < 3
            ):
                continue
            difference = got - s.numeric(name)
            candidates = {"1": np.ones_like(got), f"{name}": s.values[name], f"{name}**2": s.values[name] ** 2}
            if s.dout.shape == got.shape:
                candidates |= {"dout": s.dout, f"dout * {name}": s.dout * s.values[name], "dout * y": s.dout * s.out}
            for word, term in candidates.items():
                k = float(np.sum(difference * term) / max(float(np.sum(term * term)), 1e-300))
                if k and s.distance(difference, k * term) < max(1e-5, s.tolerance(name)):
                    words = f"d{name} differs from the right gradient by {k:.4g} * {word}"
                    yield Match((name,), word, words, f"d{name} = (yours) - {k:.4g} * {word}", 0.0)
                    break


class PartlyWrong(Hypothesis):
    """Only some rows, columns, images, channels or border pixels are wrong."""

    name, title = "partly-wrong", "only a part of the gradient is wrong"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Indices along one axis that hold all errors, and are not all there are."""
        for name in s.wrong:
            got = s.got.get(name)
            if s.failure or got is None or got.shape != s.values[name].shape:
                continue
            n = s.numeric(name)
            bad = ~np.isclose(got, n, rtol=1e-4, atol=1e-6 * max(1e-30, float(abs(n).max(initial=0))))
            if not bad.any() or bad.all():
                continue
            for axis in range(bad.ndim):
                hit = np.flatnonzero(bad.any(axis=tuple(a for a in range(bad.ndim) if a != axis)))
                if len(hit) <= max(1, bad.shape[axis] // 2) and len(hit) < bad.shape[axis]:
                    words = f"all errors of d{name} lie at {', '.join(map(str, hit))} of axis {axis}; the rest is right"
                    yield Match((name,), f"axis {axis}", words, right_equation(s, name), None)
                    break
            else:
                words = f"{int(bad.sum())} of {bad.size} entries of d{name} are wrong, the rest is right"
                yield Match((name,), "some", words, right_equation(s, name), None)


class Unexplained(Hypothesis):
    """Wrong, and by nothing that was tried."""

    name, title = "unexplained", "the gradient is wrong in a way that no hypothesis explains"
    rank = 2

    def examine(self, s: Sample) -> Iterator[Match]:
        """Whatever is left."""
        for name in s.wrong:
            if not s.failure and s.got.get(name) is not None:
                words = f"d{name} is not the derivative of forward, and none of the usual faults gives these numbers"
                yield Match((name,), "", words, right_equation(s, name), None)
