"""Mistakes in layers and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.grade.mistakes.mistake import Mistake, swapped


def _no_bias(ours: Any, x: Any, w: Any, b: Any, *rest: Any) -> Any:
    return ours(x, w, 0 * b, *rest)


def _transform(change: Any) -> Any:
    return lambda ours, x, *args: (change(ours(x, *args)[0], x), None)


_STATISTICS = "running = momentum * running + (1 - momentum) * batch"


def _batch_norm(
    *,
    ddof: int = 0,
    running_ddof: int = 0,
    eps_inside: bool = True,
    swap: bool = False,
    write: bool = True,
    running: bool = True,
    standard_deviation: bool = False,
    scale: bool = True,
) -> Any:
    """Batch normalisation over all axes but the channels', with one thing done otherwise."""

    def forward(ours: Any, x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        axes = (0, *range(2, x.ndim))
        shape = (1, -1, *(1,) * (x.ndim - 2))
        eps, momentum = param.get("eps", 1e-5), param.get("momentum", 0.9)
        kept = 1 - momentum if swap else momentum
        mean, var = x.mean(axes), x.var(axes, ddof=ddof)
        old = [param.get(name, np.zeros(x.shape[1])) for name in ("running_mean", "running_var")]
        if param["mode"] == "train":
            spread = x.std(axes) if standard_deviation else x.var(axes, ddof=running_ddof)
            new = [kept * o + (1 - kept) * n for o, n in zip(old, (mean, spread), strict=True)]
            if write:
                param.update(zip(("running_mean", "running_var"), new, strict=True))
        elif running:
            mean, var = old
        root = np.sqrt(var + eps) if eps_inside else np.sqrt(var) + eps
        normal = (x - mean.reshape(shape)) / root.reshape(shape)
        return (gamma.reshape(shape) * normal + beta.reshape(shape) if scale else normal), None

    return forward


def _row_norm(axis: int = 1, eps_inside: bool = True, ddof: int = 0) -> Any:
    def forward(ours: Any, x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        eps, var = param.get("eps", 1e-5), x.var(axis, keepdims=True, ddof=ddof)
        root = np.sqrt(var + eps) if eps_inside else np.sqrt(var) + eps
        return gamma * (x - x.mean(axis, keepdims=True)) / root + beta, None

    return forward


def _norms(name: str) -> list[Mistake]:
    return [
        swapped(title, explanation, equation, **{name: function})
        for title, explanation, equation, function in (
            (
                "unbiased variance",
                "The variance divides by N − 1; the course's divides by N, in the running statistics too.",
                "var = x.var(axis=0)",
                _batch_norm(ddof=1, running_ddof=1),
            ),
            (
                "unbiased running variance",
                "The running variance takes in a variance that divides by N − 1 rather than N.",
                _STATISTICS,
                _batch_norm(running_ddof=1),
            ),
            (
                "eps outside of the root",
                "eps is added to the standard deviation rather than to the variance under the root.",
                "x_hat = (x - mean) / np.sqrt(var + eps)",
                _batch_norm(eps_inside=False),
            ),
            (
                "momentum the wrong way round",
                "momentum is the share of the old running statistics, not of the new batch.",
                _STATISTICS,
                _batch_norm(swap=True),
            ),
            (
                "running statistics not written back",
                "The new running mean and variance must be stored in bn_param.",
                "bn_param['running_mean'] = running_mean; bn_param['running_var'] = running_var",
                _batch_norm(write=False),
            ),
            (
                "test mode normalises by the batch",
                "In test mode the running mean and variance must be used.",
                "x_hat = (x - running_mean) / np.sqrt(running_var + eps)",
                _batch_norm(running=False),
            ),
            (
                "running variance of standard deviations",
                "The running variance takes in the batch's standard deviation rather than its variance.",
                _STATISTICS,
                _batch_norm(standard_deviation=True),
            ),
            (
                "scale and shift missing",
                "γ and β are not applied.",
                "out = gamma * x_hat + beta",
                _batch_norm(scale=False),
            ),
        )
    ]


def _flipped(ours: Any, x: Any, w: Any, *rest: Any) -> Any:
    return ours(x, w[:, :, ::-1, ::-1], *rest)


def _mean_pool(ours: Any, x: Any, param: Any) -> Any:
    out, _ = ours(x, param)
    high, wide, step = (param[key] for key in ("pool_height", "pool_width", "stride"))
    for i, j in np.ndindex(out.shape[2:]):
        out[:, :, i, j] = x[:, :, i * step : i * step + high, j * step : j * step + wide].mean((2, 3))
    return out, None


def _scaled(factor_loss: bool, factor_dx: bool) -> Any:
    def faulty(ours: Any, x: Any, y: Any) -> Any:
        loss, dx = ours(x, y)
        return loss * (len(x) if factor_loss else 1), dx * (len(x) if factor_dx else 1)

    return faulty


def _naive_softmax(ours: Any, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        loss = -np.log(p[np.arange(len(x)), y]).mean()
    dx = (p - np.eye(x.shape[1])[y]) / len(x)
    return loss, dx


def _svm_with_correct(ours: Any, x: Any, y: Any) -> Any:
    loss, dx = ours(x, y)
    return loss + 1, dx


def _losses(name: str) -> list[Mistake]:
    mean = "Loss and gradient are means over the batch: both are divided by N."
    return [
        swapped("missing 1/N in the loss", mean, "loss = losses.sum() / N", **{name: _scaled(True, False)}),
        swapped("missing 1/N in the gradient", mean, "dx = dx / N", **{name: _scaled(False, True)}),
        swapped("missing 1/N", mean, "loss = losses.sum() / N; dx = dx / N", **{name: _scaled(True, True)}),
    ]


def _sums(*names: str) -> list[Mistake]:
    return [swapped("bias missing", "b is not added.", "out = ... + b", **{name: _no_bias}) for name in names]


MISTAKES: dict[str, list[Mistake]] = {
    "affine_forward": _sums("affine_forward"),
    "fc_forward": _sums("fc_forward"),
    "relu_forward": [
        swapped(
            "absolute value",
            "Negative inputs must become 0.",
            "out = np.maximum(x, 0)",
            relu_forward=_transform(lambda out, x: abs(x)),
        ),
        swapped(
            "the mask instead of the values",
            "out must hold x where x > 0.",
            "out = x * (x > 0)",
            relu_forward=_transform(lambda out, x: (x > 0) * 1.0),
        ),
    ],
    "batchnorm_forward": _norms("batchnorm_forward"),
    "spatial_batchnorm_forward": _norms("spatial_batchnorm_forward"),
    "layernorm_forward": [
        swapped(
            "normalised over the batch",
            "Each row is normalised by its own mean and variance.",
            "mean = x.mean(axis=1, keepdims=True)",
            layernorm_forward=_row_norm(axis=0),
        ),
        swapped(
            "eps outside of the root",
            "eps is added to the variance under the root.",
            "x_hat = (x - mean) / np.sqrt(var + eps)",
            layernorm_forward=_row_norm(eps_inside=False),
        ),
        swapped(
            "unbiased variance",
            "The variance divides by D − 1 rather than D.",
            "var = x.var(axis=1)",
            layernorm_forward=_row_norm(ddof=1),
        ),
    ],
    "max_pool_forward_naive": [
        swapped(
            "mean pooling",
            "The largest number of each window is wanted.",
            "out = window.max(axis=(2, 3))",
            max_pool_forward_naive=_mean_pool,
        ),
    ],
    "max_pool_forward": [
        swapped(
            "mean pooling",
            "The largest number of each window is wanted.",
            "out = window.max(axis=(2, 3))",
            max_pool_forward=_mean_pool,
        ),
    ],
    "softmax_loss": [
        *_losses("softmax_loss"),
        swapped(
            "overflow",
            "exp of large scores is infinite; subtract each row's largest score first.",
            "x = x - x.max(axis=1, keepdims=True)",
            softmax_loss=_naive_softmax,
        ),
    ],
    "svm_loss": [
        *_losses("svm_loss"),
        swapped(
            "the correct class counted",
            "The correct class's own margin, always 1, must not be in the sum.",
            "margins[np.arange(N), y] = 0",
            svm_loss=_svm_with_correct,
        ),
    ],
    "binary svm_loss": _losses("svm_loss"),
    "logistic_loss": _losses("logistic_loss"),
}
for _name in ("conv_forward_naive", "conv_forward"):
    MISTAKES[_name] = [
        swapped(
            "kernel flipped",
            "The courses' convolution is a cross-correlation: the kernel is not turned around.",
            "out[n, f, i, j] = (window * w[f]).sum() + b[f]",
            **{_name: _flipped},
        ),
        *(_sums(_name) if _name == "conv_forward_naive" else []),
    ]


def _other_probability(ours: Any, x: Any, param: Any) -> Any:
    return ours(x, {**param, "p": 1 - param["p"]})


def _unscaled(ours: Any, x: Any, param: Any) -> Any:
    out, (_, mask) = ours(x, param)
    return (out if mask is None else x * (mask > 0)), (param, None if mask is None else (mask > 0) * 1.0)


def _inverted(ours: Any, x: Any, param: Any) -> Any:
    out, (_, mask) = ours(x, param)
    scale = 1.0 if mask is None else 1 / param["p"]
    return out * scale, (param, None if mask is None else mask * scale)


for _name in ("dropout_forward", "dropout_backward"):
    MISTAKES[_name] = [
        swapped(
            "p taken for the opposite probability",
            "Editions differ in whether p is the probability of keeping a unit or of dropping it.",
            "",
            dropout_forward=_other_probability,
        ),
        swapped(
            "not scaled",
            "What is kept must be divided by the probability of keeping it, in training.",
            "mask = (np.random.rand(*x.shape) < p_keep) / p_keep",
            dropout_forward=_unscaled,
        ),
        swapped(
            "scaled although the course's dropout is not",
            "In this course what is kept stays as it is.",
            "mask = np.random.rand(*x.shape) < p",
            dropout_forward=_inverted,
        ),
    ]


# -- backward passes -------------------------------------------------------------------------------------------------


def _norm_backward(mean: bool = True, variance: bool = True, rows: bool = False) -> Any:
    """dx with the term of the mean, or that of the variance, left out."""

    def backward(ours: Any, dout: Any, cache: Any) -> Any:
        x, gamma, _ = cache
        axes = (1,) if rows else (0, *range(2, x.ndim))
        wide = gamma.reshape(1, -1, *(1,) * (x.ndim - 2))
        root = np.sqrt(x.var(axes, keepdims=True) + cache.layer.eps)
        normal = (x - x.mean(axes, keepdims=True)) / root
        g = dout * wide
        dx = g - (g.mean(axes, keepdims=True) if mean else 0)
        dx = dx - (normal * (g * normal).mean(axes, keepdims=True) if variance else 0)
        return dx / root, *ours(dout, cache)[1:]

    return backward


def _overwriting(ours: Any, dout: Any, cache: Any) -> Any:
    """Max pooling that assigns where windows overlap, rather than adding."""
    x, param = cache
    dx = np.zeros_like(x)
    high, wide, step = (param[key] for key in ("pool_height", "pool_width", "stride"))
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, i * step : i * step + high, j * step : j * step + wide]
        a, b = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, i * step + a, j * step + b] = dout[n, c, i, j]
    return dx


def _overwriting_conv(ours: Any, dout: Any, cache: Any) -> Any:
    """Convolution whose dx is assigned where windows overlap, rather than added to."""
    x, w, *rest = cache
    stride, pad = (rest[1]["stride"], rest[1]["pad"]) if rest else (1, 0)
    dx = np.pad(np.zeros_like(x), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    for n, f, i, j in np.ndindex(dout.shape):
        rows = slice(i * stride, i * stride + w.shape[2])
        dx[n, :, rows, j * stride : j * stride + w.shape[3]] = w[f] * dout[n, f, i, j]
    return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], *ours(dout, cache)[1:]


_TERMS = "dx = (dx_hat - dx_hat.mean(axis) - x_hat * (dx_hat * x_hat).mean(axis)) / std"
for _name, _rows in (
    ("batchnorm_backward", False),
    ("batchnorm_backward_alt", False),
    ("spatial_batchnorm_backward", False),
    ("layernorm_backward", True),
):
    MISTAKES[_name] = [
        swapped(
            "the mean's term missing",
            "The mean depends on every x too.",
            _TERMS,
            **{_name: _norm_backward(mean=False, rows=_rows)},
        ),
        swapped(
            "the variance's term missing",
            "The variance depends on every x too.",
            _TERMS,
            **{_name: _norm_backward(variance=False, rows=_rows)},
        ),
        swapped(
            "mean and variance taken for constants",
            "Both depend on every x.",
            _TERMS,
            **{_name: _norm_backward(mean=False, variance=False, rows=_rows)},
        ),
    ]
for _name in ("max_pool_backward_naive", "max_pool_backward"):
    MISTAKES[_name] = [
        swapped(
            "overwritten where windows overlap",
            "A pixel that is the maximum of several windows gets the sum of their gradients.",
            "dx[n, c, i, j] += dout[n, c, h, w]",
            **{_name: _overwriting},
        )
    ]
for _name in ("conv_backward_naive", "conv_backward"):
    MISTAKES[_name] = [
        swapped(
            "overwritten where windows overlap",
            "A pixel in several windows gets the sum of their gradients.",
            "dx[n, :, rows, cols] += w[f] * dout[n, f, i, j]",
            **{_name: _overwriting_conv},
        )
    ]
