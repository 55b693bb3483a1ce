"""Every update rule: state in, state out, in place as pure, the papers' formulas, other libraries' numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from chainrule.errors import ChainruleError, ConfigError, DTypeError, ShapeError
from chainrule.optim import (
    RULES,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Nesterov,
    RMSProp,
    Step,
    UpdateRule,
)
from chainrule.optim.update_rule import BLOCK

jax.config.update("jax_enable_x64", True)


def other_numbers(cls: type[UpdateRule]) -> UpdateRule:
    """An instance whose every hyperparameter differs from its default."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return cls(**{f.name: 0.7 * f.default if f.default else 0.3 for f in fields})


EXAMPLES = [rule for cls in RULES for rule in (cls(), other_numbers(cls))]
every_rule = pytest.mark.parametrize("rule", EXAMPLES, ids=repr)


def problem(size: int, dtype: str = "float64", seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters, a gradient with some zeros, and a decay mask."""
    rng = np.random.default_rng(seed)
    w, g = rng.normal(size=(2, size)).astype(dtype)
    g[::7] = 0
    return w, g, (rng.uniform(size=size) < 0.5).astype(dtype)


def filled(rule: UpdateRule, w: np.ndarray) -> dict[str, np.ndarray]:
    """Slots as they could be after some steps: positive, none of them equal."""
    rng = np.random.default_rng(1)
    return {n: rng.uniform(0.1, 1.0, w.shape).astype(w.dtype) for n in rule.slot_names}


def test_keys_are_distinct() -> None:
    assert len({rule.key for rule in RULES}) == len(RULES)


@every_rule
@pytest.mark.parametrize("size", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_in_place_is_bitwise_the_pure_update(rule: UpdateRule, size: int) -> None:
    w, g, decay = problem(size, "float32")
    slots = filled(rule, w)
    for step in (Step(3, 0.5, decay), Step(1, 1.0, None)):
        u, new = rule.update(g, slots, w, step)
        v, own = w.copy(), {n: s.copy() for n, s in slots.items()}
        rule.apply(v, g, own, step)
        assert (v == w + u).all()
        assert set(own) == set(new) == set(rule.slot_names)
        for name in own:
            assert (own[name] == new[name]).all(), name


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_update_is_pure_and_keeps_the_dtype(rule: UpdateRule, dtype: str) -> None:
    w, g, decay = problem(9, dtype)
    slots = filled(rule, w)
    arrays = [w, g, decay, *slots.values()]
    for array in arrays:
        array.setflags(write=False)
    before = [a.copy() for a in arrays]
    u, new = rule.update(g, slots, w, Step(2, 0.5, decay))
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))
    assert {a.dtype for a in (u, *new.values())} == {np.dtype(dtype)}
    assert {a.shape for a in (u, *new.values())} == {(9,)}
    assert not any(np.shares_memory(a, b) for a in (u, *new.values()) for b in arrays)
    again, newer = rule.update(g, slots, w, Step(2, 0.5, decay))
    assert (again == u).all()
    assert all((newer[n] == new[n]).all() for n in new)


@every_rule
def test_gradient_is_not_changed_in_place(rule: UpdateRule) -> None:
    w, g, decay = problem(BLOCK + 1)
    before = g.copy(), decay.copy()
    rule.apply(w, g, rule.init(w), Step(1, 1.0, decay))
    assert (g == before[0]).all()
    assert (decay == before[1]).all()


@every_rule
@pytest.mark.parametrize("shape", [(6,), (2, 3), ()])
def test_slots_start_at_zero_in_the_shape_of_the_parameters(rule: UpdateRule, shape: tuple[int, ...]) -> None:
    slots = rule.init(np.ones(shape, np.float32))
    assert tuple(slots) == rule.slot_names
    for slot in slots.values():
        assert slot.shape == shape
        assert slot.dtype == np.float32
        assert not slot.any()
    assert len({id(s) for s in slots.values()}) == len(slots)


@every_rule
def test_other_array_libraries_give_the_same_numbers(rule: UpdateRule) -> None:
    w, g, decay = problem(8)
    expected, slots = w, rule.init(w)
    libraries = {"strict": array_api_strict, "jax": jnp}
    own = {k: (xp.asarray(w), rule.init(xp.asarray(w))) for k, xp in libraries.items()}
    jitted = jax.jit(lambda g, s, w, d: rule.update(g, s, w, Step(number=2, factor=0.5, decay=d)))
    for step in (Step(1, 0.5, decay), Step(2, 0.5, decay)):
        u, slots = rule.update(g, slots, expected, step)
        expected = expected + u
        for k, xp in libraries.items():
            v, s = own[k]
            here = step._replace(decay=xp.asarray(decay))
            if k == "jax" and step.number == 2:
                u, s = jitted(xp.asarray(g), s, v, here.decay)
            else:
                u, s = rule.update(xp.asarray(g), s, v, here)
            own[k] = v + u, s
            assert type(u) is type(xp.asarray(w))
            np.testing.assert_allclose(np.asarray(own[k][0]), expected, rtol=1e-12)
            for name in slots:
                np.testing.assert_allclose(np.asarray(s[name]), slots[name], rtol=1e-12)


@every_rule
def test_schedule_factor_scales_the_step_like_the_learning_rate(rule: UpdateRule) -> None:
    w, g, decay = problem(7)
    scaled = dataclasses.replace(rule, learning_rate=rule.learning_rate * 0.25)  # type: ignore[type-var]
    by_factor, slots = rule.update(g, rule.init(w), w, Step(1, 0.25, decay))
    by_rate, slots_too = scaled.update(g, rule.init(w), w, Step(1, 1.0, decay))
    np.testing.assert_allclose(by_factor, by_rate, rtol=1e-14)
    for name in slots:
        np.testing.assert_allclose(slots[name], slots_too[name], rtol=1e-14)
    full, _ = rule.update(g, rule.init(w), w, Step(1, 1.0, decay))
    np.testing.assert_allclose(by_factor, 0.25 * full, rtol=1e-14)  # all of these are linear in η at the first step


@every_rule
def test_a_learning_rate_of_zero_freezes(rule: UpdateRule) -> None:
    w, g, _ = problem(7)
    frozen = dataclasses.replace(rule, learning_rate=0.0)  # type: ignore[type-var]
    v, slots = w.copy(), rule.init(w)
    for t in range(1, 4):
        frozen.apply(v, g, slots, Step(t))
    assert (v == w).all()


@every_rule
def test_decay_touches_weights_only(rule: UpdateRule) -> None:
    w, g, decay = problem(40)
    nowhere, _ = rule.update(g, rule.init(w), w, Step(1, 1.0, np.zeros_like(w)))
    masked, _ = rule.update(g, rule.init(w), w, Step(1, 1.0, decay))
    everywhere, _ = rule.update(g, rule.init(w), w, Step(1, 1.0, None))
    weights = decay == 1
    assert (masked[~weights] == nowhere[~weights]).all()
    assert (masked[weights] == everywhere[weights]).all()
    pull = getattr(rule, "weight_decay", 0.0) * rule.learning_rate
    np.testing.assert_allclose(nowhere - everywhere, pull * w, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("cls", RULES)
def test_every_rule_goes_down_a_convex_bowl(cls: type[UpdateRule]) -> None:
    rng = np.random.default_rng(3)
    curvature, target = rng.uniform(0.5, 2.0, 12), rng.normal(size=12)
    rule = cls(learning_rate=max(cls().learning_rate, 0.02))
    w = rng.normal(size=12)
    slots = rule.init(w)
    losses = []
    for t in range(1, 401):
        losses.append(float(np.sum(curvature * (w - target) ** 2) / 2))
        rule.apply(w, curvature * (w - target), slots, Step(t, 1.0, np.zeros_like(w)))
    assert losses[-1] < 0.5 * losses[0]
    assert max(losses[1:]) < 1.2 * losses[0]


# -- a second implementation, from the papers, one scalar at a time -------------------------------------------------


def _sgd(r: SGD, w: float, gradients: Sequence[float]) -> list[float]:
    path = []
    for g in gradients:
        w = w - r.learning_rate * g
        path.append(w)
    return path


def _momentum(r: Momentum, w: float, gradients: Sequence[float]) -> list[float]:
    v, path = 0.0, []
    for g in gradients:
        v = r.momentum * v - r.learning_rate * g
        w = w + v
        path.append(w)
    return path


def _nesterov(r: Nesterov, w: float, gradients: Sequence[float]) -> list[float]:
    """Sutskever et al. keep θ and take the gradient at θ + μ v; the rule's w is that point."""
    theta, v, path = w, 0.0, []
    for g in gradients:
        v = r.momentum * v - r.learning_rate * g
        theta = theta + v
        path.append(theta + r.momentum * v)
    return path


def _adagrad(r: AdaGrad, w: float, gradients: Sequence[float]) -> list[float]:
    path: list[float] = []
    for t, g in enumerate(gradients, 1):
        w = w - r.learning_rate * g / (math.sqrt(sum(h * h for h in gradients[:t])) + r.epsilon)
        path.append(w)
    return path


def _rmsprop(r: RMSProp, w: float, gradients: Sequence[float]) -> list[float]:
    mean, path = 0.0, []
    for g in gradients:
        mean = r.decay_rate * mean + (1 - r.decay_rate) * g**2
        w = w - r.learning_rate * g / (math.sqrt(mean) + r.epsilon)
        path.append(w)
    return path


def _adadelta(r: AdaDelta, w: float, gradients: Sequence[float]) -> list[float]:
    def rms(mean: float) -> float:
        return math.sqrt(mean + r.epsilon)

    mean_g, mean_dx, path = 0.0, 0.0, []
    for g in gradients:
        mean_g = r.decay_rate * mean_g + (1 - r.decay_rate) * g**2
        dx = -rms(mean_dx) / rms(mean_g) * g
        mean_dx = r.decay_rate * mean_dx + (1 - r.decay_rate) * dx**2
        w = w + r.learning_rate * dx
        path.append(w)
    return path


def _adam(r: Adam | AdamW, w: float, gradients: Sequence[float]) -> list[float]:
    """The moments as the sums they stand for, with the weights that the paper's section 3 derives."""
    decay = getattr(r, "weight_decay", 0.0)
    path = []
    for t in range(1, len(gradients) + 1):
        weights1 = [(1 - r.beta1) * r.beta1 ** (t - i) for i in range(1, t + 1)]
        weights2 = [(1 - r.beta2) * r.beta2 ** (t - i) for i in range(1, t + 1)]
        m_hat = sum(a * g for a, g in zip(weights1, gradients[:t], strict=True)) / sum(weights1)
        v_hat = sum(a * g * g for a, g in zip(weights2, gradients[:t], strict=True)) / sum(weights2)
        w = w - r.learning_rate * (m_hat / (math.sqrt(v_hat) + r.epsilon) + decay * w)
        path.append(w)
    return path


def _lion(r: Lion, w: float, gradients: Sequence[float]) -> list[float]:
    m, path = 0.0, []
    for g in gradients:
        c = r.beta1 * m + (1 - r.beta1) * g
        w = w - r.learning_rate * ((c > 0) - (c < 0) + r.weight_decay * w)
        m = r.beta2 * m + (1 - r.beta2) * g
        path.append(w)
    return path


ORACLES: dict[type[UpdateRule], Callable[..., list[float]]] = {
    SGD: _sgd,
    Momentum: _momentum,
    Nesterov: _nesterov,
    AdaGrad: _adagrad,
    RMSProp: _rmsprop,
    AdaDelta: _adadelta,
    Adam: _adam,
    AdamW: _adam,
    Lion: _lion,
}


def test_every_rule_has_an_oracle() -> None:
    assert set(ORACLES) == set(RULES)


def coarse(rule: UpdateRule) -> UpdateRule:
    """The same rule with an epsilon large enough that its place in the formula shows."""
    return dataclasses.replace(rule, epsilon=0.05) if hasattr(rule, "epsilon") else rule  # type: ignore[type-var]


@every_rule
@pytest.mark.parametrize("change", [lambda rule: rule, coarse], ids=["epsilon", "coarse epsilon"])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_five_steps_agree_with_the_papers(
    rule: UpdateRule, change: Callable[[UpdateRule], UpdateRule], scale: float
) -> None:
    rule = change(rule)
    rng = np.random.default_rng(4)
    w, gradients = rng.normal(size=6), scale * rng.normal(size=(5, 6))
    start, slots = w.copy(), rule.init(w)
    for t, g in enumerate(gradients, 1):
        rule.apply(w, g, slots, Step(t))
        expected = [ORACLES[type(rule)](rule, float(start[i]), gradients[:t, i].tolist())[-1] for i in range(6)]
        np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-13)


