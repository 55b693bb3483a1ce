"""PyTorch's side, in each of its modes: eager, channels last, compiled, bfloat16; with its fused optimisers."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from chainrule.bench.cases import Case
from chainrule.bench.program import Program, UnavailableError
from chainrule.bench.rows import BATCHES, Row, data, layers_of
from chainrule.layers import Layer

_Shape = tuple[int, ...]


def row_program(row: Row, job: dict[str, Any]) -> Program:
    """Steps over batches that were cut and laid out before."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(job["threads"])
    mode = job["mode"]
    model, shape = torch.nn.Sequential(), (row.batch, *row.input_shape)
    for layer in layers_of(row):
        model.append(module_for(layer, shape))
        shape = layer.output_shape(shape)
    X, y = (torch.from_numpy(a) for a in data(row))
    batches = list(zip(X.split(row.batch), y.split(row.batch), strict=True))
    if "channels-last" in mode:
        model = model.to(memory_format=torch.channels_last)
        batches = [(x.contiguous(memory_format=torch.channels_last), labels) for x, labels in batches]
    run = torch.compile(model) if "compile" in mode else model
    reduced = "bf16" in mode
    loss_function = torch.nn.CrossEntropyLoss()
    if row.rule == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    taken = 0

    def train(count: int) -> float:
        nonlocal taken
        for _ in range(count):
            x, labels = batches[taken % BATCHES]
            taken += 1
            with torch.autocast("cpu", torch.bfloat16) if reduced else contextlib.nullcontext():
                loss = loss_function(run(x), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return float(loss.detach())

    return Program(train)


def layer_passes(case: Case, job: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Seconds of forward and of backward to the input and every parameter."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    layer, shape = case
    module = module_for(layer, shape)
    x = torch.randn(shape, requires_grad=True)
    dout = torch.randn(layer.output_shape(shape))
    if "channels-last" in job["mode"]:
        if len(shape) != 4:
            raise UnavailableError("no images")
        module = module.to(memory_format=torch.channels_last)
        x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        if dout.ndim == 4:
            dout = dout.contiguous(memory_format=torch.channels_last)
    return _passes(torch, module, x, dout)


def _passes(torch: Any, module: Any, x: Any, dout: Any) -> Iterator[tuple[float, float]]:
    wanted = [x, *module.parameters()]
    while True:
        times = [time.perf_counter()]
        out = module(x)
        times.append(time.perf_counter())
        torch.autograd.grad(out, wanted, dout)
        times.append(time.perf_counter())
        yield times[1] - times[0], times[2] - times[1]


def module_for(layer: Layer, shape: _Shape) -> Any:
    """The same layer in PyTorch for inputs of `shape`; `UnavailableError` where it has none."""
    nn = importlib.import_module("torch").nn
    if layer.name not in _MODULES:
        raise UnavailableError(f"no module for {layer.name}")
    try:
        return _MODULES[layer.name](nn, layer, shape)
    except NotImplementedError as error:
        raise UnavailableError(str(error)) from None


def _sequence(nn: Any, layers: Any, shape: _Shape) -> Any:
    modules = nn.Sequential()
    for layer in layers:
        modules.append(module_for(layer, shape))
        shape = layer.output_shape(shape)
    return modules


def _batch_norm(nn: Any, layer: Any, shape: _Shape) -> Any:
    return (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], layer.eps, 1 - layer.momentum)


def _even(layer: Any) -> Any:
    """The layer's padding, the same at both ends of an axis; PyTorch has no other."""
    padding = layer.padding
    if isinstance(padding, (str, float)) or (isinstance(padding, tuple) and len(padding) == 4):
        raise NotImplementedError(f"no padding {padding!r}")
    return padding


def _conv(nn: Any, layer: Any, shape: _Shape) -> Any:
    options = {"dilation": layer.dilation, "groups": layer.groups, "bias": layer.bias}
    return nn.Conv2d(shape[1], layer.filters, layer.kernel, layer.stride, _even(layer), **options)


def _conv_transpose(nn: Any, layer: Any, shape: _Shape) -> Any:
    options = {"dilation": layer.dilation, "groups": layer.groups, "bias": layer.bias}
    return nn.ConvTranspose2d(
        shape[1], layer.filters, layer.kernel, layer.stride, _even(layer), layer.output_padding, **options
    )


def _residual(nn: Any, layer: Any, shape: _Shape) -> Any:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.paths = nn.ModuleList(_sequence(nn, path.layers, shape) for path in layer.children)

        def forward(self, x: Any) -> Any:
            return self.paths[0](x) + (self.paths[1](x) if len(self.paths) > 1 else x)

    return Residual()


def _branches(nn: Any, layer: Any, shape: _Shape) -> Any:
    cat = importlib.import_module("torch").cat

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.paths = nn.ModuleList(_sequence(nn, path.layers, shape) for path in layer.children)

        def forward(self, x: Any) -> Any:
            return cat([path(x) for path in self.paths], 1)

    return Branches()


def _pad(nn: Any, layer: Any, shape: _Shape) -> Any:
    given = layer.padding
    top, bottom, left, right = given if isinstance(given, tuple) and len(given) == 4 else _both_ends(given)
    return nn.ZeroPad2d((left, right, top, bottom))


def _both_ends(padding: Any) -> _Shape:
    vertical, horizontal = padding if isinstance(padding, tuple) else (padding, padding)
    return vertical, vertical, horizontal, horizontal


def _function(nn: Any, call: Callable[[Any], Any]) -> Any:
    class Function(nn.Module):
        def forward(self, x: Any) -> Any:
            return call(x)

    return Function()


_MODULES: dict[str, Callable[[Any, Any, _Shape], Any]] = {
    "Affine": lambda nn, layer, shape: nn.Linear(shape[1], layer.units, layer.bias),
    "AveragePool2D": lambda nn, layer, shape: nn.AvgPool2d(
        layer.size, layer.stride, _even(layer), count_include_pad=layer.count_include_pad
    ),
    "BatchNorm": _batch_norm,
    "Branches": _branches,
    "Conv2D": _conv,
    "ConvTranspose2D": _conv_transpose,
    "Dropout": lambda nn, layer, shape: nn.Dropout(layer.rate),
    "ELU": lambda nn, layer, shape: nn.ELU(layer.alpha),
    "Flatten": lambda nn, layer, shape: nn.Flatten(),
    "GELU": lambda nn, layer, shape: nn.GELU(layer.approximate),
    "GlobalAveragePool": lambda nn, layer, shape: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "GroupNorm": lambda nn, layer, shape: nn.GroupNorm(layer.groups, shape[1], layer.eps),
    "InstanceNorm": lambda nn, layer, shape: nn.InstanceNorm2d(shape[1], layer.eps, affine=layer.affine),
    "LayerNorm": lambda nn, layer, shape: nn.LayerNorm(shape[-1], layer.eps),
    "LeakyReLU": lambda nn, layer, shape: nn.LeakyReLU(layer.slope),
    "LocalResponseNorm": lambda nn, layer, shape: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    "MaxPool2D": lambda nn, layer, shape: nn.MaxPool2d(layer.size, layer.stride, _even(layer)),
    "PReLU": lambda nn, layer, shape: nn.PReLU(shape[1]),
    "Pad": _pad,
    "PadChannels": lambda nn, layer, shape: nn.ConstantPad3d((0, 0, 0, 0, layer.before, layer.after), 0.0),
    "RMSNorm": lambda nn, layer, shape: nn.RMSNorm(shape[-1], layer.eps),
    "ReLU": lambda nn, layer, shape: nn.ReLU(),
    "Residual": _residual,
    "SELU": lambda nn, layer, shape: nn.SELU(),
    "Sequential": lambda nn, layer, shape: _sequence(nn, layer.layers, shape),
    "SiLU": lambda nn, layer, shape: nn.SiLU(),
    "Sigmoid": lambda nn, layer, shape: nn.Sigmoid(),
    "Softmax": lambda nn, layer, shape: nn.Softmax(-1),
    "Softplus": lambda nn, layer, shape: nn.Softplus(layer.beta),
    "SpatialDropout": lambda nn, layer, shape: nn.Dropout2d(layer.rate),
    "Squeeze": lambda nn, layer, shape: _function(nn, lambda x: x.squeeze(1)),
    "Tanh": lambda nn, layer, shape: nn.Tanh(),
}
