"""The kinds of layer that are recognised by name, each with the arguments it takes and the right gradients.

One line of `KINDS` declares a kind: how functions of that kind are called, the roles of their arguments, and layouts.
A layout is a list of cases (role -> shape, or a value), the first layout whose first case the function accepts is used.
Sizes differ from each other wherever they may, because equal sizes hide transposed and swapped axes; 1 and 2 are
avoided, because a batch of 2 makes "divided by N" and "halved" the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.layer import draw_input
from chainrule.errors import ConfigError, unknown


@dataclass(frozen=True)
class Labels:
    """Integer classes (0 to `classes` − 1), or binary labels of two given values."""

    shape: tuple[int, ...]
    classes: int = 4
    values: tuple[float, ...] | None = None

    def draw(self, rng: np.random.Generator) -> Array:
        """At least two different ones."""
        n = int(np.prod(self.shape))
        labels = rng.permutation(np.arange(n) % self.classes).reshape(self.shape)
        return labels if self.values is None else np.asarray(self.values)[labels]


@dataclass(frozen=True)
class OneHot:
    """Rows with one 1."""

    shape: tuple[int, int]

    def draw(self, rng: np.random.Generator) -> Array:
        """One row a label."""
        return np.eye(self.shape[1])[rng.permutation(np.arange(self.shape[0]) % self.shape[1])]


@dataclass(frozen=True)
class Positive:
    """Numbers between 0.5 and 1.5: a variance."""

    shape: tuple[int, ...]

    def draw(self, rng: np.random.Generator) -> Array:
        """Uniform."""
        return rng.uniform(0.5, 1.5, self.shape)


Case = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of layer or loss.

    name: as reports use it. pattern: a regular expression for the function's name in lower case, less "forward".
    roles: of the positional arguments, in order. options: roles that are taken by name only. layouts: see above.
    equations: role -> the right gradient, for the roles that have one. loss: whether it returns (loss, gradient).
    elementwise: whether each output depends on its own input only.
    """

    name: str
    pattern: str
    roles: tuple[str, ...]
    layouts: tuple[tuple[Case, ...], ...]
    equations: Mapping[str, str]
    options: tuple[str, ...] = ()
    loss: bool = False
    elementwise: bool = False

    @property
    def gradients(self) -> tuple[str, ...]:
        """The roles that a backward pass returns gradients of."""
        return tuple(r for r in self.roles if r in self.equations)


