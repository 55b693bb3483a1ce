"""Losses against their definitions written as loops, and against scikit-learn's metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.losses import BinaryHinge, Logistic, MultiClassHinge, SoftmaxCrossEntropy, SquaredError

RNG = np.random.default_rng(5)
N, C = 11, 4
SCORES = RNG.normal(size=(N, C)) * 2
LABELS = RNG.integers(0, C, N)
BINARY = RNG.normal(size=N) * 2
BITS = np.array([0, 1] * 5 + [1])


def test_softmax_cross_entropy_is_the_log_loss():
    p = SoftmaxCrossEntropy().probabilities(SCORES)
    expected = metrics.log_loss(LABELS, p, labels=range(C))
    assert SoftmaxCrossEntropy()(SCORES, LABELS)[0] == pytest.approx(expected, rel=1e-12)
    assert SoftmaxCrossEntropy().score(SCORES, LABELS) == metrics.accuracy_score(LABELS, SCORES.argmax(axis=1))


def test_softmax_cross_entropy_with_options_as_a_loop():
    weights = (0.5, 1.0, 2.0, 3.0)
    total = 0.0
    for s, label in zip(SCORES, LABELS, strict=True):
        log_p = [v - math.log(sum(math.exp(u) for u in s)) for v in s]
        for c in range(C):
            target = 0.9 * (c == label) + 0.1 / C
            total -= weights[c] * target * log_p[c]
    loss = SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=weights)
    assert loss(SCORES, LABELS)[0] == pytest.approx(total / N, rel=1e-12)
    assert SoftmaxCrossEntropy(class_weights=list(weights)) == SoftmaxCrossEntropy(class_weights=weights)


def test_softmax_of_masked_and_huge_scores():
    scores = np.array([[0.0, -np.inf, 1.0], [1e38, -1e38, 0.0]])
    loss, dscores = SoftmaxCrossEntropy()(scores, np.array([2, 0]))
    assert loss == pytest.approx(math.log1p(math.exp(-1)) / 2)
    assert dscores[0, 1] == 0
    assert np.isfinite(dscores).all()


@pytest.mark.parametrize(
    "labels", [BITS, 2 * BITS - 1, BITS.astype(float), BITS.astype(bool)], ids=["01", "±1", "f", "b"]
)
def test_binary_losses_as_loops_for_every_kind_of_label(labels):
    logistic = hinge = 0.0
    for s, bit in zip(BINARY, BITS, strict=True):
        t = 2 * int(bit) - 1
        logistic += math.log(1 + math.exp(-t * s)) / N
        hinge += max(0.0, 1 - t * s) / N
    assert Logistic()(BINARY, labels)[0] == pytest.approx(logistic, rel=1e-12)
    assert BinaryHinge()(BINARY, labels)[0] == pytest.approx(hinge, rel=1e-12)
    assert BinaryHinge()(BINARY, labels)[0] == pytest.approx(metrics.hinge_loss(BITS, BINARY))
    for loss in (Logistic(), BinaryHinge()):
        assert loss.score(BINARY, labels) == metrics.accuracy_score(BITS, BINARY > 0)
        assert set(loss.predict(BINARY).tolist()) <= {0, 1}


def test_logistic_probabilities_and_extremes():
    p = Logistic().probabilities(BINARY)
    assert Logistic()(BINARY, BITS)[0] == pytest.approx(metrics.log_loss(BITS, p), rel=1e-12)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-BINARY)))
    scores = np.array([800.0, -800.0, 30.0])
    loss, dscores = Logistic()(scores, np.array([0, 0, 1]))
    assert loss == pytest.approx((800 + math.log1p(math.exp(-30))) / 3)
    assert dscores[0] == pytest.approx(1 / 3)
    assert dscores[2] == pytest.approx(-math.exp(-30) / (1 + math.exp(-30)) / 3, rel=1e-12)
    assert Logistic().probabilities(scores)[0].tolist() == [0.0, 1.0]  # e⁻⁸⁰⁰ is below the smallest double
    assert Logistic().probabilities(-scores)[2] == pytest.approx([1.0, math.exp(-30)], rel=1e-12)


@pytest.mark.parametrize("margin", [1.0, 0.25, 3])
def test_multi_class_hinge_as_a_loop(margin):
    total, gradient = 0.0, np.zeros_like(SCORES)
    for n, label in enumerate(LABELS):
        for c in range(C):
            slack = SCORES[n, c] - SCORES[n, label] + margin
            if c != label and slack > 0:
                total += slack / N
                gradient[n, c] += 1 / N
                gradient[n, label] -= 1 / N
    loss, dscores = MultiClassHinge(margin=margin)(SCORES, LABELS)
    assert loss == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(dscores, gradient, rtol=1e-12, atol=1e-16)


def test_subgradient_at_a_tie_is_zero():
    assert BinaryHinge()(np.array([1.0, -1.0]), np.array([1, 0]))[1].tolist() == [0, 0]
    assert MultiClassHinge()(np.array([[1.0, 0.0]]), np.array([0]))[1].tolist() == [[0, 0]]


def test_untrained_values():
    assert SoftmaxCrossEntropy()(np.zeros((N, C)), LABELS)[0] == pytest.approx(math.log(C))
    assert MultiClassHinge()(np.zeros((N, C)), LABELS)[0] == pytest.approx(C - 1)
    assert Logistic()(np.zeros(N), BITS)[0] == pytest.approx(math.log(2))
    assert BinaryHinge()(np.zeros(N), BITS)[0] == 1


@pytest.mark.parametrize("shape", [(9,), (9, 3)])
def test_squared_error_and_r2(shape):
    y, s = RNG.normal(size=shape), RNG.normal(size=shape)
    assert SquaredError()(s, y)[0] == pytest.approx(metrics.mean_squared_error(y, s), rel=1e-12)
    assert SquaredError().score(s, y) == pytest.approx(metrics.r2_score(y, s), rel=1e-12)
    constant = y.copy()
    constant[..., 0] = 2.0
    assert SquaredError().score(s, constant) == pytest.approx(metrics.r2_score(constant, s), rel=1e-12)


def test_r2_without_variance():
    assert SquaredError().score(np.array([2.0]), np.array([2.0])) == 1
    assert SquaredError().score(np.array([2.0]), np.array([3.0])) == 0
    assert SquaredError().score(np.array([[1.0], [2.0]]), np.array([[5.0], [5.0]])) == 0


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ShapeError, lambda: SquaredError()(np.zeros((3, 1)), np.zeros(3)), r"add Squeeze\(\) .*or give y of shape"),
        (ShapeError, lambda: SquaredError()(np.zeros((3, 0)), np.zeros((3, 0))), "at least one element"),
        (ShapeError, lambda: Logistic()(np.zeros((3, 1)), np.zeros(3)), r"add Squeeze\(\)"),
        (ShapeError, lambda: Logistic().predict(np.zeros((3, 2))), r"scores have axes \(N,\)"),
        (ShapeError, lambda: MultiClassHinge()(np.zeros((3, 1)), np.zeros(3, int)), "C >= 2"),
        (ShapeError, lambda: SoftmaxCrossEntropy().probabilities(np.zeros(3)), "C >= 2"),
        (
            DataError,
            lambda: SquaredError()(np.zeros((2, 2)), np.array([[0, 1], [np.nan, 1]])),
            r"nan at index \(1, 0\)",
        ),
        (DataError, lambda: Logistic()(np.zeros(3), np.array([0, 1, -1])), "0 and 1, or -1 and"),
        (DataError, lambda: Logistic()(np.zeros(2), np.array([0, np.nan])), "0 and 1, or -1 and"),
        (DataError, lambda: SoftmaxCrossEntropy()(np.zeros((2, 3)), np.array([0, 3])), "from 0 to 2, got 3"),
        (DataError, lambda: SoftmaxCrossEntropy()(np.zeros((1, 2)), np.array([[0.5, 0.6]])), "sum to 1"),
        (DTypeError, lambda: MultiClassHinge()(np.zeros((2, 3)), np.zeros(2)), "integer class labels"),
        (ConfigError, lambda: SoftmaxCrossEntropy(class_weights=(1, 2))(np.zeros((1, 3)), np.zeros(1, int)), "hold 3"),
        (DTypeError, lambda: SoftmaxCrossEntropy(class_weights=3), "must be a list of numbers, one a class, got int 3"),
        (ConfigError, lambda: SoftmaxCrossEntropy(class_weights=(1, -1)), "class_weights must be a number >= 0"),
        (ConfigError, lambda: SoftmaxCrossEntropy(label_smoothing=1), "label_smoothing"),
        (ConfigError, lambda: BinaryHinge(margin=0), "margin must be a number > 0"),
        (DTypeError, lambda: MultiClassHinge(margin="1"), "margin must be a number"),
        (ConfigError, lambda: BinaryHinge().probabilities(np.zeros(3)), "defines no probabilities"),
    ],
)
def test_errors_say_what_was_expected(error, call, message):
    with pytest.raises(error, match=message):
        call()
