"""Identities of tanh and the logistic function σ, checked with the layers' own forward and backward passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array
from chainrule.errors import require_number
from chainrule.layers import Layer, Sigmoid, Tanh
from chainrule.summary import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run(*, points: int = 2001, reach: float = 10.0) -> Finding:
    """Compare both sides of the identities on a grid.

    Parameters
    ----------
    points
        How many points the grid has.
    reach
        The grid goes from minus this to this.
    """
    require_number("sigmoid-tanh", "points", points, integer=True, low=2, high=10**7)
    require_number("sigmoid-tanh", "reach", reach, low=0, open_low=True, high=300)
    x = np.linspace(-reach, reach, points)
    tanh, dtanh = _with_derivative(Tanh(), x)
    sigma, dsigma = _with_derivative(Sigmoid(), x)
    twice, dtwice = _with_derivative(Sigmoid(), 2 * x)
    mirrored, _ = _with_derivative(Sigmoid(), -x)
    identities = {
        "tanh(x) = 2σ(2x) − 1": (tanh, 2 * twice - 1),
        "tanh'(x) = 1 − tanh²(x)": (dtanh, 1 - tanh**2),
        "tanh'(x) = 4σ(2x) − 4σ²(2x)": (dtanh, 4 * twice - 4 * twice**2),
        "tanh'(x) = 4σ'(2x)": (dtanh, 4 * dtwice),
        "σ'(x) = σ(x)(1 − σ(x))": (dsigma, sigma * (1 - sigma)),
        "σ(−x) = 1 − σ(x)": (mirrored, 1 - sigma),
    }
    errors = {name: float(np.max(abs(left - right))) for name, (left, right) in identities.items()}
    text = [
        aligned(
            ("identity", f"largest error on [−{reach:g}, {reach:g}]"), [(n, f"{e:.1e}") for n, e in errors.items()]
        ),
        f"largest derivative: tanh' {dtanh.max():.4f}, σ' {dsigma.max():.4f}",
    ]
    data = {"errors": errors, "largest_derivative": {"tanh": float(dtanh.max()), "sigmoid": float(dsigma.max())}}
    return Finding("\n".join(text), data, lambda: _figure(x, (tanh, dtanh), (sigma, dsigma)))


def _with_derivative(layer: Layer, x: Array) -> tuple[Array, Array]:
    """The layer's values and, as its backward pass with ∂L/∂y = 1 gives it, its derivative."""
    y, cache = layer.forward(x[None], {})
    return y[0], layer.backward(np.ones_like(y), cache)["x"][0]


def _figure(x: Array, tanh: tuple[Array, Array], sigma: tuple[Array, Array]) -> Figure:
    from chainrule.report.plots import BLUE, ORANGE, new_figure

    figure = new_figure((10, 4))
    near = abs(x) <= 6
    for axes, i, title in zip(figure.subplots(1, 2), (0, 1), ("value", "derivative"), strict=True):
        axes.plot(x[near], tanh[i][near], color=BLUE, label="tanh")
        axes.plot(x[near], sigma[i][near], color=ORANGE, label="σ")
        axes.set(xlabel="x", title=title.capitalize())
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


TOPIC = Topic("sigmoid-tanh", "tanh is a logistic function, stretched: tanh(x) = 2σ(2x) − 1.", run)
