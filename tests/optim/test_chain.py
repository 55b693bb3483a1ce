"""Rules with transforms around them: clipping, L2, decoupled decay, and the order in which they act."""

from __future__ import annotations

import math

import array_api_strict
import jax.numpy as jnp
import numpy as np
import pytest

from chainrule.errors import ConfigError, DTypeError, ShapeError
from chainrule.optim import RULES, SGD, Adam, AdamW, Chain, Momentum, Step, UpdateRule
from chainrule.optim.clip import ClipNorm, ClipValue
from chainrule.optim.decay import L2, WeightDecay
from chainrule.optim.momentum import Velocity
from chainrule.optim.update_rule import BLOCK, ScaleByLearningRate, Transform

RNG = np.random.default_rng(0)
W, G = RNG.normal(size=(2, 10))
DECAY = (np.arange(10) < 6).astype(float)
STEP = Step(1, 1.0, DECAY)


def clipped(u: np.ndarray, limit: float) -> np.ndarray:
    return ClipNorm(limit).update(u, {}, u, Step(1))[0]


def test_parts_that_are_zero_or_none_are_left_out() -> None:
    rule = Chain(Adam())
    assert rule.chain == Adam().chain
    assert rule.learning_rate == Adam().learning_rate
    assert rule.slot_names == ("m", "v")


@pytest.mark.parametrize("cls", RULES)
def test_chain_of_everything_in_place_is_bitwise_the_pure_update(cls: type[UpdateRule]) -> None:
    rule = Chain(cls(), clip_value=1.5, clip_norm=2.0, l2=0.1, weight_decay=0.2)
    size = 2 * BLOCK + 5
    rng = np.random.default_rng(1)
    w, g = rng.normal(size=(2, size)).astype(np.float32)
    decay = (rng.uniform(size=size) < 0.5).astype(np.float32)
    slots = rule.init(w)
    v, own = w.copy(), rule.init(w)
    for t in range(1, 4):
        u, slots = rule.update(g, slots, w, Step(t, 0.7, decay))
        w = w + u
        rule.apply(v, g, own, Step(t, 0.7, decay))
        assert (v == w).all()
        assert all((own[n] == slots[n]).all() for n in slots)


def test_order_is_value_norm_l2_rule_decay() -> None:
    rule = Chain(SGD(0.5), clip_value=0.4, clip_norm=0.9, l2=0.1, weight_decay=0.2)
    u = np.clip(G, -0.4, 0.4)
    assert np.linalg.norm(u) > 0.9
    u = u * 0.9 / np.linalg.norm(u)
    u = -0.5 * (u + 0.1 * W * DECAY) - 0.5 * 0.2 * W * DECAY
    np.testing.assert_allclose(rule.update(G, {}, W, STEP)[0], u, rtol=1e-13)


def test_l2_is_the_gradient_of_half_lambda_w_squared() -> None:
    u, _ = L2(0.3).update(G, {}, W, STEP)
    np.testing.assert_allclose(u, G + 0.3 * W * DECAY, rtol=1e-15)
    everywhere, _ = L2(0.3).update(G, {}, W, Step(1))
    np.testing.assert_allclose(everywhere, G + 0.3 * W, rtol=1e-15)


def test_weight_decay_follows_the_schedule() -> None:
    u, _ = WeightDecay(0.3, 0.5).update(G, {}, W, Step(1, 0.1, DECAY))
    np.testing.assert_allclose(u, G - 0.5 * 0.1 * 0.3 * W * DECAY, rtol=1e-15)
    everywhere, _ = WeightDecay(0.3, 0.5).update(G, {}, W, Step(1, 0.1))
    np.testing.assert_allclose(everywhere, G - 0.5 * 0.1 * 0.3 * W, rtol=1e-15)


def test_for_sgd_l2_and_decoupled_decay_are_the_same_for_adam_they_are_not() -> None:
    for rule, same in ((SGD(0.1), True), (Adam(0.1), False)):
        slots = rule.init(W)
        l2, _ = Chain(rule, l2=0.3).update(G, slots, W, STEP)
        decoupled, _ = Chain(rule, weight_decay=0.3).update(G, slots, W, STEP)
        assert np.allclose(l2, decoupled, rtol=1e-12, atol=1e-15) is same


