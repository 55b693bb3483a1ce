"""How far backward passes are from numerical gradients, and update rules from their formulas.

The error is that of course notebooks, max |a − n| / max(10⁻⁸, |a| + |n|), and the orders of magnitude beside it are
the ones they tell students to expect of central differences in double precision. Here the numerical side is computed
in extended precision where the platform has it, so the errors are those of the backward pass alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array, Shape
from chainrule.check.layer import draw_input, draw_params
from chainrule.errors import require_number
from chainrule.layers import Affine, BatchNorm, Conv2D, Layer, MaxPool2D, ReLU
from chainrule.optim import Adam, Momentum, RMSProp, UpdateRule
from chainrule.optim.update_rule import Step
from chainrule.summary import aligned

CASES: tuple[tuple[str, Layer, Shape, float], ...] = (
    ("affine", Affine(5), (10, 6), 1e-10),
    ("ReLU", ReLU(), (10, 10), 1e-12),
    ("batch norm", BatchNorm(), (4, 5), 1e-8),
    ("convolution", Conv2D(2, 3, padding=1), (4, 3, 5, 5), 1e-8),
    ("max pool", MaxPool2D(2), (3, 2, 8, 8), 1e-12),
)
RULE_LIMIT = 1e-8
STEPS = 5


def run(*, seed: int = 0) -> Finding:
    """Measure the errors beside the expected orders of magnitude.

    Parameters
    ----------
    seed
        Of inputs, parameters and gradients.
    """
    require_number("gradient-errors", "seed", seed, integer=True, low=0)
    rows = [(name, layer_error(layer, shape, seed), limit) for name, layer, shape, limit in CASES]
    rules: tuple[tuple[str, UpdateRule, Callable[[Array], Array]], ...] = (
        ("SGD with momentum", Momentum(1e-3), _momentum),
        ("RMSProp", RMSProp(1e-2), _rmsprop),
        ("Adam", Adam(1e-3), _adam),
    )
    rows += [(name, rule_error(rule, formula, seed), RULE_LIMIT) for name, rule, formula in rules]
    table = [(n, f"{e:.1e}", f"{limit:.0e}", "yes" if e <= limit else "NO") for n, e, limit in rows]
    data = {
        "errors": {n: {"error": e, "expected": limit} for n, e, limit in rows},
        "ok": all(e <= m for _, e, m in rows),
    }
    return Finding(aligned(("part", "error", "expected", "within"), table), data)


def relative_error(a: Array, n: Array) -> float:
    """max |a − n| / max(10⁻⁸, |a| + |n|)."""
    a, n = np.asarray(a), np.asarray(n)
    return float(np.max(abs(a - n) / np.maximum(1e-8, abs(a) + abs(n))))


def layer_error(layer: Layer, shape: Shape, seed: int) -> float:
    """The largest error of any gradient of `layer`, for a random cotangent."""
    rng = np.random.default_rng(seed)
    values = {"x": draw_input(shape, rng), **draw_params(layer, shape, rng)}
    x, params = values["x"], {n: v for n, v in values.items() if n != "x"}
    out, cache = layer.forward(x, params, train=True)
    dout = rng.normal(size=out.shape)
    gradients = layer.backward(dout, cache)
    wide = {n: v.astype(np.longdouble) for n, v in values.items()}

    def output(name: str, value: Array) -> Array:
        given = {**wide, name: value}
        return layer.forward(given["x"], {n: given[n] for n in params}, train=True)[0]

    return max(
        relative_error(gradient, _differences(lambda v, n=name: output(n, v), wide[name], dout))  # type: ignore[misc]
        for name, gradient in gradients.items()
    )


def _differences(f: Callable[[Array], Array], value: Array, dout: Array) -> Array:
    """Σ dout ∂f/∂value by central differences of fourth order, their step clear of the kinks of `draw_input`.

    Outputs are subtracted before they are summed, so that what an entry does not change is exactly 0.
    """
    h = np.longdouble(1e-4)
    slopes = np.empty(value.shape, np.longdouble)
    for index in np.ndindex(*value.shape):
        at = []
        for k in (-2, -1, 1, 2):
            moved = value.copy()
            moved[index] += k * h
            at.append(f(moved))
        slope = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * h)
        slopes[index] = (slope * dout).sum()
    return slopes


# -- update rules, each as its formula sums up over all steps ----------------------------------------------------------


def rule_error(rule: UpdateRule, formula: Callable[[Array], Array], seed: int) -> float:
    """The error of the weights after some steps against `formula`, which maps all gradients to all steps at once."""
    rng = np.random.default_rng(seed)
    w, gradients = rng.normal(size=20), rng.normal(size=(STEPS, 20))
    expected = w.astype(np.longdouble) + formula(gradients.astype(np.longdouble)).sum(axis=0)
    slots = rule.init(w)
    for number, gradient in enumerate(gradients, start=1):
        u, slots = rule.update(gradient, slots, w, Step(number))
        w = w + u
    return relative_error(w, expected)


def _means(values: Array, keep: float) -> Array:
    """After every step t, Σ_s keep^(t−s) values_s: a running sum without recursion."""
    return np.array([sum(keep ** (t - s) * values[s] for s in range(t + 1)) for t in range(len(values))])


def _momentum(g: Array) -> Array:
    return -1e-3 * _means(g, 0.9)


def _rmsprop(g: Array) -> Array:
    return -1e-2 * g / (np.sqrt((1 - 0.99) * _means(g * g, 0.99)) + 1e-8)


def _adam(g: Array) -> Array:
    t = np.arange(1, len(g) + 1)[:, None]
    m = (1 - 0.9) * _means(g, 0.9) / (1 - 0.9**t)
    v = (1 - 0.999) * _means(g * g, 0.999) / (1 - 0.999**t)
    return -1e-3 * m / (np.sqrt(v) + 1e-8)


TOPIC = Topic("gradient-errors", "Errors of backward passes and update rules beside the expected orders.", run)
