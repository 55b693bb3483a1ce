"""Whether targets have anything to do with inputs: a permutation test that any shuffled or shifted labels fail.

Two measures of relation, each of the form T = Σᵢⱼ Aᵢⱼ ⟨tᵢ, uⱼ⟩ with centred targets (labels as one-hot rows):

    neighbours   Aᵢⱼ = 1/k for the k inputs nearest to xᵢ, itself left out
    linear       A = the leave-one-out predictions of ridge regression (kernel G = X Xᵀ)

Under "labels have nothing to do with inputs" every order of the labels is as probable as the given one. So T is
compared with its values for 199 random orders, and p = (1 + #{T_random ≥ T})/200 is at most α with probability at most
α, whatever the data are (Good, "Permutation, parametric and bootstrap tests of hypotheses", 3rd edition 2005, chapter
3). Labels count as unrelated where p > α = 0.02 for both measures. Truly shuffled labels are found with a probability
of at least 1 − 2α = 96 %. A false alarm needs data in which neither neighbours nor a linear map tell anything; how
often that happens on real data sets is measured in docs/results/lint.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from chainrule.arrays import Array

ALPHA = 0.02
ORDERS = 199
AT_ONCE = 20  # orders in one product of matrices
NEIGHBOURS = 5
FEWEST_ROWS = 100  # with less the test finds too little


def unrelated(x: Array, t: Array, reference: tuple[Array, Array] | None = None) -> bool:
    """Whether neither neighbours nor a linear map connect inputs `x` (N, D) with targets `t` (N, C), p > α for both.

    reference: (inputs, targets) that predict them; each row's fellows do if there is none.
    """
    return all(p > ALPHA for p in p_values(x, t, reference))  # a small first p makes the second one unnecessary


def p_values(x: Array, t: Array, reference: tuple[Array, Array] | None = None, seed: int = 0) -> Iterator[float]:
    """The p-values for neighbours, then for a linear map; each is computed when it is asked for."""
    own = reference is None
    z, u = (x, t) if reference is None else reference
    mean = z.mean(axis=0)
    x, z, t, u = x - mean, z - mean, t - t.mean(axis=0), u - u.mean(axis=0)
    G = x @ z.T  # (N, M)
    near = _neighbours(G, np.square(x).sum(axis=1), np.square(z).sum(axis=1), own)
    yield _p_value(lambda targets: targets[near].mean(axis=1), t, u, own, seed)
    A = _ridge(G) if own else G @ np.linalg.inv(_damped(z @ z.T))
    yield _p_value(lambda targets: A @ targets, t, u, own, seed)


def _p_value(predict: Callable[[Array], Array], t: Array, u: Array, own: bool, seed: int) -> float:
    """The share of orders of the targets that are predicted at least as well as the given one."""
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(t)), *(rng.permutation(len(t)) for _ in range(ORDERS))]
    fixed = None if own else predict(u)  # of other rows, whose targets stay where they are
    T: list[float] = []
    for start in range(0, len(orders), AT_ONCE):
        some = np.stack(orders[start : start + AT_ONCE], axis=1)  # (N, k)
        if fixed is None:
            predicted = predict(u[some].reshape(len(u), -1)).reshape(*some.shape, -1)  # (N, k, C)
            T += np.einsum("nkc,nkc->k", t[some], predicted).tolist()
        else:
            T += np.einsum("nkc,nc->k", t[some], fixed).tolist()
    return (1 + sum(value >= T[0] - 1e-9 * abs(T[0]) for value in T[1:])) / (1 + ORDERS)


def _neighbours(G: Array, x_squares: Array, z_squares: Array, own: bool) -> Array:
    """The columns of the nearest rows, (N, k)."""
    distances = x_squares[:, None] - 2 * G + z_squares[None, :]
    if own:
        np.fill_diagonal(distances, np.inf)
    k = min(NEIGHBOURS, distances.shape[1] - 1)
    return np.argpartition(distances, k, axis=1)[:, :k]


def _ridge(G: Array) -> Array:
    """The matrix of leave-one-out predictions: H with a zero diagonal, row i over 1 − Hᵢᵢ."""
    H = G @ np.linalg.inv(_damped(G))
    diagonal = np.diag(H).copy()
    np.fill_diagonal(H, 0)
    return H / np.maximum(1 - diagonal, 1e-6)[:, None]


def _damped(G: Array) -> Array:
    """G + λ I, λ the mean eigenvalue."""
    scale = max(float(np.trace(G)) / len(G), 1e-12)
    return G + scale * np.eye(len(G))


def as_targets(y: Array, labels: bool) -> Array:
    """One-hot rows for labels, otherwise standardised columns; (N, C) float64."""
    if labels:
        found, index = np.unique(y, return_inverse=True)
        return np.eye(len(found))[index.reshape(-1)]
    t = np.asarray(y, np.float64).reshape(len(y), -1)
    spread = t.std(axis=0)
    return t[:, spread > 0] / spread[spread > 0]