X2 = ({"x": (5, 3)}, {"x": (3, 7)})
X4 = ({"x": (3, 2, 4, 5)}, {"x": (2, 3, 3, 4)})
POINTWISE = ((*X2, {"x": (2, 3, 2, 2)}),)
CHAIN = "dx = dout * {}"
_WEIGHTS = {"dx": "dout @ w.T", "dw": "x.T @ dout", "db": "dout.sum(axis=0)"}
AFFINE = {
    "x": "dx = (dout @ w.T).reshape(x.shape)",
    "w": "dw = x.reshape(N, -1).T @ dout",
    "b": "db = dout.sum(axis=0)",
}
AFFINE_LAYOUTS: tuple[tuple[Case, ...], ...] = (
    (
        {"x": (5, 3), "w": (3, 4), "b": (4,)},
        {"x": (3, 7), "w": (7, 5), "b": (5,)},
        {"x": (4, 2, 3), "w": (6, 5), "b": (5,)},
    ),
    ({"x": (5, 3), "w": (3, 4), "b": (1, 4)}, {"x": (3, 7), "w": (7, 5), "b": (1, 5)}),
    ({"x": (5, 3), "w": (4, 3), "b": (4,)}, {"x": (3, 7), "w": (5, 7), "b": (5,)}),
    ({"x": (3, 5), "w": (4, 3), "b": (4, 1)}, {"x": (7, 3), "w": (5, 7), "b": (5, 1)}),
)
NORM = {
    "x": "dxhat = dout * gamma;  dx = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / sqrt(var + eps)",
    "gamma": "dgamma = (dout * xhat).sum(axis=0)",
    "beta": "dbeta = dout.sum(axis=0)",
}
LAYER_NORM = {
    **NORM,
    "x": "dxhat = dout * gamma;  dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / std, means over each row",
}
MAPS_NORM = {
    "x": "the same as batch normalisation, with means over every axis that is normalised together",
    "gamma": "dgamma = (dout * xhat).sum(axis=(0, 2, 3))",
    "beta": "dbeta = dout.sum(axis=(0, 2, 3))",
}
CONV = {
    "x": "dx_padded[n, :, i*s:i*s+HH, j*s:j*s+WW] += w[f] * dout[n, f, i, j];  dx = dx_padded without the padding",
    "w": "dw[f] += x_padded[n, :, i*s:i*s+HH, j*s:j*s+WW] * dout[n, f, i, j]",
    "b": "db = dout.sum(axis=(0, 2, 3))",
}
_POOLS = tuple(
    {
        "x": shape,
        "pool_param": {"pool_height": h, "pool_width": w, "stride": s},
        "stride": s,
        "size": h,
    }
    for shape, h, w, s in (((2, 3, 4, 6), 2, 2, 2), ((2, 2, 5, 5), 3, 3, 2), ((3, 2, 4, 6), 2, 3, 2))
)
_POOLS_LAST = tuple(
    {"x": shape, "pool_param": {"f": k, "stride": s, "pad": 0}}
    for shape, k, s in (((2, 4, 6, 3), 2, 2), ((2, 5, 5, 2), 3, 2))
)
_CONVS = tuple(
    {"x": x, "w": w, "b": (w[0],), "conv_param": {"stride": s, "pad": p}, "stride": s, "pad": p}
    for x, w, s, p in (((3, 2, 3, 4), (4, 2, 3, 3), 1, 1), ((2, 3, 5, 4), (2, 3, 3, 2), 2, 1))
)
_CONVS_LAST = tuple(
    {"x": x, "w": w, "b": (1, 1, 1, w[3]), "conv_param": {"stride": s, "pad": p}}
    for x, w, s, p in (((3, 3, 4, 2), (3, 3, 2, 4), 1, 1), ((2, 5, 5, 3), (3, 3, 3, 2), 2, 1))
)
_BN = {"mode": "train"}
_DROPS = tuple(
    {"x": shape, "dropout_param": {"mode": mode, "p": p, "seed": 123}, "p": p, "mode": mode}
    for shape, mode, p in (((5, 6), "train", 0.7), ((6, 7), "train", 0.6), ((3, 4), "test", 0.7))
)
_SCORES: tuple[tuple[Case, ...], ...] = (
    ({"x": (5, 4), "y": Labels((5,), 4), "reg": 0.3}, {"x": (3, 6), "y": Labels((3,), 6), "reg": 0.7}),
    ({"x": (5, 4), "y": OneHot((5, 4)), "reg": 0.3}, {"x": (3, 6), "y": OneHot((3, 6)), "reg": 0.7}),
)
_CLASSIFIERS: tuple[tuple[Case, ...], ...] = (
    (
        {"w": (6, 4), "x": (5, 6), "y": Labels((5,), 4), "reg": 0.3},
        {"w": (4, 3), "x": (7, 4), "y": Labels((7,), 3), "reg": 0.7},
    ),
    (
        {"w": (6, 4), "x": (5, 6), "y": OneHot((5, 4)), "reg": 0.3},
        {"w": (4, 3), "x": (7, 4), "y": OneHot((7, 3)), "reg": 0.7},
    ),
    (
        {"w": (6,), "x": (5, 6), "y": Labels((5,), 2), "reg": 0.3},
        {"w": (4,), "x": (7, 4), "y": Labels((7,), 2), "reg": 0.7},
    ),
)
_BINARY: tuple[tuple[Case, ...], ...] = tuple(
    (
        {"x": (5, *tail), "y": Labels((5, *tail), 2, values), "reg": 0.3},
        {"x": (7, *tail), "y": Labels((7, *tail), 2, values), "reg": 0.7},
    )
    for tail in ((), (1,))
    for values in (None, (-1, 1))
)
_PAIRS: tuple[tuple[Case, ...], ...] = (
    ({"x": (5, 3), "y": (5, 3)}, {"x": (4, 7), "y": (4, 7)}),
    ({"x": (5,), "y": (5,)},),
)
_RNN = ("x", "prev_h", "Wx", "Wh", "b")


def _pointwise(name: str, pattern: str, derivative: str, **options: Any) -> Kind:
    return Kind(name, pattern, ("x",), POINTWISE, {"x": CHAIN.format(derivative)}, elementwise=True, **options)


