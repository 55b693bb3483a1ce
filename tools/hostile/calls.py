"""One valid call of every entry point, from `examples()`, from the name of a parameter, or from the tables here.

What is declared of itself (a layer, a loss, a rule, a transform, a schedule, a function whose parameters have known
names) needs no line here.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import chainrule as cr
from chainrule.check.layer import draw_input, draw_params
from chainrule.initializers import Initializer
from chainrule.layers import Layer
from chainrule.losses import Loss
from chainrule.optim import Schedule, UpdateRule, When
from hostile import coursework
from hostile.entries import Entry
from hostile.things import ARGUMENTS, INSTANCES, NAMES

RNG = np.random.default_rng(5)


class NoCallError(Exception):
    """No valid call of an entry point is known."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A valid call: `make()` gives the function and its arguments, new ones where they may be changed."""

    entry: Entry
    make: Callable[[], tuple[Callable[..., Any], dict[str, Any]]]

    def bound(self, arguments: Mapping[str, Any], function: Callable[..., Any]) -> Callable[[], Any]:
        """The call with `arguments` by position or name, as the signature wants them."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in self.entry.signature.parameters.values():
            if parameter.name not in arguments:
                continue
            value = arguments[parameter.name]
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            elif parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                named.update(value)
            else:
                named[parameter.name] = value
        return functools.partial(function, *positional, **named)


def call_of(entry: Entry) -> Call:
    """The valid call of `entry`; `NoCallError` where nothing says how."""
    _arguments(entry, _instance(entry))  # now, so that what is missing is named
    return Call(entry, lambda: _made(entry))


def _made(entry: Entry) -> tuple[Callable[..., Any], dict[str, Any]]:
    instance = _instance(entry)
    function = (
        entry.target if not entry.member else getattr(entry.owner if instance is None else instance, entry.member)
    )
    if entry.name.startswith("models.") and entry.member == "":
        function = functools.partial(_without_drawing, function)
    return function, _arguments(entry, instance)


def _without_drawing(function: Callable[..., Any], *positional: Any, **named: Any) -> Any:
    """A model whose weights stay zero: drawing those of the large ones takes seconds."""
    with mock.patch.object(cr.Network, "initialize"):
        return function(*positional, **named)


def _instance(entry: Entry) -> Any:
    return instance_of(entry.owner) if entry.is_instance_method else None


def instance_of(cls: Any) -> Any:
    """A valid object of class `cls`."""
    if cls in INSTANCES:
        return INSTANCES[cls]()
    if cls.__module__.startswith("chainrule.courses") and cls.__name__ in coursework.MODELS:
        return coursework.model(cls)
    if "examples" in vars(cls) and not inspect.isabstract(cls):
        return cls.examples()[0][0]
    if dataclasses.is_dataclass(cls):
        return cls(**_fields(cls))
    try:
        return cls()
    except TypeError as error:
        raise NoCallError(f"no object of {cls.__name__}: {error}") from None


def _fields(cls: type) -> dict[str, Any]:
    """Arguments of a dataclass: those of its first example, or its defaults, or by the fields' names."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    if "examples" in vars(cls):
        example = cls.examples()[0][0]  # type: ignore[attr-defined]
        return {f.name: getattr(example, f.name) for f in fields}
    found = {}
    for f in fields:
        if f.default is not dataclasses.MISSING:
            found[f.name] = f.default
        elif f.default_factory is not dataclasses.MISSING:
            found[f.name] = f.default_factory()
        else:
            found[f.name] = _by_name(f.name, cls.__name__)
    return found


def _by_name(name: str, where: str) -> Any:
    if name not in NAMES:
        raise NoCallError(f"{where}: no valid value is known for a parameter called {name!r}")
    return NAMES[name]()


def _arguments(entry: Entry, instance: Any) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if entry.name.startswith("courses."):
        own = _coursework(entry, instance)
    elif isinstance(instance, Layer):
        own = _layer_arguments(instance, entry.member)
    elif isinstance(instance, Loss):
        own = _loss_arguments(instance)
    elif isinstance(instance, UpdateRule):
        own = _rule_arguments(instance)
    elif isinstance(instance, Schedule):
        own = {"when": When(7, 5, 20, (0.5, 0.4))}
    elif isinstance(instance, Initializer):
        own = {"shape": (4, 3), "rng": np.random.default_rng(0)}
    elif isinstance(instance, cr.data.Transform):
        own = _transform_arguments(instance)
    elif not entry.member and entry.owner is not None and dataclasses.is_dataclass(entry.owner):
        own = _fields(entry.owner) if entry.name not in ARGUMENTS else {}
    for pattern in (entry.name, entry.name.split(".", 1)[-1], f"*.{entry.member}" if entry.member else ""):
        if pattern in ARGUMENTS:
            given = ARGUMENTS[pattern]
            own = {**own, **(given(instance) if inspect.signature(given).parameters else given())}
            break
    arguments = {}
    for parameter in entry.signature.parameters.values():
        if parameter.name in own:
            arguments[parameter.name] = own[parameter.name]
        elif parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        elif parameter.name in NAMES and parameter.default is parameter.empty:
            arguments[parameter.name] = NAMES[parameter.name]()
        elif parameter.default is not parameter.empty:
            arguments[parameter.name] = parameter.default
        else:
            raise NoCallError(f"{entry.name}: no valid value is known for a parameter called {parameter.name!r}")
    return arguments


def _coursework(entry: Entry, instance: Any) -> dict[str, Any]:
    if instance is not None:
        return coursework.model_rows(instance) if type(instance).__name__ in coursework.MODELS else {}
    if entry.owner is not None:
        return coursework.MODELS.get(entry.owner.__name__, {}) if not entry.member else {}
    found = coursework.arguments(entry.target)
    return {} if found is None else found


@functools.lru_cache(maxsize=256)
def _layer_world(layer: Layer, x_shape: tuple[int, ...]) -> dict[str, Any]:
    x, params = draw_input(x_shape, np.random.default_rng(1)), draw_params(layer, x_shape, np.random.default_rng(2))
    train = layer.uses_key
    out, cache = layer.forward(x, params, train=train, key=3)
    dout = np.random.default_rng(4).normal(size=out.shape)
    return {"x": x, "params": params, "train": train, "key": 3, "dout": dout, "cache": cache, "x_shape": x_shape}


def _layer_arguments(layer: Layer, member: str) -> dict[str, Any]:
    shape = next(s for example, s in type(layer).examples() if example == layer)
    return {**_layer_world(layer, tuple(shape)), "rng": lambda i: np.random.default_rng(i)}


def _loss_arguments(loss: Loss) -> dict[str, Any]:
    shape, targets = next((s, t) for example, s, t in type(loss).examples() if example == loss)
    scores = np.random.default_rng(1).normal(size=shape)
    return {"scores": scores, "y": targets(np.random.default_rng(2), shape)}


def _rule_arguments(rule: UpdateRule) -> dict[str, Any]:
    w, g = np.random.default_rng(1).normal(size=6), np.random.default_rng(2).normal(size=6)
    return {"w": w, "g": g, "slots": rule.init(w), "step": cr.Step(2, 0.5)}


def _transform_arguments(transform: Any) -> dict[str, Any]:
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8))
    t = np.eye(3)[:2]
    words = np.random.default_rng(2).integers(0, 2**32, (transform.words, 2), np.uint32)
    return {"x": x, "t": t, "words": words, "epoch": 1}


def in_folder(folder: Path) -> None:
    """Make the files that valid calls read, in `folder`, which is the current one."""
    from hostile.things import write_files

    write_files(folder)
