"""Bagging: members trained on bootstrap samples, what averaging them gains, and the score of the rows left out.

With εₘ(x) the error of member m, the mean squared error of the members and that of their average are

    E_av = (1/L) Σₘ E[εₘ²]          E_bag = E[((1/L) Σₘ εₘ)²] = (E_av / L) (1 + (L − 1) ρ)

where ρ = (1/(L (L − 1))) Σ_{m≠l} E[εₘ εₗ] / E_av is the mean correlation of the errors about zero. So E_bag = E_av/L
where errors are not correlated (and their mean is zero: a shared mean correlates them); and as a square is convex,
E_bag ≤ E_av always: ρ ≤ 1. For a classifier the errors are εₘ(x) = pₘ(x) − t(x), a vector with one entry a class, and
squares are summed over classes (Brier's score).
Sources: Bishop, "Pattern Recognition and Machine Learning", 2006, section 14.2, equations 14.7 to 14.14; Breiman,
"Bagging predictors", Machine Learning 24, 1996; out-of-bag score: Breiman, "Out-of-bag estimation", 1996.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.arrays import Array, Stream, generator
from chainrule.data.bootstrap import bootstrap_rows, out_of_bag
from chainrule.data.normalized import NormalizedRows
from chainrule.ensembles.ensemble import Ensemble, Member, usual_ensemble
from chainrule.ensembles.runs import shared_training_rows
from chainrule.errors import ConfigError, ShapeError, require_number, require_some
from chainrule.network import as_array
from chainrule.recipes.run import Run
from chainrule.typed import typed


@dataclass(frozen=True)
class BaggingRow:
    """The first `members` (L) members: E_av, E_bag, E_av/L, and ρ, which one member alone does not have."""

    members: int
    average_error: float
    ensemble_error: float
    uncorrelated_error: float
    correlation: float | None


@dataclass(frozen=True)
class OutOfBag:
    """The score on training rows of the members that were not trained on them; `rows`: how many had any such."""

    score: float
    rows: int
    training_rows: int


@typed
def bagging_table(errors: Array) -> list[BaggingRow]:
    """One row for each number of members L = 1 ... M, of errors (M, N) or (M, N, K): members, rows, outputs.

    >>> table = bagging_table(np.array([[1.0, -1.0], [1.0, 1.0]]))
    >>> table[1].average_error, table[1].ensemble_error, table[1].correlation
    (1.0, 0.5, 0.0)
    """
    e = as_array("errors", errors).astype(np.float64)
    if e.ndim < 2 or e.size == 0:
        raise ShapeError(f"bagging_table: errors must have axes (M, N) or (M, N, K), got shape {e.shape}")
    members, rows = e.shape[:2]
    e = e.reshape(members, -1)  # (M, N · K)
    products = e @ e.T / rows  # (M, M): E[εₘ εₗ]
    table = []
    total = np.zeros(e.shape[1])
    for count in range(1, members + 1):
        total += e[count - 1]
        block = products[:count, :count]
        average = float(np.trace(block)) / count
        ensemble = float(np.square(total / count).sum()) / rows
        shared = (float(block.sum()) - float(np.trace(block))) / max(count * (count - 1), 1)
        known = count > 1 and average > 0
        table.append(BaggingRow(count, average, ensemble, average / count, shared / average if known else None))
    return table


@typed
def prediction_errors(ensemble: Ensemble, X: Array, y: Array) -> Array:
    """Each member's errors on the rows (X, y): (M, N, C) of probabilities, or (M, N, K) of a regression's values."""
    if not (ensemble.is_regression or ensemble.has_probabilities):
        raise ConfigError(f"prediction_errors: {ensemble.loss.name} defines no probabilities, so errors have no size")
    targets = ensemble._checked_targets(X, y)
    if not isinstance(X, NormalizedRows):
        X = as_array("X", X)
    n, errors = len(targets), []
    truth = targets if ensemble.is_regression else np.eye(ensemble.classes)[ensemble.labels(targets)]
    for member in ensemble.members:
        decisions, probabilities = ensemble.outputs(member, X)
        errors.append(((decisions if probabilities is None else probabilities) - truth).reshape(n, -1))
    return np.stack(errors)


@typed
def uncorrelated_errors(members: int, rows: int, seed: int = 0) -> Array:
    """Errors (members, rows) of mean zero and correlation zero, exactly so on these rows: E_bag = E_av/L.

    Normal draws, made orthogonal to each other and to a constant; each member has a mean squared error of 1.
    """
    most = 2**31  # numbers
    require_number("uncorrelated_errors", "members", members, integer=True, low=1, high=math.isqrt(most))
    require_number("uncorrelated_errors", "rows", rows, integer=True, low=members + 1, high=most // members)
    drawn = generator(seed, Stream.SUBSET).standard_normal((rows, members))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(rows), drawn]))
    return basis[:, 1:].T * np.sqrt(rows)


@typed
def out_of_bag_score(runs: Sequence[Run]) -> OutOfBag:
    """The out-of-bag score of bagged runs. Raises `ConfigError` for a run that had no bootstrap sample.

    Each training row is predicted by the members whose samples it is not in: by the mean of their probabilities or
    values, or by their votes where the loss defines no probabilities.
    """
    require_some("out_of_bag_score", "runs", runs, "run")
    seeds = [_bootstrap_seed(run) for run in runs]
    train = shared_training_rows(runs)
    ensemble = usual_ensemble([Member(run.network, run.normalizer) for run in runs])
    total: Array = None
    counts = np.zeros(len(train), np.int64)
    for seed, member in zip(seeds, ensemble.members, strict=True):
        left = out_of_bag(bootstrap_rows(len(train), seed), len(train))
        if len(left) == 0:
            continue
        decisions, probabilities = ensemble.outputs(member, train.X[left])
        if probabilities is None and not ensemble.is_regression:
            probabilities = np.eye(ensemble.classes)[decisions]
        values = decisions if probabilities is None else probabilities
        total = np.zeros((len(train), *values.shape[1:])) if total is None else total
        total[left] += values
        counts[left] += 1
    rows = np.flatnonzero(counts)
    if len(rows) == 0:
        raise ConfigError("no training row was left out of any bootstrap sample; take more rows or more members")
    mean = total[rows] / counts[rows].reshape(-1, *(1,) * (total.ndim - 1))
    if ensemble.is_regression:
        score = ensemble.loss.score(mean, train.y[rows])
    else:
        score = float(np.mean(ensemble.decide(mean) == ensemble.labels(train.y[rows])))
    return OutOfBag(score, len(rows), len(train))


def _bootstrap_seed(run: Run) -> int:
    seed = run.recipe.data.bootstrap
    if seed is None:
        raise ConfigError(f"{run.folder}: data.bootstrap is not set, so no training rows were left out")
    return seed
