"""How gradients shrink or grow on their way through a deep network, by activation and initialisation.

Going back through one layer multiplies the gradient with Wᵀ and with the activation's derivative. σ' is at most ¼ and
tanh' at most 1, so gradients vanish unless the weights make up for it; He's variance 2/D does that for ReLU, which
passes half of the units, Glorot's 2/(D + M) for tanh.
Source: Glorot & Bengio, AISTATS 2010; He et al., ICCV 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.analysis.theory.topic import Finding, Topic
from chainrule.arrays import Array
from chainrule.errors import require_number
from chainrule.initializers import Initializer, Normal, he_normal, xavier_normal
from chainrule.layers import Affine, Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.network import Network
from chainrule.summary import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACTIVATIONS: dict[str, Layer] = {"sigmoid": Sigmoid(), "tanh": Tanh(), "ReLU": ReLU(), "leaky ReLU": LeakyReLU()}
CLASSES = 10


def run(*, depth: int = 20, width: int = 100, batch: int = 100, seed: int = 0) -> Finding:
    """Measure the gradient of every hidden layer's output, for four activations and three initialisations.

    Parameters
    ----------
    depth
        How many hidden layers.
    width
        Units of each of them.
    batch
        Random inputs with random labels that the gradients are measured on.
    seed
        Of weights, inputs and labels.
    """
    for name, value, high in (("depth", depth, 200), ("width", width, 2000), ("batch", batch, 100_000)):
        require_number("vanishing-gradients", name, value, integer=True, low=2, high=high)
    require_number("vanishing-gradients", "seed", seed, integer=True, low=0)
    starts: dict[str, Initializer] = {"normal 0.01": Normal(0.01), "Xavier": xavier_normal, "He": he_normal}
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(batch, width)), rng.integers(0, CLASSES, batch)
    norms = {
        activation: {start: _norms(layer, init, depth, x, y, seed) for start, init in starts.items()}
        for activation, layer in ACTIVATIONS.items()
    }
    rows = [
        (activation, start, f"{values[0]:.1e}", f"{values[-1]:.1e}", f"{_ratio(values):.1e}")
        for activation, by_start in norms.items()
        for start, values in by_start.items()
    ]
    head = ("activation", "initial weights", "‖∂L/∂h‖ first layer", "last layer", "first / last")
    data = {
        "depth": depth,
        "width": width,
        "norms": {a: {s: v.tolist() for s, v in b.items()} for a, b in norms.items()},
    }
    text = f"{depth} hidden layers of {width} units; h is a layer's output\n{aligned(head, rows, text_columns=2)}"
    return Finding(text, data, lambda: _figure(norms, depth))


def _norms(activation: Layer, init: Initializer, depth: int, x: Array, y: Array, seed: int) -> Array:
    """‖∂L/∂h_l‖ of every hidden layer l, the first one first."""
    hidden: list[Layer] = [part for _ in range(depth) for part in (Affine(x.shape[1], init=init), activation)]
    network = Network([*hidden, Affine(CLASSES, init=init)], None, x.shape[1], seed, "float64")
    scores, cache = network.forward(x)
    _, dout = network.loss_function(scores, y)
    norms: list[float] = []
    for i in reversed(range(len(network.layers))):
        if i % 2 == 1:
            norms.append(float(np.linalg.norm(dout)))
        dout = network.layers[i].backward(dout, cache[i])["x"]
    return np.array(norms[::-1])


def _ratio(values: Array) -> float:
    return float(values[0] / values[-1]) if values[-1] > 0 else 0.0


def _figure(norms: dict[str, dict[str, Array]], depth: int) -> Figure:
    from chainrule.report.plots import BLUE, ORANGE, new_figure

    figure = new_figure((11, 6.5))
    layers = np.arange(1, depth + 1)
    styles = (("#777777", "s"), (BLUE, "o"), (ORANGE, "^"))
    for axes, (activation, by_start) in zip(figure.subplots(2, 2).flat, norms.items(), strict=True):
        for (start, values), (color, marker) in zip(by_start.items(), styles, strict=True):
            shown = np.where(values > 0, values, np.nan)
            axes.semilogy(layers, shown, color=color, marker=marker, markersize=3, label=start)
        axes.set(title=activation, xlabel="hidden layer", ylabel="‖∂L/∂h‖")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, title="initial weights")
    figure.suptitle(f"Gradients through {depth} layers")
    return figure


TOPIC = Topic("vanishing-gradients", "Gradients vanish or explode through depth unless the weights fit.", run)
