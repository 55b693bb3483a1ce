"""Time one row in one framework, in a process of its own: `worker.py FRAMEWORK ROW STEPS` prints one JSON object.

Random data, forward + backward + update, single precision; the framework's fused optimiser where it has one.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rows import ROWS, Row

THREADS = 2


def chainrule_step(row: Row) -> Callable[[], float]:
    from chainrule.config import layers_from_config
    from chainrule.engines import make_engine
    from chainrule.network import Network
    from chainrule.solver.solver import make_rule

    x, y = batch(row)
    network = Network(layers_from_config(row.layers), input_shape=row.input_shape)
    engine = make_engine(network, make_rule(row.rule, None))
    return lambda: engine.step(x, y)


def torch_step(row: Row, *, channels_last: bool = False) -> Callable[[], float]:
    import torch

    torch.set_num_threads(THREADS)
    x, y = (torch.from_numpy(a) for a in batch(row))
    model = torch.nn.Sequential(*torch_layers(row, torch.nn))
    if channels_last and x.ndim == 4:
        x, model = x.to(memory_format=torch.channels_last), model.to(memory_format=torch.channels_last)
    loss_function = torch.nn.CrossEntropyLoss()
    if row.rule == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def torch_layers(row: Row, nn: Any) -> list[Any]:
    """The same layers in PyTorch, by name; lazy modules find their own input sizes."""
    from chainrule.config import layers_from_config

    shape = (1, *row.input_shape)
    modules = []
    for layer in layers_from_config(row.layers):
        modules.append(TORCH[layer.name](nn, layer, shape))
        shape = layer.output_shape(shape)
    return modules


TORCH: dict[str, Callable[[Any, Any, Any], Any]] = {
    "Affine": lambda nn, layer, shape: nn.Linear(shape[1], layer.units),
    "ReLU": lambda nn, layer, shape: nn.ReLU(),
    "Flatten": lambda nn, layer, shape: nn.Flatten(),
    "Conv2D": lambda nn, layer, shape: nn.Conv2d(
        shape[1], layer.filters, layer.kernel, layer.stride, layer.padding, bias=layer.bias
    ),
    "BatchNorm": lambda nn, layer, shape: (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1]),
    "MaxPool2D": lambda nn, layer, shape: nn.MaxPool2d(layer.size, layer.stride, layer.padding),
    "Dropout": lambda nn, layer, shape: nn.Dropout(layer.rate),
}


def sklearn_step(row: Row) -> Callable[[], float]:
    """One `partial_fit` of MLPClassifier, for rows that are multi-layer perceptrons."""
    from sklearn.neural_network import MLPClassifier

    x, y = batch(row)
    hidden = [layer["units"] for layer in row.layers if isinstance(layer, dict)][:-1]
    solver = {"sgd_momentum": "sgd"}.get(row.rule, row.rule)
    model = MLPClassifier(hidden, solver=solver, batch_size=row.batch, alpha=0.0)
    model.partial_fit(x, y, classes=np.arange(row.classes))
    return lambda: model.partial_fit(x, y).loss_


FRAMEWORKS: dict[str, Callable[[Row], Callable[[], float]]] = {
    "chainrule": chainrule_step,
    "torch": torch_step,
    "torch-channels-last": lambda row: torch_step(row, channels_last=True),
    "sklearn": sklearn_step,
}


def batch(row: Row) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(row.batch, *row.input_shape)).astype(np.float32)
    return x, rng.integers(0, row.classes, row.batch)


def main(framework: str, name: str, steps: int) -> None:
    row = next(r for r in ROWS if r.name == name)
    step = FRAMEWORKS[framework](row)
    for _ in range(max(5, steps // 10)):
        step()
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": statistics.median(times) * 1e3, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
