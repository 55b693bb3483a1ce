"""Ensembles: decisions against formulas written out, the comparison with members, what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import NormalizedRows, Normalizer
from chainrule.ensembles import Ensemble, Member, paired_difference, parse_views
from chainrule.errors import ChainruleError, ConfigError, DTypeError, ShapeError
from chainrule.layers import Affine, BatchNorm, Flatten, ReLU, Squeeze
from chainrule.losses import BinaryHinge, Logistic, MultiClassHinge, SoftmaxCrossEntropy, SquaredError
from chainrule.network import Network

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2300, 5)).astype(np.float32)  # more than two batches of a thousand
Y = RNG.integers(0, 3, 2300)


def networks(count: int = 4, loss: Any = None, dtype: str = "float32", binary: bool = False) -> list[Network]:
    head = [Affine(1), Squeeze()] if binary else [Affine(3)]
    return [
        Network([Affine(8), BatchNorm(), ReLU(), *head], loss, input_shape=5, seed=seed, dtype=dtype)
        for seed in range(count)
    ]


def softmax(scores: Any) -> Any:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# -- decisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_are_averaged(dtype: str) -> None:
    members = networks(dtype=dtype)
    expected = np.mean([softmax(n.scores(X).astype(float)) for n in members], axis=0)
    ensemble = Ensemble(members)
    np.testing.assert_allclose(ensemble.probabilities(X), expected, atol=1e-5)
    assert (ensemble.predict(X) == expected.argmax(axis=1)).mean() > 0.999  # rounding may tip a near tie
    assert ensemble.score(X, Y) == pytest.approx((expected.argmax(axis=1) == Y).mean(), abs=1e-3)


def test_votes_are_counted_and_ties_go_to_the_more_probable() -> None:
    members = networks(4)
    p = np.stack([softmax(n.scores(X).astype(float)) for n in members])
    counts = np.stack([np.bincount(row, minlength=3) for row in p.argmax(axis=2).T])
    expected = []
    for row, mean in zip(counts, p.mean(axis=0), strict=True):
        tied = np.flatnonzero(row == row.max())
        expected.append(tied[np.argmax(mean[tied])])
    ensemble = Ensemble(members, votes=True)
    assert sum(len(np.flatnonzero(row == row.max())) > 1 for row in counts) > 50  # ties do occur
    assert (ensemble.predict(X) == expected).mean() > 0.999
    np.testing.assert_allclose(ensemble.probabilities(X), counts / 4)


@pytest.mark.parametrize("threshold", [0.0, 0.4])
@pytest.mark.parametrize("votes", [False, True])
def test_two_classes(threshold: float, votes: bool) -> None:
    members = networks(4, Logistic(threshold), "float64", binary=True)
    scores = np.stack([n.scores(X) for n in members])
    mean = (1 / (1 + np.exp(-scores))).mean(axis=0)
    averaged = (mean > 1 / (1 + math.exp(-threshold))).astype(int)
    counts = (scores > threshold).sum(axis=0)
    expected = np.where(counts == 2, averaged, counts > 2) if votes else averaged
    ensemble = Ensemble(members, votes=votes)
    assert (ensemble.predict(X) == expected).all()
    signs = 2 * (Y > 0) - 1
    assert ensemble.score(X, signs) == ensemble.score(X, (Y > 0).astype(int)) == (expected == (Y > 0)).mean()


@pytest.mark.parametrize("loss", [MultiClassHinge(), BinaryHinge()], ids=lambda loss: loss.name)
def test_losses_without_probabilities_can_vote(loss: Any) -> None:
    binary = isinstance(loss, BinaryHinge)
    members = networks(5, loss, binary=binary)
    with pytest.raises(ConfigError, match=f"{loss.name} defines no probabilities to average; count votes"):
        Ensemble(members)
    labels = np.stack([n.predict(X) for n in members])
    expected = [np.bincount(column, minlength=3).argmax() for column in labels.T]
    ensemble = Ensemble(members, votes=True)
    assert (ensemble.predict(X) == expected).all()
    comparison = ensemble.compare(X, Y > 0 if binary else Y)
    assert (comparison.mean_loss, comparison.ensemble_loss) == (None, None)


def test_regressions_are_averaged() -> None:
    members = networks(3, SquaredError(), "float64")
    t = RNG.normal(size=(2300, 3)) + X[:, :3]
    values = np.stack([n.scores(X) for n in members])
    ensemble = Ensemble(members)
    np.testing.assert_allclose(ensemble.predict(X), values.mean(axis=0), rtol=1e-12)
    r2 = [SquaredError().score(v, t) for v in (*values, values.mean(axis=0))]
    comparison = ensemble.compare(X, t)
    assert comparison.members == pytest.approx(r2[:3])
    assert comparison.ensemble == pytest.approx(r2[3])
    assert comparison.difference == pytest.approx(r2[3] - np.mean(r2[:3]))
    assert comparison.ensemble_loss == pytest.approx(((values.mean(axis=0) - t) ** 2).mean())
    assert comparison.ensemble_loss < comparison.mean_loss  # Jensen
    spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    d = 2300 * ((((values - t) ** 2).mean(axis=0) - (values.mean(axis=0) - t) ** 2) / spread).mean(axis=1)
    assert d.mean() == pytest.approx(comparison.difference)
    assert comparison.standard_error == pytest.approx(d.std(ddof=1) / math.sqrt(2300))


def test_one_member_is_itself_and_raw_inputs_are_normalised_on_the_way() -> None:
    (network,) = networks(1)
    raw = RNG.integers(0, 256, (1500, 5)).astype(np.uint8)
    normalizer = Normalizer.fit("standard", raw)
    ensemble = Ensemble([Member(network, normalizer)])
    expected = network.predict_proba(normalizer.apply(raw))
    np.testing.assert_allclose(ensemble.probabilities(raw), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        Ensemble([network]).probabilities(NormalizedRows(raw, normalizer)), expected, rtol=1e-4, atol=1e-6
    )
    comparison = ensemble.compare(raw, Y[:1500])
    assert comparison.members == (comparison.ensemble,)
    assert (comparison.difference, comparison.standard_error) == (0, 0)


# -- beside the members ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("votes", [False, True])
def test_the_comparison(votes: bool) -> None:
    members = networks(5)
    ensemble = Ensemble(members, votes=votes)
    right = np.stack([n.predict(X) == Y for n in members])
    ours = ensemble.predict(X) == Y
    got = ensemble.compare(X, Y)
    assert got.count == 2300
    assert got.members == pytest.approx(right.mean(axis=1), abs=1e-3)
    assert got.mean == pytest.approx(np.mean(got.members))
    assert got.ensemble == ours.mean()
    assert got.difference == pytest.approx(got.ensemble - got.mean)
    d = ours - right.mean(axis=0)
    assert got.standard_error == pytest.approx(math.sqrt(((d - d.mean()) ** 2).sum() / (2300 * 2299)), rel=1e-2)
    if votes:
        assert got.mean_loss is None
    else:
        losses = [float(SoftmaxCrossEntropy()(n.scores(X), Y)[0]) for n in members]
        assert got.mean_loss == pytest.approx(np.mean(losses), rel=1e-5)
        assert got.ensemble_loss < got.mean_loss  # Jensen


def test_targets_may_be_probabilities() -> None:
    ensemble = Ensemble(networks(3))
    assert ensemble.compare(X, np.eye(3)[Y]) == ensemble.compare(X, Y)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=2, max_size=30))
def test_the_standard_error_is_that_of_the_mean_of_differences(pairs: list[tuple[float, float]]) -> None:
    from statistics import fmean, stdev

    a, b = np.array(pairs).T
    difference, error = paired_difference(a, b)
    d = [x - y for x, y in pairs]
    assert difference == pytest.approx(fmean(d), abs=1e-12)
    assert error == pytest.approx(stdev(d) / math.sqrt(len(d)), abs=1e-12)


def test_the_standard_error_covers_other_test_rows() -> None:
    """Of 400 test sets of independent rows, the true difference lies within 1.96 errors in about 95 %."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        hard = rng.uniform(size=300)
        a, b = (rng.uniform(size=300) < 1 - hard * 0.5, rng.uniform(size=300) < 0.95 - hard * 0.5)
        difference, error = paired_difference(a.astype(float), b.astype(float))
        hits += abs(difference - 0.05) < 1.96 * error
    assert 0.92 <= hits / 400 <= 0.98


