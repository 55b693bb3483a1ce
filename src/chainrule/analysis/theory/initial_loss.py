"""The loss before training: ln C with small random weights, more with large weights or regularisation.

Small weights give nearly equal scores, so softmax gives each of C classes nearly 1/C, and −ln(1/C) = ln C. The
regularisation adds ½ λ ‖W‖². A first loss far from that is a sign of a fault.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.errors import ConfigError, require_number
from chainrule.initializers import Normal
from chainrule.layers import Affine, ReLU
from chainrule.network import Network
from chainrule.summary import aligned

FEATURES, HIDDEN = 100, 50


def run(
    *,
    classes: tuple[int, ...] = (2, 10, 100, 1000),
    scale: tuple[float, ...] = (1e-3, 1.0),
    reg: tuple[float, ...] = (0.0, 1.0),
    seed: int = 0,
) -> Finding:
    """Compute the first loss of a two-layer network for some numbers of classes.

    Parameters
    ----------
    classes
        Numbers of classes C.
    scale
        Standard deviations of the initial weights.
    reg
        Strengths λ of the regularisation.
    seed
        Of weights, inputs and labels.
    """
    for name, values in (("classes", classes), ("scale", scale), ("reg", reg)):
        if not values:
            raise ConfigError(f"initial-loss: {name} must hold at least one number, got none")
    for count in classes:
        require_number("initial-loss", "classes", count, integer=True, low=2, high=100_000)
    for value in (*scale, *reg):
        require_number("initial-loss", "scale and reg", value, low=0)
    require_number("initial-loss", "seed", seed, integer=True, low=0)
    found = [_first_loss(c, s, r, seed) for s in scale for r in reg for c in classes]
    rows = [
        (
            f"{f['classes']:,}",
            f"{f['scale']:g}",
            f"{f['reg']:g}",
            *(f"{round(f[k], 4) + 0.0:.4f}" for k in ("loss", "ln_C", "difference")),
        )
        for f in found
    ]
    head = ("classes C", "weights' scale", "λ", "first loss", "ln C", "difference")
    return Finding(aligned(head, rows, text_columns=0), {"losses": found})


def _first_loss(classes: int, scale: float, reg: float, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(500, FEATURES)), rng.integers(0, classes, 500)
    init = Normal(scale)
    layers = [Affine(HIDDEN, init=init), ReLU(), Affine(classes, init=init)]
    network = Network(layers, None, FEATURES, seed, "float64", reg=reg)
    loss, _ = network.loss(x, y)
    expected = math.log(classes)
    return {
        "classes": classes,
        "scale": scale,
        "reg": reg,
        "loss": loss,
        "ln_C": expected,
        "difference": loss - expected,
    }


TOPIC = Topic("initial-loss", "The first softmax loss is ln C with small weights, and higher with regularisation.", run)