def test_adam_with_decoupled_decay_is_adamw() -> None:
    chain, adamw = Chain(Adam(0.01), weight_decay=0.1), AdamW(0.01, weight_decay=0.1)
    for t in (1, 2):
        a, _ = chain.update(G, adamw.init(W), W, Step(t, 0.5, DECAY))
        b, _ = adamw.update(G, adamw.init(W), W, Step(t, 0.5, DECAY))
        assert (a == b).all()


def test_slots_of_one_name_are_numbered() -> None:
    rule = Chain(Momentum())
    double = Chain(Chain(Momentum(0.1, 0.5)), l2=0.1)
    assert rule.slot_names == double.slot_names == ("velocity",)

    class Twice(UpdateRule):
        key = "twice"
        learning_rate = 0.1

        @property
        def chain(self) -> tuple[Transform, ...]:
            return (*Momentum(0.1, 0.5).chain, *Momentum(1.0, 0.9).chain)

    twice = Twice()
    assert twice.slot_names == ("velocity", "velocity2")
    w, slots = np.zeros(3), twice.init(np.zeros(3))
    for t in (1, 2):
        u, new = twice.update(np.ones(3), slots, w, Step(t))
        twice.apply(w, np.ones(3), slots, Step(t))
        assert all((slots[n] == new[n]).all() for n in new)
    assert u.tolist() == pytest.approx([0.15 + 0.9 * 0.1] * 3)  # −η each time, so the sign comes back


def test_transforms_that_see_the_whole_gradient_may_stand_anywhere() -> None:
    """Element-wise ones before, between and after two norms; the slots of each are kept."""

    class Late(UpdateRule):
        key = "late"
        learning_rate = 0.1

        @property
        def chain(self) -> tuple[Transform, ...]:
            return (Velocity(0.9), ClipNorm(0.5), Velocity(0.5, nesterov=True), ClipNorm(0.3), ScaleByLearningRate(0.1))

    rule, rng = Late(), np.random.default_rng(2)
    w, g = rng.normal(size=(2, BLOCK + 7))
    v, own, slots = w.copy(), rule.init(w), rule.init(w)
    for t in range(1, 4):
        u, slots = rule.update(g * t, slots, w, Step(t))
        w = w + u
        rule.apply(v, g * t, own, Step(t))
        assert (v == w).all()
        assert all((own[n] == slots[n]).all() and own[n].any() for n in slots)


# -- clipping -------------------------------------------------------------------------------------------------------


def test_clip_by_value() -> None:
    u, slots = ClipValue(0.5).update(np.array([-3.0, -0.5, 0.2, 0.7]), {}, W[:4], Step(1))
    assert u.tolist() == [-0.5, -0.5, 0.2, 0.5]
    assert slots == {}


def test_clip_by_norm_keeps_the_direction() -> None:
    u = clipped(G, 0.25)
    assert np.linalg.norm(u) == pytest.approx(0.25, rel=1e-14)
    np.testing.assert_allclose(u / G, u[0] / G[0], rtol=1e-13)


@pytest.mark.parametrize("limit", [1.000001, 5.0, 1e30])
def test_a_short_gradient_is_not_touched_at_all(limit: float) -> None:
    u = (G / np.linalg.norm(G)).astype(np.float32)
    assert (clipped(u, limit) == u).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_clip_by_norm_at_the_ends_of_the_range(dtype: str, n: int) -> None:
    limits = np.finfo(dtype)
    for size in (limits.max, limits.max / 2, limits.tiny, limits.smallest_subnormal):
        u = np.full(n, -size, dtype)  # its norm overflows, or its squares vanish
        for given in (1.0, 1e-20, 1e20, 1e300):
            out = clipped(u, given)
            limit = min(given, float(limits.max))  # a limit beyond the dtype counts as its largest number
            assert out.dtype == u.dtype
            true = float(np.longdouble(size) * math.sqrt(n)) if dtype != "longdouble" else math.inf
            if true < limit * 0.99:
                assert (out == u).all()
            elif dtype != "longdouble" and true < float(limits.max) and true > limit * 1.01:
                np.testing.assert_allclose(out, -limit / math.sqrt(n), rtol=1e-5)
            assert np.isfinite(out).all()
            assert (out < 0).all()
            assert (abs(out) <= abs(u)).all()


def test_an_overflowing_norm_still_clips_to_the_limit() -> None:
    u = np.array([3e38, -3e38, 0.0], np.float32)
    np.testing.assert_allclose(clipped(u, 2.0), np.array([1, -1, 0]) * math.sqrt(2), rtol=1e-6)


