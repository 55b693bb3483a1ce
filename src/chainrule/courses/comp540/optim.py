"""The update rules with COMP 540's argument names: f(theta, dtheta, config) -> (next_theta, config)."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.courses.common import optim

Result = tuple[np.ndarray, optim.Config]


def sgd(theta: Any, dtheta: Any, config: optim.Config | None = None) -> Result:
    """θ ← θ − η dθ. config: learning_rate 1e-2."""
    return optim.sgd(theta, dtheta, config)


def sgd_momentum(theta: Any, dtheta: Any, config: optim.Config | None = None) -> Result:
    """v ← μ v − η dθ, θ ← θ + v. config: learning_rate 1e-2, momentum 0.9; velocity is kept in it."""
    return optim.sgd_momentum(theta, dtheta, config)


def rmsprop(theta: Any, dtheta: Any, config: optim.Config | None = None) -> Result:
    """RMSProp. config: learning_rate 1e-2, decay_rate 0.99, epsilon 1e-8; cache is kept in it."""
    return optim.rmsprop(theta, dtheta, config)


def adam(theta: Any, dtheta: Any, config: optim.Config | None = None) -> Result:
    """Adam. config: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8; m, v and t are kept in it."""
    return optim.adam(theta, dtheta, config)