#: Every kind, the more special patterns first.
KINDS: tuple[Kind, ...] = (
    Kind(
        "softmax classifier",
        r"(softmax|cross_?entropy|logistic).*|^loss.*|cost",
        ("w", "x", "y"),
        _CLASSIFIERS,
        {"w": "dW = x.T @ (probabilities - one_hot(y)) / N + the regulariser's gradient"},
        options=("reg",),
        loss=True,
    ),
    Kind(
        "svm classifier",
        r"svm|hinge",
        ("w", "x", "y"),
        _CLASSIFIERS,
        {"w": "dW = x.T @ (margins > 0, minus their count at the right class) / N + the regulariser's gradient"},
        options=("reg",),
        loss=True,
    ),
    Kind(
        "softmax loss",
        r"softmax.*loss|cross_?entropy|softmax_?with|nll|log_?loss|softmax_ce",
        ("x", "y"),
        _SCORES,
        {"x": "dx = (softmax(x) - one_hot(y)) / N"},
        loss=True,
    ),
    Kind(
        "svm loss",
        r"svm|hinge",
        ("x", "y"),
        (_SCORES[0], *_BINARY),
        {"x": "dx = (x - x_y + 1 > 0);  dx[n, y_n] = -number of the others in row n;  dx /= N"},
        loss=True,
    ),
    Kind(
        "logistic loss",
        r"logistic.*loss|bce|binary.*entropy|sigmoid.*(loss|entropy)",
        ("x", "y"),
        _BINARY,
        {"x": "dx = (sigmoid(x) - y) / N"},
        loss=True,
    ),
    Kind(
        "squared error",
        r"mse|squared|l2_?loss|mean_?square|quadratic|^sse|euclid",
        ("x", "y"),
        _PAIRS,
        {"x": "dx = 2 * (x - y) / the number that the loss is divided by"},
        loss=True,
    ),
    Kind(
        "absolute error", r"mae|l1_?loss|huber|smooth_?l1", ("x", "y"), _PAIRS, {"x": "dx = sign(x - y) / N"}, loss=True
    ),
    Kind(
        "conv-relu-pool",
        r"conv.*pool",
        ("x", "w", "b", "conv_param", "pool_param"),
        (
            (
                {
                    "x": (2, 2, 4, 6),
                    "w": (3, 2, 3, 3),
                    "b": (3,),
                    "conv_param": {"stride": 1, "pad": 1},
                    "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2},
                },
            ),
        ),
        CONV,
    ),
    Kind(
        "conv-bn-relu",
        r"conv_?(bn|batch)",
        ("x", "w", "b", "gamma", "beta", "conv_param", "bn_param"),
        (
            (
                {
                    "x": (3, 2, 3, 4),
                    "w": (4, 2, 3, 3),
                    "b": (4,),
                    "gamma": (4,),
                    "beta": (4,),
                    "conv_param": {"stride": 1, "pad": 1},
                    "bn_param": _BN,
                },
            ),
        ),
        {**CONV, **MAPS_NORM},
    ),
    Kind("conv", r"conv", ("x", "w", "b", "conv_param"), (_CONVS, _CONVS_LAST), CONV, options=("stride", "pad")),
    Kind(
        "max pool",
        r"max_?pool|^pool",
        ("x", "pool_param"),
        (_POOLS, _POOLS_LAST),
        {"x": "dx[window][first maximum] += dout[n, c, i, j]"},
        options=("stride", "size"),
    ),
    Kind("global average pool", r"(global|gap)", ("x",), (X4,), {"x": "dx = dout / (H * W) at every pixel"}),
    Kind(
        "average pool",
        r"(avg|average|mean)_?pool",
        ("x", "pool_param"),
        (_POOLS, _POOLS_LAST),
        {"x": "dx[window] += dout[n, c, i, j] / (HH * WW)"},
        options=("stride", "size"),
    ),
    Kind(
        "group norm",
        r"group_?norm",
        ("x", "gamma", "beta", "G", "gn_param"),
        tuple(
            (
                {"x": (3, 6, 2, 3), "gamma": p(6), "beta": p(6), "G": 2, "gn_param": {}},
                {"x": (2, 6, 3, 2), "gamma": p(6), "beta": p(6), "G": 3, "gn_param": {}},
            )
            for p in (lambda c: (1, c, 1, 1), lambda c: (c,))
        ),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "spatial batch norm",
        r"spatial_?(batch|bn)|(batch_?norm|bn)_?2d",
        ("x", "gamma", "beta", "bn_param"),
        (
            (
                {"x": (3, 2, 4, 3), "gamma": (2,), "beta": (2,), "bn_param": _BN},
                {"x": (2, 4, 3, 3), "gamma": (4,), "beta": (4,), "bn_param": _BN},
            ),
        ),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "instance norm",
        r"instance_?norm",
        ("x", "gamma", "beta"),
        (({"x": (3, 2, 4, 3), "gamma": (2,), "beta": (2,)}, {"x": (2, 4, 3, 3), "gamma": (4,), "beta": (4,)}),),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "layer norm",
        r"layer_?norm|^ln",
        ("x", "gamma", "beta", "ln_param"),
        (
            (
                {"x": (3, 6), "gamma": (6,), "beta": (6,), "ln_param": {}},
                {"x": (5, 7), "gamma": (7,), "beta": (7,), "ln_param": {}},
            ),
        ),
        LAYER_NORM,
        options=("eps",),
    ),
    Kind(
        "rms norm",
        r"rms_?norm",
        ("x", "gamma"),
        (({"x": (3, 6), "gamma": (6,)}, {"x": (5, 7), "gamma": (7,)}),),
        {"x": "dx = (dxhat - xhat * mean(dxhat * xhat)) / rms, dxhat = dout * gamma", "gamma": NORM["gamma"]},
        options=("eps",),
    ),
    Kind(
        "batch norm",
        r"batch_?norm|^bn|norm",
        ("x", "gamma", "beta", "bn_param"),
        (
            (
                {"x": (6, 3), "gamma": (3,), "beta": (3,), "bn_param": _BN},
                {"x": (5, 4), "gamma": (4,), "beta": (4,), "bn_param": _BN},
            ),
            ({"x": (6, 3), "gamma": (1, 3), "beta": (1, 3), "bn_param": _BN},),
        ),
        NORM,
        options=("eps",),
    ),
    Kind(
        "dropout",
        r"drop",
        ("x", "dropout_param"),
        (_DROPS,),
        {"x": "dx = dout * mask, the mask that forward scaled"},
        options=("p", "mode"),
        elementwise=True,
    ),
    Kind(
        "affine-relu",
        r"(affine|fc|linear|dense).*(relu|sigmoid|tanh|act)",
        ("x", "w", "b"),
        AFFINE_LAYOUTS,
        {"x": "da = dout * (a > 0);  dx = da @ w.T", "w": "dw = x.T @ da", "b": "db = da.sum(axis=0)"},
    ),
    Kind(
        "temporal affine",
        r"temporal_(affine|fc)",
        ("x", "w", "b"),
        (({"x": (3, 4, 5), "w": (5, 6), "b": (6,)}, {"x": (2, 3, 4), "w": (4, 5), "b": (5,)}),),
        {
            "x": "dx = (dout.reshape(N * T, M) @ w.T).reshape(x.shape)",
            "w": "dw = x.reshape(N * T, D).T @ dout.reshape(N * T, M)",
            "b": "db = dout.sum(axis=(0, 1))",
        },
    ),
    Kind("affine", r"affine|linear|dense|fully|^fc|_fc|matmul|^dot", ("x", "w", "b"), AFFINE_LAYOUTS, AFFINE),
    Kind(
        "embedding",
        r"embed",
        ("x", "w"),
        (
            (
                {"x": np.array([[0, 3, 1], [3, 2, 3]]), "w": (5, 4)},
                {"x": np.array([[1, 1], [0, 2], [1, 4]]), "w": (5, 3)},
            ),
        ),
        {"w": "np.add.at(dw, x, dout): an id that occurs twice gets both"},
    ),
    Kind(
        "rnn step",
        r"rnn_?(step|cell)",
        _RNN,
        (
            (
                {"x": (3, 4), "prev_h": (3, 5), "Wx": (4, 5), "Wh": (5, 5), "b": (5,)},
                {"x": (4, 3), "prev_h": (4, 6), "Wx": (3, 6), "Wh": (6, 6), "b": (6,)},
            ),
        ),
        {
            "x": "da = dout * (1 - h**2);  dx = da @ Wx.T",
            "prev_h": "dprev_h = da @ Wh.T",
            "Wx": "dWx = x.T @ da",
            "Wh": "dWh = prev_h.T @ da",
            "b": "db = da.sum(axis=0)",
        },
    ),
    Kind(
        "lstm step",
        r"lstm_?(step|cell)",
        ("x", "prev_h", "prev_c", "Wx", "Wh", "b"),
        (
            tuple(
                {
                    "x": (n, d),
                    "prev_h": (n, h),
                    "prev_c": (n, h),
                    "Wx": (d, 4 * h),
                    "Wh": (h, 4 * h),
                    "b": (4 * h,),
                }
                for n, d, h in ((3, 4, 5), (4, 5, 3))
            ),
        ),
        {
            "x": "dx = da @ Wx.T",
            "prev_h": "dprev_h = da @ Wh.T",
            "prev_c": "dprev_c = f * (dnext_c + dnext_h * o * (1 - tanh(c)**2))",
            "Wx": "dWx = x.T @ da",
            "Wh": "dWh = prev_h.T @ da",
            "b": "db = da.sum(axis=0)",
        },
    ),
    Kind(
        "rnn",
        r"rnn",
        _RNN,
        (({"x": (3, 4, 2), "prev_h": (3, 5), "Wx": (2, 5), "Wh": (5, 5), "b": (5,)},),),
        {
            "x": "dx[:, t] = da_t @ Wx.T",
            "prev_h": "dh0 = dprev_h of the first step",
            "Wx": "dWx = sum over t of x_t.T @ da_t",
            "Wh": "dWh = sum over t of h_(t-1).T @ da_t",
            "b": "db = sum over t and n of da_t",
        },
    ),
    Kind("softmax", r"softmax", ("x",), (X2,), {"x": "dx = y * (dout - (dout * y).sum(axis=1, keepdims=True))"}),
    Kind(
        "prelu",
        r"prelu",
        ("x", "alpha"),
        tuple(
            ({"x": (5, 3), "alpha": alpha(3)}, {"x": (4, 7), "alpha": alpha(7)})
            for alpha in (lambda c: (c,), lambda c: (1,))
        ),
        {"x": "dx = dout * where(x > 0, 1, alpha)", "alpha": "dalpha = (dout * where(x > 0, 0, x)).sum(axis=0)"},
    ),
    _pointwise("leaky relu", r"leaky|lrelu", "where(x > 0, 1, alpha)", options=("alpha",)),
    _pointwise("elu", r"(^|[^rgp])elu", "where(x > 0, 1, alpha * exp(x))", options=("alpha",)),
    _pointwise("relu", r"relu", "(x > 0)"),
    _pointwise("sigmoid", r"sigmoid|logistic|expit", "y * (1 - y), y = sigmoid(x)"),
    _pointwise("tanh", r"tanh", "(1 - y**2), y = tanh(x)"),
    _pointwise("softplus", r"softplus", "sigmoid(x)"),
    _pointwise("silu", r"silu|swish", "(s + x * s * (1 - s)), s = sigmoid(x)"),
    _pointwise("gelu", r"gelu", "(Phi(x) + x * phi(x))"),
    Kind("flatten", r"flatten|reshape", ("x",), (X4,), {"x": "dx = dout.reshape(x.shape)"}),
)


