"""What the usual forward pass of a kind would have as gradient: this package's own layers, on the same values."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import layers, losses
from chainrule.arrays import Array
from chainrule.check.diagnosis.sample import Sample


def reference_gradient(s: Sample, name: str) -> Array | None:
    """∂L/∂argument of the usual function of that kind; None where there is none that fits the values."""
    if s.kind is None:
        return None
    try:
        found = _REFERENCES[s.kind.name](s)
    except (KeyError, ValueError, TypeError):
        return None
    gradient = found.get(s.roles.get(name, name))
    return None if gradient is None else np.asarray(gradient).reshape(s.values[name].shape)


def _layer(layer: Any, s: Sample, params: dict[str, Array]) -> dict[str, Array]:
    x = s.value("x")
    out, cache = layer.forward(x, params, train=True)
    if out.shape != s.out.shape:
        raise ValueError("another layout")
    return dict(layer.backward(s.dout, cache))


def _affine(s: Sample) -> dict[str, Array]:
    x, w = s.value("x"), s.value("w")
    flat = x.reshape(len(x), -1)
    layer = layers.Affine(w.shape[1])
    out, cache = layer.forward(flat, {"W": w, "b": np.reshape(s.value("b", np.zeros(w.shape[1])), -1)})
    if out.shape != s.out.shape:
        raise ValueError("another layout")
    found = layer.backward(s.dout, cache)
    return {"x": found["x"], "w": found["W"], "b": found["b"]}


def _conv(s: Sample) -> dict[str, Array]:
    w = s.value("w")
    layer = layers.Conv2D(
        len(w),
        w.shape[2:],
        stride=int(s.options.get("stride", 1)),
        padding=int(s.options.get("pad", 0)),
        rounding="floor",
    )
    found = _layer(layer, s, {"W": w, "b": np.reshape(s.value("b", np.zeros(len(w))), -1)})
    return {"x": found["x"], "w": found["W"], "b": found["b"]}


def _norm(layer: Any, s: Sample) -> dict[str, Array]:
    channels = s.value("x").shape[1]
    params = {"gamma": np.reshape(s.value("gamma"), -1), "beta": np.reshape(s.value("beta"), -1)}
    if isinstance(layer, layers.BatchNorm):
        params |= {"running_mean": np.zeros(channels), "running_var": np.ones(channels)}
    return _layer(layer, s, params)


def _softmax_loss(s: Sample) -> dict[str, Array]:
    return {"x": losses.SoftmaxCrossEntropy()(s.value("x"), s.value("y"))[1]}


def _hinge(s: Sample) -> dict[str, Array]:
    return {"x": losses.MultiClassHinge()(s.value("x"), s.value("y"))[1]}


_REFERENCES: dict[str, Any] = {
    "affine": _affine,
    "conv": _conv,
    "relu": lambda s: _layer(layers.ReLU(), s, {}),
    "sigmoid": lambda s: _layer(layers.Sigmoid(), s, {}),
    "tanh": lambda s: _layer(layers.Tanh(), s, {}),
    "softplus": lambda s: _layer(layers.Softplus(), s, {}),
    "silu": lambda s: _layer(layers.SiLU(), s, {}),
    "batch norm": lambda s: _norm(layers.BatchNorm(), s),
    "spatial batch norm": lambda s: _norm(layers.BatchNorm(), s),
    "layer norm": lambda s: _norm(layers.LayerNorm(), s),
    "softmax loss": _softmax_loss,
    "svm loss": _hinge,
}
