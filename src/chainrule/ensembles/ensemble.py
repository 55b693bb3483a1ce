"""Ensembles: the decisions of several networks made into one.

    probabilities      p̄(x) = (1/M) Σₘ pₘ(x)          the class of the highest p̄
    votes              the class that most members choose; of classes with equally many votes the one of the highest p̄
    regression         ȳ(x) = (1/M) Σₘ yₘ(x)

By Jensen's inequality the loss −log p̄ of the true class is at most the mean of the members' losses, and so is the
squared error; accuracy has no such bound, though it gains as a rule.
Sources: Hansen & Salamon, "Neural network ensembles", IEEE PAMI 12, 1990; Bishop, "Pattern Recognition and Machine
Learning", 2006, section 14.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.arrays import Array, sigmoid
from chainrule.data import NormalizedRows, Normalizer
from chainrule.engines import make_engine
from chainrule.ensembles.comparison import Comparison, paired_difference
from chainrule.ensembles.views import Views, viewed
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, require_bool, require_some, shown
from chainrule.losses import Logistic
from chainrule.losses.loss import check, zero_one
from chainrule.network import Network, as_array
from chainrule.optim import SGD
from chainrule.typed import typed, typed_fields

_ROWS = 1000  # at a time
_LEAST = float(np.finfo(np.float32).tiny)  # the least probability whose logarithm is taken


@dataclass(frozen=True, eq=False)
@typed_fields
class Member:
    """A network, and the normaliser of its inputs where those are given as they come from files.

    Scores are computed a thousand rows at a time, so that neither normalised inputs nor views fill the memory.
    """

    network: Network
    normalizer: Normalizer | None = None
    _predict: Callable[[Array], Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.network, Network):
            raise DTypeError(f"Member: network must be a Network, got {describe(self.network)}")
        # The rule is never applied; an engine of its own keeps the plan for all batches.
        object.__setattr__(self, "_predict", make_engine(self.network, SGD()).predict)

    def batches(self, X: Array, views: Sequence[Views]) -> Iterator[list[Array]]:
        """For each thousand rows the scores of every view."""
        raw = None if self.normalizer is None else NormalizedRows(X[:1], self.normalizer, self.network.dtype)
        for start in range(0, len(X), _ROWS):
            seen = viewed(X[start : start + _ROWS], views)
            yield [self._predict(x if raw is None else raw.normalize(x)) for x in seen]


class Ensemble:
    """Several networks that answer as one.

    members: networks, or `Member`s that bring their normalisers; all of one output shape, trained on losses of one
    kind. votes: count the members' decisions in place of averaging what they put out. views: what each member sees of
    an image, see `parse_views`; its outputs for them are averaged.

    >>> from chainrule.layers import Affine
    >>> ensemble = Ensemble([Network([Affine(3)], input_shape=4, seed=seed) for seed in range(5)])
    >>> ensemble.probabilities(np.ones((2, 4))).shape
    (2, 3)
    """

    def __init__(
        self, members: Sequence[Network | Member], *, votes: bool = False, views: Sequence[Views] = ()
    ) -> None:
        given: Any = members
        if not isinstance(given, (list, tuple)) or not given:
            raise DTypeError(f"Ensemble: members must be a list of networks, at least one, got {describe(members)}")
        require_bool("Ensemble", "votes", votes)
        if not isinstance(views, (list, tuple)) or not all(isinstance(view, Views) for view in views):
            raise DTypeError(f"Ensemble: views must be a list of views, such as parse_views gives, got {shown(views)}")
        self.members = tuple(m if isinstance(m, Member) else Member(m) for m in given)
        self.votes, self.views = votes, tuple(views)
        self.loss = self.members[0].network.loss_function
        self.has_probabilities = _defines_probabilities(self.members[0].network)
        self.is_regression = _is_regression(self.members[0].network)
        self._check_members()
        if self.votes and self.is_regression:
            raise ConfigError(f"Ensemble: votes must be False for {self.loss.name}, which predicts no classes")
        if not (self.votes or self.is_regression or self.has_probabilities):
            raise ConfigError(f"Ensemble: {self.loss.name} defines no probabilities to average; count votes")

    def probabilities(self, X: Array) -> Array:
        """Class probabilities (N, C): the mean over members, or the share of their votes."""
        return self.answers(X)[1]

    def answers(self, X: Array) -> tuple[Array, Array]:
        """The labels (N,) of `predict` and the probabilities (N, C) together, in one pass over the members."""
        if self.is_regression:
            raise ConfigError(f"Ensemble: {self.loss.name} defines no probabilities; use predict")
        tally = self._tally(X)
        return self._decide(tally), tally.counts / len(self.members) if self.votes else tally.mean

    def predict(self, X: Array) -> Array:
        """The decision for each row: class labels, 0 and 1 for two classes, or the values of a regression."""
        tally = self._tally(X)
        return tally.mean if self.is_regression else self._decide(tally)

    def score(self, X: Array, y: Array) -> float:
        """The fraction predicted right; R² for a regression."""
        return self.compare(X, y).ensemble

    def row_scores(self, X: Array, y: Array) -> Array:
        """What each row adds to the score, whose mean that is: 1 or 0; its share of R² for a regression. (N,)."""
        targets = self._checked_targets(X, y)
        return self._row_scores(self.predict(X), targets)

    def compare(self, X: Array, y: Array) -> Comparison:
        """The ensemble beside its members on the rows (X, y)."""
        targets = self._checked_targets(X, y)
        return self._compare_values(X, targets) if self.is_regression else self._compare_classes(X, targets)

    # -- one member at a time -----------------------------------------------------------------------------------------

    @property
    def classes(self) -> int:
        """C; 2 where a row has one score."""
        shape = self.members[0].network.output_shape
        return shape[0] if shape else 2

    def outputs(self, member: Member, X: Array) -> tuple[Array, Array | None]:
        """A member's decisions (N,), or values, and its probabilities (N, C) where the loss defines them."""
        loss = member.network.loss_function
        decisions, outputs = [], []
        for views in member.batches(X, self.views):
            if self.is_regression:
                decisions.append(np.mean([loss.predict(s).astype(np.float64) for s in views], axis=0))
            elif self.has_probabilities:
                p = np.mean([loss.probabilities(s).astype(np.float64) for s in views], axis=0)
                decisions.append(self.decide(p) if self.views else loss.predict(views[0]))
                outputs.append(p)
            else:
                counts = sum(_one_hot(loss.predict(s), self.classes) for s in views)
                decisions.append(np.argmax(counts, axis=1))
        return np.concatenate(decisions), np.concatenate(outputs) if outputs else None

    def decide(self, probabilities: Array) -> Array:
        """The class of the highest probability; of two classes, as the loss's threshold has it."""
        if isinstance(self.loss, Logistic):
            return zero_one(probabilities[:, 1] - float(sigmoid(np.array(self.loss.threshold))))
        return np.argmax(probabilities, axis=1)

    def labels(self, targets: Array) -> Array:
        """Targets as classes 0 ... C − 1: rows of probabilities by their highest, −1 as 0."""
        if targets.ndim == 2:
            return np.argmax(targets, axis=1)
        labels: Array = zero_one(targets) if not self.members[0].network.output_shape else targets
        return labels.astype(np.int64)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _checked_targets(self, X: Array, y: Array) -> Array:
        targets = as_array("y", y)
        X = X if isinstance(X, NormalizedRows) else as_array("X", X)
        if len(X.shape) == 0:
            raise ShapeError(f"Ensemble: X must have axes (N, ...) with N >= 1, got shape {X.shape}")
        network = self.members[0].network
        if targets.ndim == 0 or len(targets) != len(X):
            raise ShapeError(f"Ensemble: X and y must have equally many rows, got {len(X)} and shape {targets.shape}")
        check(self.loss, np.broadcast_to(network.dtype.type(0), (len(targets), *network.output_shape)), targets)
        return targets

    def _row_scores(self, predicted: Array, targets: Array) -> Array:
        if not self.is_regression:
            return (predicted == self.labels(targets)).astype(np.float64)
        n = len(targets)
        t = targets.reshape(n, -1).astype(np.float64)  # (N, outputs)
        spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        squares, varies = (predicted.reshape(n, -1) - t) ** 2, spread > 0
        weight = np.where(varies, n / np.where(varies, spread, 1.0), 0.0) / t.shape[1]
        # An output that never varies counts 1 if met exactly, else 0, which all rows share.
        whole = np.where(varies, 1.0, squares.sum(axis=0) == 0).mean()
        return whole - squares @ weight

    def _compare_classes(self, X: Array, targets: Array) -> Comparison:
        truth, rows = self.labels(targets), np.arange(len(targets))
        scores, losses = [], []

        def note(labels: Array, probabilities: Array | None) -> None:
            scores.append(self._row_scores(labels, targets))
            if probabilities is not None:
                losses.append(_log_loss(probabilities[rows, truth]))

        tally = self._tally(X, note)
        known = self.has_probabilities and not self.votes
        return _comparison(
            scores,
            self._row_scores(self._decide(tally), targets),
            float(np.mean(losses)) if known else None,
            _log_loss(tally.mean[rows, truth]) if known else None,
        )

    def _compare_values(self, X: Array, targets: Array) -> Comparison:
        scores, losses = [], []

        def note(values: Array, _: Array | None) -> None:
            scores.append(self._row_scores(values, targets))
            losses.append(float(((values - targets) ** 2).mean()))

        mean = self._tally(X, note).mean
        loss = float(((mean - targets) ** 2).mean())
        return _comparison(scores, self._row_scores(mean, targets), float(np.mean(losses)), loss)

    def _tally(self, X: Array, note: Callable[[Array, Array | None], None] | None = None) -> _Tally:
        """One member after the other, so that the outputs of one only are held; `note` sees each."""
        rows = X if isinstance(X, NormalizedRows) else as_array("X", X)
        if rows.ndim < 2 or len(rows) == 0:
            raise ShapeError(f"Ensemble: X must have axes (N, ...) with N >= 1, got shape {rows.shape}")
        if self.views and rows.ndim != 4:
            raise ShapeError(f"Ensemble: views need images, X of axes (N, C, H, W), got shape {rows.shape}")
        tally = _Tally()
        for member in self.members:
            decisions, outputs = self.outputs(member, rows)
            if note is not None:
                note(decisions, outputs)
            tally.add(decisions, outputs, self.classes, regression=self.is_regression)
        tally.mean /= len(self.members)
        return tally

    def _decide(self, tally: _Tally) -> Array:
        if not self.votes:
            return self.decide(tally.mean)
        if not self.has_probabilities:
            return np.argmax(tally.counts, axis=1)
        rank = _one_hot(self.decide(tally.mean), 2) if self.classes == 2 else tally.mean
        return np.argmax(tally.counts + 0.5 * rank, axis=1)  # less than a vote

    def _check_members(self) -> None:
        first = self.members[0].network
        for i, member in enumerate(self.members[1:], start=1):
            network = member.network
            kinds = (_is_regression(network), _defines_probabilities(network), network.output_shape)
            if kinds != (self.is_regression, self.has_probabilities, first.output_shape):
                raise ConfigError(
                    f"Ensemble: members must put out what the first does, {first.loss_function.name} on scores of "
                    f"shape {first.output_shape}; member {i} has {network.loss_function.name} on {network.output_shape}"
                )
            ours, theirs = (getattr(n.loss_function, "threshold", 0.0) for n in (first, network))
            if ours != theirs:
                raise ConfigError(f"Ensemble: members must have one threshold, {ours:g}; member {i} has {theirs:g}")


