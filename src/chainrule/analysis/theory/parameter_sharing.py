"""What it saves that all windows of an image share one kernel."""

from __future__ import annotations

import math

from chainrule.analysis.cost import Counting, count_costs
from chainrule.analysis.layer_words import layers_from_words, shape_from_words
from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.errors import ConfigError
from chainrule.layers import Affine, Conv2D
from chainrule.summary import aligned


def run(*, layer: str = "conv 96 11x11 stride 4", input: str = "3,227,227") -> Finding:
    """Count a convolution's parameters shared, unshared, and as a fully connected layer of the same size.

    Parameters
    ----------
    layer
        The convolution in words; AlexNet's first one if not given.
    input
        The shape of one image, channels first.
    """
    layers, shape = layers_from_words(layer), shape_from_words(input)
    if len(layers) != 1 or not isinstance(layers[0], Conv2D):
        raise ConfigError(f"parameter-sharing: expected one convolution, got {layer!r}")
    shared, unshared = (count_costs(layers, shape, Counting(shared=s)) for s in (True, False))
    out = shared.rows[0].output_shape
    connected = Affine(math.prod(out), layers[0].bias).param_count((1, math.prod(shape)))
    counts = {"shared": shared.parameters, "unshared": unshared.parameters, "fully_connected": connected}
    names = ("one kernel for all windows", "a kernel for every window", "every output sees every input")
    rows = [
        (name, f"{count:,}", f"{count / shared.parameters:,.0f}")
        for name, count in zip(names, counts.values(), strict=True)
    ]
    text = f"{shape} to {out}\n{aligned(('weights', 'parameters', 'times as many'), rows)}"
    return Finding(text, {"input_shape": shape, "output_shape": out, **counts})


TOPIC = Topic("parameter-sharing", "Sharing a kernel over the image saves parameters, not arithmetic.", run)