def test_lion_takes_the_sign_of_the_weighted_mean() -> None:
    """Gradients that almost outweigh, and that just outweigh, the momentum."""
    rule, m = Lion(0.1, 0.9, 0.99), np.array([1.0, 1.0, -1.0, -1.0, 0.0])
    g = np.array([-8.5, -9.5, 8.5, 9.5, 0.0])
    u, new = rule.update(g, {"m": m}, np.zeros(5), Step(1))
    assert u.tolist() == [-0.1, 0.1, 0.1, -0.1, 0.0]
    np.testing.assert_allclose(new["m"], 0.99 * m + 0.01 * g, rtol=1e-14)


# -- other people's numbers -----------------------------------------------------------------------------------------

TORCH = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (Momentum(0.1, 0.8), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8)),
    (Nesterov(0.1, 0.8), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True)),
    (Adam(0.01, 0.8, 0.95, 1e-3), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-3)),
    (
        AdamW(0.01, 0.8, 0.95, 1e-3, 0.2),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2),
    ),
    (AdaGrad(0.1, 1e-3), lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-3)),
    (RMSProp(0.01, 0.9, 1e-3), lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3)),
    (AdaDelta(0.5, 0.8, 1e-3), lambda p: torch.optim.Adadelta(p, lr=0.5, rho=0.8, eps=1e-3)),
]