def test_a_single_row_has_no_error() -> None:
    assert math.isnan(Ensemble(networks(2)).compare(X[:1], Y[:1]).standard_error)


# -- views ----------------------------------------------------------------------------------------------------------


def image_networks(count: int = 2) -> list[Network]:
    return [Network([Flatten(), Affine(3)], input_shape=(1, 6, 6), seed=seed, dtype="float64") for seed in range(count)]


def test_views_are_averaged_for_each_member() -> None:
    images = RNG.uniform(0, 1, (7, 1, 6, 6))
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    corners = [padded[:, :, i : i + 6, j : j + 6] for i, j in ((2, 2), (0, 0), (0, 4), (4, 0), (4, 4))]
    seen = [*corners, *(c[..., ::-1] for c in corners)]
    members = image_networks()
    expected = np.mean([softmax(n.scores(x)) for n in members for x in seen], axis=0)
    ensemble = Ensemble(members, views=parse_views("flip,crop:2"))
    np.testing.assert_allclose(ensemble.probabilities(images), expected, rtol=1e-12)


def test_rotated_views() -> None:
    images = RNG.uniform(0, 1, (3, 1, 6, 6))
    seen = [images, np.rot90(images, -1, (2, 3)), np.rot90(images, 1, (2, 3))]
    (network,) = image_networks(1)
    got = Ensemble([network], views=parse_views("rotate:90")).probabilities(images)
    np.testing.assert_allclose(got, np.mean([softmax(network.scores(x.copy())) for x in seen], axis=0), rtol=1e-6)


