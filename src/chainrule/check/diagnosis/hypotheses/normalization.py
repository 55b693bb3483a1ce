"""Faults in the backward passes of batch, layer, group and instance normalisation.

    ∂L/∂x = (d̂ − mean(d̂) − x̂ mean(d̂ x̂)) / σ       with x̂ = (x − μ)/σ and d̂ = dout · γ

The three terms are the direct one, that of the mean and that of the variance. A wrong gradient is written as a
combination of the three, group by group, by least squares; the coefficients that are not 1 say which term is wrong, and
how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Match, Prediction, right_equation
from chainrule.check.diagnosis.hypotheses.scaling import close, counts
from chainrule.check.diagnosis.sample import Sample

NORMS = ("batch norm", "spatial batch norm", "layer norm", "group norm", "instance norm")
EPS = (1e-5, 1e-8, 1e-3, 0.0, 1e-7, 1e-6, 1e-4, 1e-12)


@dataclass
class Normalized:
    """The parts of one normalisation; arrays have the groups in rows: (groups, entries)."""

    shape: tuple[int, ...]
    grouped: Any  # x's shape -> (groups, entries)
    ungrouped: Any
    xhat: Array
    sigma: Array
    eps: float
    gamma: Array  # in x's shape
    x: Array

    def terms(self, dxhat: Array) -> tuple[Array, Array, Array]:
        """The direct term, the mean's and the variance's, (groups, entries) each."""
        d = self.grouped(dxhat)
        mean = -np.broadcast_to(d.mean(axis=1, keepdims=True), d.shape)
        variance = -self.xhat * (d * self.xhat).mean(axis=1, keepdims=True)
        return d / self.sigma, mean / self.sigma, variance / self.sigma


def normalized(s: Sample) -> Normalized | None:
    """The parts, if the derivatives by differences confirm that forward is this normalisation."""
    if s.kind is None or s.kind.name not in NORMS:
        return None
    if "normalized" not in s.kept:
        s.kept["normalized"] = _find(s)
    return s.kept["normalized"]


def _find(s: Sample) -> Normalized | None:
    name = s.named("x")
    if name is None or s.out.shape != s.values[name].shape or s.out.ndim not in (2, 4):
        return None
    x = s.values[name]
    kind = "" if s.kind is None else s.kind.name
    gamma = _broadcast(s.value("gamma", np.ones(1)), x)
    eps_given = s.options.get("eps", s.options.get("epsilon"))
    for axes in _axes(kind, x, s):
        grouped, ungrouped = _grouping(x.shape, axes, s.value("G"))
        rows = grouped(x)
        for eps in EPS if eps_given is None else (eps_given,):
            sigma = np.sqrt(rows.var(axis=1, keepdims=True) + eps)
            xhat = (rows - rows.mean(axis=1, keepdims=True)) / sigma
            found = Normalized(x.shape, grouped, ungrouped, xhat, sigma, eps, gamma, x)
            right = ungrouped(sum(found.terms(s.dout * gamma)))
            if s.distance(right, s.numeric(name)) < 1e-5:
                return found
    return None


def _broadcast(gamma: Array, x: Array) -> Array:
    shape = (-1,) + (1,) * (x.ndim - 2) if x.ndim > 2 else (-1,)
    return np.broadcast_to(np.reshape(gamma, shape), x.shape).astype(np.float64)


def _axes(kind: str, x: Array, s: Sample) -> list[tuple[int, ...]]:
    usual = {
        "batch norm": (0,),
        "layer norm": (1,),
        "spatial batch norm": (0, 2, 3),
        "instance norm": (2, 3),
        "group norm": (-1,),
    }
    first = usual[kind]
    others = [(0,), (1,)] if x.ndim == 2 else [(0, 2, 3), (2, 3), (1, 2, 3)]
    return [first, *(o for o in others if o != first)]


def _grouping(shape: tuple[int, ...], axes: tuple[int, ...], groups: Any) -> tuple[Any, Any]:
    if axes == (-1,):  # groups of channels
        count = int(groups) if groups is not None else 1

        def split(v: Array) -> Array:
            return v.reshape(shape[0] * count, -1)

        return split, lambda rows: rows.reshape(shape)
    axes = tuple(a for a in axes if a < len(shape))
    kept = [a for a in range(len(shape)) if a not in axes]
    order = [*kept, *axes]
    moved = tuple(shape[a] for a in order)
    groups_count = int(np.prod([shape[a] for a in kept]))
    back = np.argsort(order)
    return (
        lambda v: np.broadcast_to(v, shape).transpose(order).reshape(groups_count, -1),
        lambda rows: rows.reshape(moved).transpose(back),
    )


class NormTerm(Hypothesis):
    """Base: one of the three terms of ∂L/∂x is missing, has the wrong sign, or is off by a factor."""

    kinds = NORMS
    term: int
    words: str

    def examine(self, s: Sample) -> Iterator[Match]:
        """Least squares for the three coefficients; this term's must be the worst."""
        parts, name = normalized(s), s.named("x")
        if parts is None or name is None or name not in s.wrong or s.failure:
            return
        got = s.got.get(name)
        if got is None or got.shape != parts.shape:
            return
        found = coefficients(s, parts, parts.grouped(got))
        if found is None:
            return
        values, distance = found
        off = [not np.allclose(values[:, k], 1, rtol=1e-4, atol=1e-4) for k in range(3)]
        if not off[self.term] or sum(off) == 3:
            return
        label, how = _describe(s, parts, values[:, self.term])
        extra = sum(off) - 1
        words = f"{self.words} {how}" + (" (and another term is off too)" if extra else "")
        yield Match((name,), label, words, right_equation(s, name), distance)


