"""Valid calls of the courses' functions and models: arguments by the function's name, caches from its forward pass."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

R = np.random.default_rng(9)
X, W, B = R.normal(size=(4, 5)), R.normal(size=(5, 3)), R.normal(size=3)
IMAGES, KERNELS = R.normal(size=(2, 3, 6, 6)), R.normal(size=(4, 3, 3, 3))
CONV, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
Y, SIGNS = np.array([0, 2, 1, 0]), np.array([1, -1, 1, -1])
SCORES, GRID, ROWS = R.normal(size=(4, 3)), R.normal(size=(4, 5, 5, 3)), R.normal(size=(4, 3, 6, 6))


def _norm(channels: int) -> dict[str, Any]:
    return {"gamma": np.ones(channels), "beta": np.zeros(channels)}


def _conv() -> dict[str, Any]:
    return {"x": IMAGES, "w": KERNELS, "b": np.zeros(4), "conv_param": dict(CONV)}


def _dropout() -> dict[str, Any]:
    return {"x": X, "dropout_param": {"mode": "train", "p": 0.5, "seed": 1}}


def _affine() -> dict[str, Any]:
    return {"x": X, "w": W, "b": B}


FORWARD: dict[str, Callable[[], dict[str, Any]]] = {
    "affine_forward": _affine,
    "fc_forward": _affine,
    "affine_relu_forward": _affine,
    "relu_forward": lambda: {"x": X},
    "conv_forward": _conv,
    "valid_conv_forward": lambda: {"x": IMAGES, "w": KERNELS},
    "conv_relu_forward": _conv,
    "conv_bn_relu_forward": lambda: {**_conv(), **_norm(4), "bn_param": {"mode": "train"}},
    "conv_relu_pool_forward": lambda: {**_conv(), "pool_param": dict(POOL)},
    "max_pool_forward": lambda: {"x": IMAGES, "pool_param": dict(POOL)},
    "drop_forward": _dropout,
    "keep_forward": _dropout,
    "vanilla_forward": _dropout,
    "vanilla_scaled_forward": _dropout,
    "batchnorm_forward": lambda: {"x": X, **_norm(5), "bn_param": {"mode": "train"}},
    "spatial_batchnorm_forward": lambda: {"x": IMAGES, **_norm(3), "bn_param": {"mode": "train"}},
    "layernorm_forward": lambda: {"x": X, **_norm(5), "ln_param": {}},
    "spatial_groupnorm_forward": lambda: {"x": IMAGES, **_norm(3), "G": 3, "gn_param": {}},
}
THETAS = {"theta": "w", "theta0": "b"}
FORWARD_OF = {"dropout_backward": "keep_forward", "batchnorm_backward_alt": "batchnorm_forward"}


class _Blob(SimpleNamespace):
    """What blob-based course code passes around."""


def _blobs() -> dict[str, Any]:
    def double(one: Any, out: Any) -> None:
        out.vals = 2 * one.vals

    return {
        "f": double,
        "inputs": [_Blob(vals=X.copy(), diffs=np.zeros_like(X))],
        "output": _Blob(vals=X.copy(), diffs=np.ones_like(X)),
    }


@functools.cache  # a net knows its blobs: those of another call's net would be none of its inputs
def _net_blobs() -> dict[str, Any]:
    blobs = _blobs()
    one, out = blobs["inputs"][0], blobs["output"]
    net = SimpleNamespace(forward=lambda: setattr(out, "vals", 3 * one.vals))
    return {"net": net, "inputs": [one], "output": out}


def _rule_config() -> dict[str, Any]:
    return {"config": {"learning_rate": 0.1}}


OTHERS: dict[str, Callable[[], dict[str, Any]]] = {
    "softmax_loss": lambda: {"x": SCORES, "y": Y},
    "svm_loss": lambda: {"x": np.arange(12.0).reshape(4, 3) % 5, "y": Y},
    "binary_svm_loss": lambda: {"x": np.arange(4.0) - 1.5, "y": SIGNS},
    "logistic_loss": lambda: {"x": np.arange(4.0) - 1.5, "y": SIGNS},
    "get_im2col_indices": lambda: {"x_shape": (2, 3, 6, 6), "fh": 3, "fw": 3},
    "im2col_indices": lambda: {"x": IMAGES, "fh": 3, "fw": 3},
    "col2im_indices": lambda: {"cols": np.ones((27, 72)), "x_shape": (2, 3, 6, 6), "fh": 3, "fw": 3},
    "eval_numerical_gradient": lambda: {"f": lambda x: float((x * x).sum()), "x": X.copy(), "verbose": False},
    "eval_numerical_gradient_array": lambda: {"f": lambda x: x * x, "x": X.copy(), "df": np.ones_like(X)},
    "eval_numerical_gradient_blobs": _blobs,
    "eval_numerical_gradient_net": _net_blobs,
    "grad_check_sparse": lambda: {"f": lambda x: float((x * x).sum()), "x": X.copy(), "analytic_grad": 2 * X},
    "visualize_grid": lambda: {"Xs": GRID},
    "vis_grid": lambda: {"Xs": GRID},
    "vis_nn": lambda: {"rows": [[np.ones((4, 4, 3)), np.zeros((4, 4, 3))]]},
    "sgd": lambda: {"w": X, "dw": X + 1, **_rule_config()},
    "sgd_momentum": lambda: {"w": X, "dw": X + 1, **_rule_config()},
    "rmsprop": lambda: {"w": X, "dw": X + 1, **_rule_config()},
    "adam": lambda: {"w": X, "dw": X + 1, **_rule_config()},
}

MODELS: dict[str, dict[str, Any]] = {
    "FullyConnectedNet2016": {"hidden_dims": [7], "input_dim": 5, "num_classes": 3, "seed": 1},
    "FullyConnectedNet2018": {"hidden_dims": [7], "input_dim": 5, "num_classes": 3, "seed": 1},
    "FullyConnectedNet2021": {"hidden_dims": [7], "input_dim": 5, "num_classes": 3, "seed": 1},
    "FullyConnectedNet": {"hidden_dims": [7], "input_dim": 5, "num_classes": 3},
    "FullyConnectedNet8": {"hidden_dim": [7], "input_dim": 5},
    "TwoLayerNet": {"input_dim": 5, "hidden_dim": 7, "num_classes": 3},
    "ThreeLayerConvNet": {
        "input_dim": (3, 6, 6),
        "num_filters": 2,
        "filter_size": 3,
        "hidden_dim": 5,
        "num_classes": 3,
    },
    "ConvNet": {"input_dim": (3, 6, 6), "num_filters": 2, "filter_size": 3, "hidden_dim": 5, "num_classes": 3},
    "LogisticClassifier": {"input_dim": 5},
    "SVM": {"input_dim": 5},
    "SoftmaxClassifier": {"input_dim": 5, "num_classes": 3},
}


def model(cls: Any) -> Any:
    """A small model of a course's class."""
    import inspect

    given = dict(MODELS[cls.__name__])
    known = inspect.signature(cls).parameters
    if "hidden_dims" not in known and "hidden_dim" in known and isinstance(given.get("hidden_dims"), list):
        given["hidden_dim"] = given.pop("hidden_dims")
    np.random.seed(0)
    return cls(**{k: v for k, v in given.items() if k in known})


def arguments(function: Any) -> dict[str, Any] | None:
    """Valid arguments of a course's function; None where it is not known here."""
    name = function.__name__
    if name in OTHERS:
        found = OTHERS[name]()
        return {**found, **({"theta": found["w"], "dtheta": found["dw"]} if "dw" in found else {})}
    if name in FORWARD:
        found = FORWARD[name]()
        return {**found, **{theta: found[own] for theta, own in THETAS.items() if own in found}}
    if "_backward" not in name:
        return None
    forward = FORWARD_OF.get(name, name.replace("_backward", "_forward"))
    module = importlib.import_module(function.__module__)
    given = FORWARD[forward]()
    out, cache = getattr(module, forward)(**given)
    return {"dout": np.random.default_rng(3).normal(size=out.shape), "cache": cache}


def model_rows(instance: Any) -> dict[str, Any]:
    """Inputs and labels for a model of a course."""
    binary = type(instance).__name__ in ("LogisticClassifier", "SVM")
    images = type(instance).__name__ in ("ThreeLayerConvNet", "ConvNet")
    return {"X": ROWS if images else X, "y": np.array([0, 1, 1, 0]) if binary else Y}