def test_views_come_before_normalising() -> None:
    raw = RNG.integers(0, 256, (20, 1, 6, 6)).astype(np.uint8)
    normalizer = Normalizer.fit("standard", raw)
    (network,) = image_networks(1)
    got = Ensemble([Member(network, normalizer)], views=parse_views("crop:1")).probabilities(raw)
    padded = np.pad(raw, ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = [padded[:, :, i : i + 6, j : j + 6] for i, j in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2))]
    expected = np.mean([softmax(network.scores(normalizer.apply(x, np.float64))) for x in seen], axis=0)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flop", "unknown view 'flop'; did you mean 'flip'"),
        ("", "unknown view ''"),
        ("flip:2", "flip takes no number"),
        ("crop:x", "a number must follow the colon, got 'crop:x'"),
        ("crop:1.5", "crop: padding must be an integer"),
        ("crop:0", "crop: padding must be an integer >= 1"),
        ("rotate:0", "rotate: degrees must be a number > 0"),
        ("flip,flip", "every kind may be named once, got flip twice"),
    ],
)
def test_bad_views(text: str, message: str) -> None:
    with pytest.raises(ChainruleError, match=message):
        parse_views(text)


# -- what is refused ------------------------------------------------------------------------------------------------


def test_members_must_agree() -> None:
    plain = networks(1)
    for other, message in (
        (networks(1, SquaredError()), "member 1 has SquaredError on"),
        (networks(1, MultiClassHinge()), "member 1 has MultiClassHinge on"),
        ([Network([Affine(4)], input_shape=5)], r"member 1 has SoftmaxCrossEntropy on \(4,\)"),
    ):
        with pytest.raises(ConfigError, match=message):
            Ensemble([*plain, *other])
    with pytest.raises(ConfigError, match=r"members must have one threshold, 0; member 1 has 0\.5"):
        Ensemble(networks(1, Logistic(), binary=True) + networks(1, Logistic(0.5), binary=True))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Ensemble([]), DTypeError, "at least one"),
        (lambda: Ensemble(networks(1)[0]), DTypeError, "members must be a list"),
        (lambda: Ensemble(["runs/a"]), DTypeError, "Member: network must be a Network, got str"),
        (lambda: Ensemble(networks(1), votes=1), DTypeError, "votes must be True or False"),
        (lambda: Ensemble(networks(1), views="flip"), DTypeError, "views must be a list of views"),
        (lambda: Ensemble(networks(1, SquaredError()), votes=True), ConfigError, "predicts no classes"),
        (lambda: Ensemble(networks(1, SquaredError())).probabilities(X), ConfigError, "no probabilities; use predict"),
        (lambda: Ensemble(networks(1)).predict(X[:, :4]), ShapeError, "X must have shape"),
        (lambda: Ensemble(networks(1)).predict(X[0]), ShapeError, "X must have axes"),
        (lambda: Ensemble(networks(1)).score(X, Y[:3]), ShapeError, "equally many rows"),
        (lambda: Ensemble(networks(1)).score(X, Y + 1), ChainruleError, "labels from 0 to 2"),
        (lambda: Ensemble(networks(1), views=parse_views("flip")).predict(X), ShapeError, "views need images"),
        (lambda: paired_difference(np.zeros(2), np.zeros(3)), ShapeError, "one shape"),
    ],
)
def test_bad_input(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()
