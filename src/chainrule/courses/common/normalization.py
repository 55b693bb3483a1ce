"""Batch, layer and group normalisation as functions, with running statistics kept in the caller's dictionary."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from chainrule.courses.common.faces import FaceCache, as_float, matching, mode_of
from chainrule.errors import ConfigError, DTypeError, ShapeError, describe, require_number
from chainrule.layers import BatchNorm, GroupNorm, LayerNorm

Result = tuple[np.ndarray, Any]
Gradients3 = tuple[np.ndarray, np.ndarray, np.ndarray]


def batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: MutableMapping[str, Any]) -> Result:
    """Return γ x̂ + β for x (N, D), and a cache; the running statistics are written back into `bn_param`.

    bn_param: mode "train" or "test" (required), eps 1e-5, momentum 0.9, running_mean and running_var (D,), which
    start as zeros: running = momentum · running + (1 − momentum) · batch, with the biased variance.
    """
    return _batch_norm("batchnorm_forward", 2, x, gamma, beta, bn_param)


def batchnorm_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx (N, D), dgamma (D,) and dbeta (D,)."""
    return _backward("batchnorm_backward", dout, cache)


def batchnorm_backward_alt(dout: Any, cache: Any) -> Gradients3:
    """Return what `batchnorm_backward` does: there the simplified derivation is the only one."""
    return _backward("batchnorm_backward_alt", dout, cache)


def spatial_batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: MutableMapping[str, Any]) -> Result:
    """Return γ x̂ + β for x (N, C, H, W), each channel normalised over N, H and W, and a cache."""
    return _batch_norm("spatial_batchnorm_forward", 4, x, gamma, beta, bn_param)


def spatial_batchnorm_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx (N, C, H, W), dgamma (C,) and dbeta (C,)."""
    return _backward("spatial_batchnorm_backward", dout, cache)


def layernorm_forward(x: Any, gamma: Any, beta: Any, ln_param: Mapping[str, Any]) -> Result:
    """Return γ x̂ + β for x (N, D), each row normalised, and a cache. ln_param: eps 1e-5, may be empty."""
    x = _images("layernorm_forward", x, 2)
    layer = LayerNorm(eps=_eps(ln_param, "ln_param"))
    return _apply(layer, x, gamma, beta)


def layernorm_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx (N, D), dgamma (D,) and dbeta (D,)."""
    return _backward("layernorm_backward", dout, cache)


def spatial_groupnorm_forward(x: Any, gamma: Any, beta: Any, G: int, gn_param: Mapping[str, Any]) -> Result:
    """Return γ x̂ + β for x (N, C, H, W), each of G groups of channels normalised in each image, and a cache.

    gamma, beta: (C,) or (1, C, 1, 1); their gradients have the same shape. gn_param: eps 1e-5, may be empty.
    """
    x = _images("spatial_groupnorm_forward", x, 4)
    layer = GroupNorm(groups=G, eps=_eps(gn_param, "gn_param"))
    return _apply(layer, x, gamma, beta)


def spatial_groupnorm_backward(dout: Any, cache: Any) -> Gradients3:
    """Return dx (N, C, H, W), and dgamma and dbeta in the shape in which gamma and beta came."""
    return _backward("spatial_groupnorm_backward", dout, cache)


def _batch_norm(owner: str, rank: int, x: Any, gamma: Any, beta: Any, bn_param: MutableMapping[str, Any]) -> Result:
    train = mode_of(bn_param, owner, "bn_param")
    if not isinstance(bn_param, MutableMapping):
        raise DTypeError(f"{owner}: bn_param must be a dictionary that can be changed, got {describe(bn_param)}")
    x = _images(owner, x, rank)
    layer = BatchNorm(momentum=float(bn_param.get("momentum", 0.9)), eps=_eps(bn_param, "bn_param"))
    names = ("running_mean", "running_var")
    running = {name: bn_param.get(name, np.zeros(x.shape[1], x.dtype)) for name in names}  # (C,)
    out, cache = _apply(layer, x, gamma, beta, running, train=train)
    bn_param.update(layer.update_buffers(running, cache.inner) if train else running)
    return out, cache


def _apply(
    layer: Any, x: np.ndarray, gamma: Any, beta: Any, running: Mapping[str, Any] | None = None, *, train: bool = False
) -> tuple[np.ndarray, FaceCache]:
    gamma, beta = as_float(gamma, "gamma"), as_float(beta, "beta")
    params = {"gamma": gamma.reshape(-1), "beta": beta.reshape(-1), **({} if running is None else running)}
    out, inner = layer.forward(x, params, train=train)
    return out, FaceCache.of((x, gamma, beta), layer, inner)


def _backward(owner: str, dout: Any, cache: Any) -> Gradients3:
    if not isinstance(cache, FaceCache):
        raise ConfigError(f"{owner}: cache must be the one that the forward pass returned, got {describe(cache)}")
    x, gamma, beta = cache
    grads = cache.layer.backward(matching(dout, x.shape, owner), cache.inner)
    return grads["x"], grads["gamma"].reshape(gamma.shape), grads["beta"].reshape(beta.shape)


def _images(owner: str, x: Any, rank: int) -> np.ndarray:
    x = as_float(x)
    if x.ndim != rank:
        axes = "(N, D)" if rank == 2 else "(N, C, H, W)"
        raise ShapeError(f"{owner}: x must have axes {axes}, got shape {x.shape}")
    return x


def _eps(param: Any, argument: str) -> float:
    if not isinstance(param, Mapping):
        raise DTypeError(f"{argument} must be a dictionary, got {describe(param)}")
    eps = param.get("eps", 1e-5)
    require_number("normalization", f"{argument}['eps']", eps, low=0, open_low=True)
    return float(eps)