@pytest.mark.parametrize(("rule", "make"), TORCH, ids=[repr(rule) for rule, _ in TORCH])
def test_pytorch_takes_the_same_steps(rule: UpdateRule, make: Callable[..., torch.optim.Optimizer]) -> None:
    rng = np.random.default_rng(5)
    w, curvature = rng.normal(size=10), rng.uniform(0.5, 2, 10)
    theirs = torch.tensor(w.copy(), requires_grad=True)
    optimizer, slots = make([theirs]), rule.init(w)
    for t in range(1, 21):
        theirs.grad = torch.tensor(curvature) * theirs.detach()
        optimizer.step()
        rule.apply(w, curvature * w, slots, Step(t))
    np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-6, atol=1e-12)


# The expected numbers are those printed in Stanford CS231n's second assignment (FullyConnectedNets notebook).
W, DW = np.linspace(-0.4, 0.6, 20), np.linspace(-0.6, 0.4, 20)
CLIMB = np.linspace(0.6, 0.9, 20)
# fmt: off
COURSE = [
    (Momentum(1e-3, 0.9), 1, {"velocity": CLIMB}, [
        0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789, 0.47454737, 0.54133684, 0.60812632, 0.67491579,
        0.74170526, 0.80849474, 0.87528421, 0.94207368, 1.00886316, 1.07565263, 1.14244211, 1.20923158, 1.27602105,
        1.34281053, 1.4096,
    ], {"velocity": [
        0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158, 0.61138947, 0.62554737, 0.63970526, 0.65386316,
        0.66802105, 0.68217895, 0.69633684, 0.71049474, 0.72465263, 0.73881053, 0.75296842, 0.76712632, 0.78128421,
        0.79544211, 0.8096,
    ]}),
    (RMSProp(1e-2, 0.99, 1e-8), 1, {"cache": CLIMB}, [
        -0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247, -0.132737, -0.08078555, -0.02881884,
        0.02316247, 0.07515774, 0.12716641, 0.17918792, 0.23122175, 0.28326742, 0.33532447, 0.38739248, 0.43947102,
        0.49155973, 0.54365823, 0.59576619,
    ], {"cache": [
        0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321, 0.67329252, 0.68859723, 0.70395734, 0.71937285,
        0.73484377, 0.75037008, 0.7659518, 0.78158892, 0.79728144, 0.81302936, 0.82883269, 0.84469141, 0.86060554,
        0.87657507, 0.8926,
    ]}),
    (Adam(1e-2, 0.9, 0.999, 1e-8), 6, {"m": CLIMB, "v": np.linspace(0.7, 0.5, 20)}, [
        -0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977, -0.1380274, -0.08544591, -0.03286534,
        0.01971428, 0.0722929, 0.1248705, 0.17744702, 0.23002243, 0.28259667, 0.33516969, 0.38774145, 0.44031188,
        0.49288093, 0.54544852, 0.59801459,
    ], {"m": [
        0.48, 0.49947368, 0.51894737, 0.53842105, 0.55789474, 0.57736842, 0.59684211, 0.61631579, 0.63578947,
        0.65526316, 0.67473684, 0.69421053, 0.71368421, 0.73315789, 0.75263158, 0.77210526, 0.79157895, 0.81105263,
        0.83052632, 0.85,
    ], "v": [
        0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853, 0.64683452, 0.63628604, 0.6257431, 0.61520571,
        0.60467385, 0.59414753, 0.58362676, 0.57311152, 0.56260183, 0.55209767, 0.54159906, 0.53110598, 0.52061845,
        0.51013645, 0.49966,
    ]}),
]
# fmt: on