@typed
def usual_ensemble(members: Sequence[Network | Member], *, views: Sequence[Views] = ()) -> Ensemble:
    """The ensemble that averages where the members' loss gives something to average, and counts votes elsewhere."""
    require_some("usual_ensemble", "members", members, "network")
    counting = not (_is_regression(_network(members[0])) or _defines_probabilities(_network(members[0])))
    return Ensemble(members, votes=counting, views=views)


def _network(member: Network | Member) -> Network:
    return member.network if isinstance(member, Member) else member


def _comparison(
    members: Sequence[Array], ensemble: Array, mean_loss: float | None, ensemble_loss: float | None
) -> Comparison:
    """The record of row scores (N,) of each member and of the ensemble."""
    difference, error = paired_difference(ensemble, np.mean(members, axis=0))
    scores = tuple(float(member.mean()) for member in members)
    mean = float(np.mean(scores))
    return Comparison(len(ensemble), scores, mean, float(ensemble.mean()), difference, error, mean_loss, ensemble_loss)


class _Tally:
    """What is kept of the members: the sum of their outputs (their mean in the end), and their votes (N, C)."""

    def __init__(self) -> None:
        self.mean: Array = None
        self.counts: Array = None

    def add(self, decisions: Array, outputs: Array | None, classes: int, *, regression: bool) -> None:
        if regression:
            self.mean = decisions if self.mean is None else self.mean + decisions
            return
        votes = _one_hot(decisions, classes)
        self.counts = votes if self.counts is None else self.counts + votes
        added = votes if outputs is None else outputs
        self.mean = added if self.mean is None else self.mean + added


def _one_hot(labels: Array, classes: int) -> Array:
    return (labels[:, None] == np.arange(classes)[None, :]).astype(np.float64)  # (N, C)


def _log_loss(probabilities: Array) -> float:
    """The mean of −log p."""
    return -math.fsum(np.log(np.maximum(probabilities, _LEAST))) / len(probabilities)


def _zero_scores(network: Network) -> Array:
    return np.zeros((1, *network.output_shape), network.dtype)


def _defines_probabilities(network: Network) -> bool:
    try:
        network.loss_function.probabilities(_zero_scores(network))
    except ConfigError:
        return False
    return True


def _is_regression(network: Network) -> bool:
    return bool(network.loss_function.predict(_zero_scores(network)).dtype.kind == "f")
