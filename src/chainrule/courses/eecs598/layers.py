"""The layers of EECS 598 under their own names; `fc` is `affine`, `conv` has no bias and no padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.courses.common.dropout import dropout_backward as dropout_backward
from chainrule.courses.common.dropout import vanilla_forward as dropout_forward
from chainrule.courses.common.dropout import vanilla_scaled_forward as dropout_forward_scaled
from chainrule.courses.common.layers import affine_backward, affine_forward

__all__ = ["dropout_backward", "dropout_forward", "dropout_forward_scaled", "fc_backward", "fc_forward"]


def fc_forward(x: Any, w: Any, b: Any) -> tuple[np.ndarray, Any]:
    """Return x w + b for x (N, D), w (D, M), b (M,), and the cache (x, w, b)."""
    return affine_forward(x, w, b)


def fc_backward(dout: Any, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dx (N, D), dw (D, M), db (M,)."""
    return affine_backward(dout, cache)