def coefficients(s: Sample, parts: Normalized, got: Array) -> tuple[Array, float] | None:
    """(groups, 3) coefficients of the three terms, one set for all groups if that is enough; None if nothing fits."""
    direct, mean, variance = parts.terms(s.dout * parts.gamma)
    whole = np.stack([v.reshape(-1) for v in (direct, mean, variance)], axis=1)
    fit = np.linalg.lstsq(whole, got.reshape(-1), rcond=None)[0]
    distance = s.distance(whole @ fit, got.reshape(-1))
    if distance < 1e-5:
        return np.broadcast_to(fit, (len(got), 3)), distance
    if got.shape[1] < 5:
        return None
    rows = []
    for i, target in enumerate(got):
        basis = np.stack([direct[i], mean[i], variance[i]], axis=1)
        if np.linalg.matrix_rank(basis) < 3:
            return None
        rows.append(np.linalg.lstsq(basis, target, rcond=None)[0])
    fits = np.array(rows)
    predicted = np.stack(
        [fits[i, 0] * direct[i] + fits[i, 1] * mean[i] + fits[i, 2] * variance[i] for i in range(len(got))]
    )
    distance = s.distance(predicted, got)
    return (fits, distance) if distance < 1e-5 else None


def _describe(s: Sample, parts: Normalized, c: Array) -> tuple[str, str]:
    if np.allclose(c, 0, atol=1e-5):
        return "missing", "is missing"
    value = float(c[0])
    if np.allclose(c, value, rtol=1e-4):
        if close(value, -1):
            return "sign", "has the wrong sign"
        for word, count in {**counts(s), "m": float(parts.xhat.shape[1])}.items():
            if count > 1 and abs(abs(value) - count) < 1e-4 * count:
                return f"times {word}", f"is {word} times too large: a mean is a sum"
            if count > 1 and abs(abs(value) * count - 1) < 1e-4:
                return f"over {word}", f"is {word} times too small"
        return f"{value:.3g}", f"is multiplied by {value:.4g}"
    sigma = parts.sigma[:, 0]
    for power in (-3, -2, -1, 1, 2, 3):
        ratio = c / sigma**power
        if np.allclose(ratio, ratio[0], rtol=1e-3):
            return f"sigma^{power}", f"has a wrong power of the standard deviation (off by sigma**{power})"
    return "other", "is wrong"


class NormMeanTerm(NormTerm):
    """The term that comes from the mean."""

    name, title = "norm-mean-term", "batch norm: the mean's term is wrong or missing"
    term, words = 1, "the term -mean(dxhat)/sigma, by which x acts through the mean,"