@pytest.mark.parametrize(("rule", "number", "slots", "next_w", "next_slots"), COURSE, ids=lambda v: None)
def test_cs231n_notebook_numbers(
    rule: UpdateRule,
    number: int,
    slots: dict[str, np.ndarray],
    next_w: list[float],
    next_slots: dict[str, list[float]],
) -> None:
    u, new = rule.update(DW, slots, W, Step(number))
    np.testing.assert_allclose(W + u, next_w, atol=1e-8)
    for name, expected in next_slots.items():
        np.testing.assert_allclose(new[name], expected, atol=1e-8)


# -- bad input ------------------------------------------------------------------------------------------------------

#: The interval that a hyperparameter's name promises.
OUTSIDE = {
    "learning_rate": (-1e-9, math.nan, math.inf),
    "momentum": (-0.1, 1.0, math.nan),
    "beta1": (-0.1, 1.0, 1.5),
    "beta2": (-0.1, 1.0, math.nan),
    "decay_rate": (-0.1, 1.0, math.inf),
    "epsilon": (0.0, -1e-8, math.nan),
    "weight_decay": (-1e-9, math.nan),
}


@pytest.mark.parametrize("cls", RULES)
def test_hyperparameters_are_checked(cls: type[UpdateRule]) -> None:
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        for value in OUTSIDE[field.name]:
            with pytest.raises(ConfigError, match=rf"{cls.key}: {field.name} must be a number .*, got {value!r}"):
                cls(**{field.name: value})
        for value in ("0.1", None, True, [0.1], np.ones(2), 1j):
            with pytest.raises(DTypeError, match=f"{cls.key}: {field.name} must be a number, got "):
                cls(**{field.name: value})
        cls(**{field.name: np.float32(0.25)})  # NumPy's scalars are numbers too


@every_rule
def test_arrays_are_checked_before_anything_is_changed(rule: UpdateRule) -> None:
    w, g, _ = problem(4)
    slots = rule.init(w)
    bad: list[tuple[tuple, type[ChainruleError]]] = [
        ((g[:3], slots, w), ShapeError),
        ((g[:1], slots, w), ShapeError),
        ((g[:, None], slots, w), ShapeError),
        ((g.tolist(), slots, w), DTypeError),
        ((g, None, w), ConfigError),
    ]
    if slots:
        bad += [((g, {}, w), ConfigError), ((g, {n: s[:2] for n, s in slots.items()}, w), ShapeError)]
    for (gradient, own, weights), error in bad:
        with pytest.raises(error, match=rf"{rule.key}: .* must .*, got"):
            rule.update(gradient, own, weights, Step(1))
        with pytest.raises(error):
            rule.apply(weights, gradient, own, Step(1))
    assert (w == problem(4)[0]).all()
