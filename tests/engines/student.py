"""A student's two-layer network as the courses ask for it: `params` and `loss(X, y)`, nothing of this package."""

from __future__ import annotations

from typing import Any

import numpy as np


class TwoLayerNet:
    """affine - relu - affine - softmax, with ½ reg ‖W‖²."""

    def __init__(self, dims: tuple[int, int, int] = (4, 6, 3), reg: float = 0.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.reg = reg
        self.params = {
            "W1": rng.normal(size=dims[:2]),
            "b1": rng.normal(size=dims[1]),
            "W2": rng.normal(size=dims[1:]),
            "b2": rng.normal(size=dims[2]),
        }

    def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
        W1, b1, W2, b2 = (self.params[n] for n in ("W1", "b1", "W2", "b2"))
        hidden = np.maximum(X @ W1 + b1, 0)
        scores = hidden @ W2 + b2
        if y is None:
            return scores
        rows = np.arange(len(X))
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean() + self.reg / 2 * ((W1**2).sum() + (W2**2).sum())
        p[rows, y] -= 1
        dscores = p / len(X)
        dhidden = dscores @ W2.T * (hidden > 0)
        return loss, {
            "W1": X.T @ dhidden + self.reg * W1,
            "b1": dhidden.sum(axis=0),
            "W2": hidden.T @ dscores + self.reg * W2,
            "b2": dscores.sum(axis=0),
        }


def sgd_momentum(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """The course's update function, which keeps its velocity in `config`."""
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


def adam(w: np.ndarray, dw: np.ndarray, config: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The course's Adam, which counts its steps in `config`."""
    for name, value in {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0}.items():
        config.setdefault(name, value)
    config["t"] += 1
    config["m"] = config["beta1"] * config.get("m", np.zeros_like(w)) + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config.get("v", np.zeros_like(w)) + (1 - config["beta2"]) * dw**2
    m = config["m"] / (1 - config["beta1"] ** config["t"])
    v = config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * m / (np.sqrt(v) + config["epsilon"]), config
