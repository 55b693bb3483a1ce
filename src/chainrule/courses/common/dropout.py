"""Dropout in its four historical meanings of `p`, one function each.

    drop     p is the probability of dropping, inverted:  mask = (u >= p)/(1 − p)     CS231n 2016 and 2017, COMP 540
    keep     p is the probability of keeping, inverted:   mask = (u < p)/p            CS231n 2018 and later
    vanilla  p is the probability of keeping, unscaled:   mask = (u < p)              EECS 598, whose test mode
             returns the input; `vanilla_scaled` is its other reading, in which test mode multiplies by p

u = np.random.rand(*x.shape), drawn from NumPy's legacy global generator, which `dropout_param["seed"]` re-seeds at
every forward pass so that a numerical gradient check sees the same mask. Confusing the meanings raises no error and
costs little accuracy, which is why none of them is a default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.courses.common.faces import as_float, matching, mode_of, option, unpack
from chainrule.errors import require_number

Result = tuple[np.ndarray, tuple[Any, Any]]
Mask = Callable[[np.ndarray, float], np.ndarray]


def drop_forward(x: Any, dropout_param: Mapping[str, Any]) -> Result:
    """Return x (u >= p)/(1 − p) in mode "train", x in mode "test", and the cache (dropout_param, mask)."""
    return _forward(x, dropout_param, lambda u, p: (u >= p) / (1 - p), open_high=True)


def keep_forward(x: Any, dropout_param: Mapping[str, Any]) -> Result:
    """Return x (u < p)/p in mode "train", x in mode "test", and the cache (dropout_param, mask)."""
    return _forward(x, dropout_param, lambda u, p: (u < p) / p, open_low=True)


def vanilla_forward(x: Any, dropout_param: Mapping[str, Any]) -> Result:
    """Return x (u < p) in mode "train", x in mode "test", and the cache (dropout_param, mask)."""
    return _forward(x, dropout_param, lambda u, p: u < p)


def vanilla_scaled_forward(x: Any, dropout_param: Mapping[str, Any]) -> Result:
    """Return x (u < p) in mode "train", p x in mode "test", and the cache (dropout_param, mask)."""
    out, cache = vanilla_forward(x, dropout_param)
    return (out if cache[1] is not None else out * float(dropout_param["p"])), cache


def dropout_backward(dout: Any, cache: tuple[Any, Any]) -> np.ndarray:
    """Return dout · mask in mode "train", dout in mode "test"."""
    dropout_param, mask = unpack(cache, "dropout_backward", "dropout_param mask")
    if not mode_of(dropout_param, "dropout_backward", "dropout_param"):
        return as_float(dout, "dropout_backward: dout")
    return matching(dout, mask.shape, "dropout_backward") * mask


def _forward(
    x: Any, dropout_param: Mapping[str, Any], mask_of: Mask, *, open_low: bool = False, open_high: bool = False
) -> Result:
    x = as_float(x)
    p = option(dropout_param, "dropout_forward", "dropout_param", "p")
    require_number("dropout_forward", "dropout_param['p']", p, low=0, high=1, open_low=open_low, open_high=open_high)
    train = mode_of(dropout_param, "dropout_forward", "dropout_param")
    if dropout_param.get("seed") is not None:
        seed = dropout_param["seed"]
        require_number("dropout_forward", "dropout_param['seed']", seed, integer=True, low=0, high=2**32 - 1)
        np.random.seed(seed)
    if not train:
        return x, (dropout_param, None)
    mask = np.asarray(mask_of(np.random.rand(*x.shape), float(p))).astype(x.dtype)
    return x * mask, (dropout_param, mask)
