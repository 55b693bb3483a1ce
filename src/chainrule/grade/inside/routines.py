"""What is done with a submission's functions in one case. The parent does the very same with this package's own.

Every routine takes `find(file, name)` and the case's call, a dictionary of plain values and arrays, and returns named
results. `changed` among them lists the inputs that the function wrote to.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .loading import MismatchError

Find = Callable[[str, str], Any]
Call = Mapping[str, Any]
Results = dict[str, Any]


def load(find: Find, call: Call) -> Results:
    """Import a file, and nothing else."""
    with contextlib.suppress(MismatchError):  # it need not define this
        find(call["file"], "__name__")
    return {}


def forward(find: Find, call: Call) -> Results:
    """out, _ = f(*args); for each of `more`, a dictionary that replaces x and updates the last argument, again."""
    function = find(call["file"], call["name"])
    args = _fresh(call["args"])
    results: Results = {"out": None}
    changed: set[str] = set()
    for i, more in enumerate([{}, *call.get("more", [])]):
        if more:
            args[0] = np.array(more["x"])
            args[-1].update(more["update"])
        kept = copy.deepcopy(args)
        out, _ = _pair(call["name"], function(*args))
        results["out" if i == 0 else f"out of call {i + 1}"] = out
        changed.update(_changed(args, kept, call["arguments"]))
        for key in call.get("keep", []):
            results[f"{key} after call {i + 1}"] = args[-1].get(key)
    return results | {"changed": sorted(changed)}


def backward(find: Find, call: Call) -> Results:
    """out, cache = f(*args); f(*others) in between, as two layers of one kind do; then gradients = g(dout, cache)."""
    function, gradient = find(call["file"], call["forward"]), find(call["file"], call["name"])
    args, dout = _fresh(call["args"]), np.array(call["dout"])
    out, cache = _pair(call["forward"], function(*args))
    if "others" in call:
        function(*_fresh(call["others"]))
    kept = copy.deepcopy([*args, dout])
    gradients = gradient(dout, cache)
    changed = _changed([*args, dout], kept, [*call["arguments"], "dout"])
    results = {"changed": changed} | _named(call["name"], gradients, call["gradients"])
    return results | {"out": out} if call.get("keep_out") else results


def loss(find: Find, call: Call) -> Results:
    """loss, dx = f(x, y); where labels may be written in another way, `or_y`, that too, and one of the two may fail."""
    function = find(call["file"], call["name"])
    if "or_y" not in call:
        return _loss(function, call["name"], call["x"], call["y"])
    try:
        results = _loss(function, call["name"], call["x"], call["y"])
    except Exception:
        return {"or": _loss(function, call["name"], call["x"], call["or_y"])}
    with contextlib.suppress(Exception):
        results["or"] = _loss(function, call["name"], call["x"], call["or_y"])
    return results


def _loss(function: Any, name: str, x: Any, y: Any) -> Results:
    args = _fresh([x, y])
    kept = copy.deepcopy(args)
    value, dx = _pair(name, function(*args))
    return {"loss": value, "dx": dx, "changed": _changed(args, kept, ["x", "y"])}


def update(find: Find, call: Call) -> Results:
    """next_w, config = f(w, dw, config), once for each gradient in `steps`."""
    rule = find(call["file"], call["name"])
    w, config = np.array(call["w"]), copy.deepcopy(call["config"])
    results: Results = {}
    for i, dw in enumerate(call["steps"], start=1):
        w, config = _pair(call["name"], rule(w, np.array(dw), config))
        w = np.array(w)
        results[f"w after step {i}"] = w
    if not isinstance(config, dict):
        raise MismatchError(f"{call['name']} must return (next_w, config), returned no dictionary as config")
    return results | {f"config[{key!r}]": config.get(key) for key in call["keep"]}


def draw(find: Find, call: Call) -> Results:
    """Build a model; the shapes of its parameters, and how they are spread."""
    net = _build(find, call)
    params = {str(name): np.asarray(value) for name, value in _params(net).items()}
    return {
        "shapes": {name: list(value.shape) for name, value in params.items()},
        "dtypes": {name: str(value.dtype) for name, value in params.items()},
        "means": {name: float(value.mean()) for name, value in params.items()},
        "spreads": {name: float(value.std()) for name, value in params.items()},
    }


def model(find: Find, call: Call) -> Results:
    """Build a model, set its parameters, then what `order` says: "scores" = loss(X), "loss" = loss(X, y)."""
    net = _build(find, call)
    _set(net, call)
    X, y = np.array(call["X"]), np.array(call["y"])
    kept = copy.deepcopy([X, y])
    before = {name: np.array(value) for name, value in _params(net).items()}
    results: Results = {}
    for what in call["order"]:
        if what == "scores":
            results["scores"] = net.loss(X)
        else:
            results["loss"], gradients = _pair("loss(X, y)", net.loss(X, y))
            if not isinstance(gradients, Mapping):
                raise MismatchError("loss(X, y) must return (loss, gradients), returned no dictionary of gradients")
            results["gradients"] = {str(name): value for name, value in gradients.items()}
    changed = _changed([X, y], kept, ["X", "y"])
    changed += [name for name, value in before.items() if not _same(net.params[name], value)]
    return results | {"changed": changed}


def slope(find: Find, call: Call) -> Results:
    """loss(X, y), its gradients, and the loss a little along `direction` to either side: a derivative, measured."""
    net = _build(find, call)
    _set(net, call)
    X, y = np.array(call["X"]), np.array(call["y"])
    value, gradients = _pair("loss(X, y)", net.loss(X, y))
    results: Results = {"loss": value, "gradients": dict(gradients)}
    for name, step in (("above", call["h"]), ("below", -call["h"])):
        for key, direction in call["direction"].items():
            net.params[key] = np.array(call["params"][key]) + step * direction
        results[name], _ = _pair("loss(X, y)", net.loss(X, y))
    _set(net, call)
    return results | {"scores": net.loss(X)}


ROUTINES: dict[str, Callable[[Find, Call], Results]] = {
    f.__name__: f for f in (load, forward, backward, loss, update, draw, model, slope)
}


def _build(find: Find, call: Call) -> Any:
    np.random.seed(call.get("seed", 0))
    options = dict(call["options"])
    if "dtype" in options:
        options["dtype"] = {"float32": np.float32, "float64": np.float64}[options["dtype"]]
    return find(call["file"], call["name"])(*call.get("positional", []), **options)


def _params(net: Any) -> Mapping[str, Any]:
    params = getattr(net, "params", None)
    if not isinstance(params, Mapping):
        raise MismatchError("the model has no dictionary params")
    return params


def _set(net: Any, call: Call) -> None:
    _params(net)
    for name, value in call["params"].items():
        net.params[name] = np.array(value)
    for name, value in call.get("set", {}).items():
        setattr(net, name, value)


def _fresh(args: Any) -> list[Any]:
    """Copies that a submission may write to."""
    return [np.array(arg) if isinstance(arg, np.ndarray) else copy.deepcopy(arg) for arg in args]


def _pair(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise MismatchError(f"{name} must return two values, returned {_kind(result)}")
    return result


def _named(name: str, gradients: Any, names: list[str]) -> Results:
    if len(names) == 1 and not isinstance(gradients, tuple):
        gradients = (gradients,)
    if not isinstance(gradients, tuple) or len(gradients) != len(names):
        raise MismatchError(f"{name} must return {', '.join(names)}, returned {_kind(gradients)}")
    return dict(zip(names, gradients, strict=True))


def _kind(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, tuple) else type(value).__name__


def _changed(args: list[Any], kept: list[Any], names: list[str]) -> list[str]:
    """The names of the arrays that differ from what they were."""
    return [
        name
        for name, value, before in zip(names, args, kept, strict=True)
        if isinstance(before, np.ndarray) and not _same(value, before)
    ]


def _same(value: Any, before: np.ndarray) -> bool:
    value = np.asarray(value)
    return value.shape == before.shape and np.array_equal(value, before)