def test_clip_by_norm_where_squares_vanish() -> None:
    u = np.array([3e-30, -4e-30], np.float32)
    np.testing.assert_allclose(clipped(u, 1e-32), [0.6e-32, -0.8e-32], rtol=1e-6)


def test_a_gradient_of_exactly_the_limit_is_not_touched() -> None:
    seen = 0
    for seed in range(200):
        u = np.random.default_rng(seed).normal(size=5)
        largest = abs(u).max()
        length = np.sqrt(np.sum((u / largest) ** 2))
        limit = float(largest * length)
        if limit / length == largest:
            seen += not np.array_equal(u / largest * largest, u)
            assert (clipped(u, limit) == u).all()
    assert seen > 10  # rounding would show in so many of them


def test_clip_by_norm_of_nothing_and_of_zeros() -> None:
    assert clipped(np.zeros(0), 1.0).shape == (0,)
    assert clipped(np.zeros(3), 1.0).tolist() == [0, 0, 0]
    w = np.zeros(0)
    Chain(Adam(), clip_norm=1.0).apply(w, w, Adam().init(w), Step(1))


@pytest.mark.parametrize("xp", [array_api_strict, jnp])
def test_chains_run_on_other_libraries(xp: object) -> None:
    rule = Chain(AdamW(0.1), clip_value=1.0, clip_norm=0.5, l2=0.1, weight_decay=0.2)
    asarray = xp.asarray  # type: ignore[attr-defined]
    u, _ = rule.update(asarray(G), rule.init(asarray(W)), asarray(W), Step(2, 0.5, asarray(DECAY)))
    expected, _ = rule.update(G, rule.init(W), W, Step(2, 0.5, DECAY))
    np.testing.assert_allclose(np.asarray(u), expected, rtol=1e-6)


def test_the_whole_gradient_counts_not_the_block() -> None:
    g = np.zeros(3 * BLOCK)
    g[[0, BLOCK, 2 * BLOCK]] = 1.0
    w = np.zeros_like(g)
    Chain(SGD(1.0), clip_norm=1.0).apply(w, g, {}, Step(1))
    assert np.linalg.norm(w) == pytest.approx(1.0, rel=1e-14)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.5])
@pytest.mark.parametrize("argument", ["clip_value", "clip_norm", "l2", "weight_decay"])
def test_numbers_outside_their_interval(argument: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=f"Chain: {argument} must be a number .*, got {bad!r}"):
        Chain(SGD(), **{argument: bad})  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["clip_value", "clip_norm"])
def test_a_limit_of_zero_would_stop_training(argument: str) -> None:
    with pytest.raises(ConfigError, match=f"Chain: {argument} must be a number > 0, got 0"):
        Chain(SGD(), **{argument: 0})  # type: ignore[arg-type]


def test_wrong_kinds() -> None:
    with pytest.raises(DTypeError, match="Chain: rule must be an update rule, got str 'sgd'"):
        Chain("sgd")  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="Chain: clip_norm must be a number, got str '1'"):
        Chain(SGD(), clip_norm="1")  # type: ignore[arg-type]
    for transform, name in ((ClipValue, "limit"), (ClipNorm, "limit"), (L2, "reg")):
        with pytest.raises(ConfigError, match=f"{transform.__name__}: {name} must be"):
            transform(-1.0)
    for arguments, name in (((-1.0, 0.1), "weight_decay"), ((0.1, -1.0), "learning_rate")):
        with pytest.raises(ConfigError, match=f"WeightDecay: {name} must be"):
            WeightDecay(*arguments)


def test_scale_by_learning_rate_is_minus_eta_times_the_factor() -> None:
    assert ScaleByLearningRate(0.5).update(np.array([2.0]), {}, W[:1], Step(9, 0.25))[0].tolist() == [-0.25]


@pytest.mark.parametrize("method", ["update", "apply"])
def test_steps_are_checked(method: str) -> None:
    rule, w = Adam(), np.ones(3)
    for step, error, message in (
        (Step(0), ConfigError, r"step.number must be an integer >= 1, got 0"),
        (Step(1.5), DTypeError, r"step.number must be an integer, got float 1.5"),  # type: ignore[arg-type]
        (3, DTypeError, r"step must be a Step, got int 3"),
        (Step(1, 1.0, np.ones(2)), ShapeError, r"step.decay must have the shape of w, \(3,\), got \(2,\)"),
    ):
        with pytest.raises(error, match=message):
            rule.update(w, rule.init(w), w, step) if method == "update" else rule.apply(w, w, rule.init(w), step)