class NormVarianceTerm(NormTerm):
    """The term that comes from the variance."""

    name, title = "norm-variance-term", "batch norm: the variance's term is wrong or missing"
    term, words = 2, "the term -xhat * mean(dxhat * xhat)/sigma, by which x acts through the variance,"


class NormDirectTerm(NormTerm):
    """The direct term."""

    name, title = "norm-direct-term", "batch norm: the direct term is wrong or missing"
    term, words = 0, "the direct term dxhat/sigma"


class GammaMissing(Hypothesis):
    """γ is left out of ∂L/∂x, or is in ∂L/∂γ or ∂L/∂β."""

    name, title = "gamma-missing", "batch norm: gamma is left out"
    kinds = NORMS

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dx with dxhat = dout."""
        parts = normalized(s)
        if parts is not None and s.roles.get(name) == "x":
            equation = "dxhat = dout * gamma"
            yield Prediction(
                parts.ungrouped(sum(parts.terms(s.dout))), "", "dxhat is dout; it should be dout * gamma", equation
            )
            over = parts.ungrouped(sum(parts.terms(s.dout / parts.gamma)))
            yield Prediction(over, "over", "dout is divided by gamma", equation)


class NotNormalizedInput(Hypothesis):
    """∂L/∂γ uses x, the centred x or the output where it needs x̂."""

    name, title = "not-xhat", "batch norm: dgamma does not use the normalised x"
    kinds = (*NORMS, "rms norm")

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """Sums of dout with its neighbours."""
        parts = normalized(s)
        if parts is None or s.roles.get(name) != "gamma":
            return
        rows = parts.grouped(parts.x)
        centred = parts.ungrouped(rows - rows.mean(axis=1, keepdims=True))
        xhat = parts.ungrouped(parts.xhat)
        others = {
            "x": parts.x,
            "x - mean": centred,
            "the output": s.out,
            "gamma * xhat": parts.gamma * xhat,
            "xhat divided by sigma once more": parts.ungrouped(parts.xhat / parts.sigma),
            "(x - mean) / variance": parts.ungrouped(parts.xhat / parts.sigma),
            "1": np.ones_like(xhat),
        }
        for word, value in others.items():
            axes = tuple(a for a in range(s.out.ndim) if a != 1)
            summed = (s.dout * value).sum(axis=axes).reshape(s.values[name].shape)
            words = f"dgamma sums dout * {word}; it should be dout * xhat"
            yield Prediction(summed, word, words, right_equation(s, name))


class NormalizedWrongAxis(Hypothesis):
    """Means run over other axes than forward's."""

    name, title = "norm-wrong-axis", "the means run over other axes than those of forward"
    kinds = NORMS

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The same formula with every other choice of axes for the two means."""
        parts = normalized(s)
        if parts is None or s.roles.get(name) != "x":
            return
        d, xhat, sigma = (
            s.dout * parts.gamma,
            parts.ungrouped(parts.xhat),
            parts.ungrouped(np.broadcast_to(parts.sigma, parts.xhat.shape)),
        )
        choices = [(0,), (1,)] if d.ndim == 2 else [(0,), (1,), (2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3)]
        for axes in choices:
            mean, both = d.mean(axis=axes, keepdims=True), (d * xhat).mean(axis=axes, keepdims=True)
            words = f"the means run over axis {axes[0] if len(axes) == 1 else axes}, forward normalises over another"
            yield Prediction((d - mean - xhat * both) / sigma, str(axes), words, right_equation(s, name))


class BatchStatisticsConstant(Hypothesis):
    """Mean and variance are treated as constants."""

    name, title = "norm-constant-statistics", "batch norm: mean and variance are treated as constants"
    kinds = NORMS

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The direct term alone."""
        parts = normalized(s)
        if parts is not None and s.roles.get(name) == "x":
            words = "dx is dout * gamma / sigma only: the terms of the mean and of the variance are both missing"
            direct = parts.terms(s.dout * parts.gamma)[0]
            yield Prediction(parts.ungrouped(direct), "", words, right_equation(s, name))