def kind_named(name: str) -> Kind:
    """The kind of that name; raises `ConfigError` with the nearest."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise unknown("kind", name, [kind.name for kind in KINDS])


def kinds_for(base: str, parameters: Sequence[str], *, loss: bool) -> list[Kind]:
    """The kinds that a function called `base` may be, the likeliest first."""
    lowered = base.lower()
    found = [k for k in KINDS if k.loss == loss and re.search(k.pattern, lowered)]
    first = parameters[0].lower() if parameters else ""
    weighted = first in ("w", "weights", "theta", "weight")
    return [k for k in found if ("classifier" in k.name) == (loss and weighted)]


def draw_case(case: Case, roles: Mapping[str, str], rng: np.random.Generator) -> dict[str, Any]:
    """Values for the arguments in `roles` (argument -> role) that a case speaks of."""
    values: dict[str, Any] = {}
    for argument, role in roles.items():
        if role in case:
            values[argument] = draw(case[role], role, rng)
    return values


def draw(wanted: Any, role: str, rng: np.random.Generator) -> Any:
    """An array for a shape; whatever else is given is taken as it is."""
    if hasattr(wanted, "draw"):
        return wanted.draw(rng)
    if not isinstance(wanted, tuple):
        return dict(wanted) if isinstance(wanted, dict) else wanted
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in wanted):
        raise ConfigError(f"gradcheck: the shape of {role} must be positive integers, got {wanted}")
    if role in ("x", "y", "prev_h", "h"):
        return draw_input(wanted, rng)
    size = 1.0 if len(wanted) < 2 else 1 / np.sqrt(max(wanted[0] if len(wanted) == 2 else np.prod(wanted[1:]), 1))
    return rng.uniform(0.4, 1.4, wanted) * rng.choice([-1.0, 1.0], wanted) * size
