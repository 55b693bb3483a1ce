"""A chain of linear layers equals one linear layer; with a non-linearity between them it does not."""

from __future__ import annotations

import numpy as np

from chainrule.analysis.collapse import collapse
from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array
from chainrule.errors import require_number
from chainrule.layers import Affine, Layer, ReLU
from chainrule.network import Network
from chainrule.summary import aligned

SIZE = 10  # inputs and outputs


def run(*, depth: int = 5, width: int = 50, seed: int = 0) -> Finding:
    """Collapse a stack of affine layers into one and compare the two.

    Parameters
    ----------
    depth
        How many affine layers are stacked.
    width
        Units of the layers in between.
    seed
        Of the weights and the inputs.
    """
    require_number("linear-collapse", "depth", depth, integer=True, low=1, high=1000)
    require_number("linear-collapse", "width", width, integer=True, low=1, high=2000)
    require_number("linear-collapse", "seed", seed, integer=True, low=0)
    rng = np.random.default_rng(seed)
    linear: list[Layer] = [Affine(width)] * (depth - 1)
    deep = Network([*linear, Affine(SIZE)], input_shape=SIZE, seed=seed, dtype="float64")
    for name, value in deep.params.items():
        if name.startswith("b"):
            deep.params[name] = rng.normal(size=value.shape)
    single = collapse(deep)
    x = rng.normal(size=(200, SIZE))
    difference = _largest(deep.scores(x), single.scores(x))
    bent = Network([*(part for layer in linear for part in (layer, ReLU())), Affine(SIZE)], None, SIZE, seed, "float64")
    for name in bent.params:
        bent.params[name] = deep.params[name]
    left = _not_affine(bent, x)
    data = {
        "depth": depth,
        "stack_parameters": int(deep.params.flat.size),
        "single_parameters": int(single.params.flat.size),
        "largest_relative_difference": difference,
        "unexplained_with_relu": left,
    }
    rows = [
        ("the stack", f"{depth}", f"{deep.params.flat.size:,}"),
        ("one layer, W = W1 W2 ...", "1", f"{single.params.flat.size:,}"),
    ]
    text = [
        aligned(("network", "affine layers", "parameters"), rows),
        f"largest difference of their outputs on 200 random inputs: {difference:.1e} of the largest output",
        f"with ReLU between the layers, the best affine map leaves {left:.1%} of the outputs' variance unexplained",
    ]
    return Finding("\n".join(text), data)


def _largest(a: Array, b: Array) -> float:
    return float(np.max(abs(a - b)) / np.max(abs(a)))


def _not_affine(network: Network, x: Array) -> float:
    """The share of the outputs' variance that no affine map of the inputs explains."""
    scores = network.scores(x)
    inputs = np.hstack([x, np.ones((len(x), 1))])
    fitted = inputs @ np.linalg.lstsq(inputs, scores, rcond=None)[0]
    return float(np.var(scores - fitted) / np.var(scores))


TOPIC = Topic("linear-collapse", "A chain of linear layers equals one linear layer.", run)
