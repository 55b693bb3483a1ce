"""Declarations as plain data and back: what recipes and checkpoints hold.

Only classes of the closed lists can be named; reading data never imports or executes anything. A declaration is a
table with its kind's name and its fields, those equal to their default left out:

    {"layer": "Affine", "units": 100, "init": {"init": "Normal", "scale": 0.01}}
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import reprlib
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from chainrule.data.augment import TRANSFORMS, Transform
from chainrule.errors import ChainruleError, ConfigError, unknown
from chainrule.initializers import INITIALIZERS, Initializer
from chainrule.layers import LAYERS, Layer
from chainrule.losses import LOSSES, Loss
from chainrule.optim import RULES, SCHEDULES, Schedule, UpdateRule

MAX_DEPTH = 32  # composites inside composites, far beyond any network in use
MAX_LAYERS = 10_000  # in a list, each counted once for every composite it is in, and once more
MAX_INTEGER = 2**63  # of a size, a seed: products of two are still written in a message

_KINDS: dict[str, tuple[type, dict[str, type]]] = {
    "layer": (Layer, {c.__name__: c for c in LAYERS}),
    "loss": (Loss, {c.__name__: c for c in LOSSES}),
    "init": (Initializer, {c.__name__: c for c in INITIALIZERS}),
    "rule": (UpdateRule, {c.key: c for c in RULES}),
    "schedule": (Schedule, {c.key: c for c in SCHEDULES}),
    "transform": (Transform, {c.__name__: c for c in TRANSFORMS}),
}


def to_config(value: Any) -> Any:
    """`value` (a layer, a loss, ..., or a list of them) as tables, lists and plain values.

    >>> from chainrule.layers import Affine
    >>> to_config(Affine(10, bias=False))
    {'layer': 'Affine', 'units': 10, 'bias': False}
    """
    if isinstance(value, (list, tuple)):
        return [to_config(v) for v in value]
    for kind, (base, known) in _KINDS.items():
        if isinstance(value, base):
            name = next((n for n, c in known.items() if c is type(value)), None)
            if name is None:
                raise ConfigError(f"{type(value).__name__} is not in the list of known {kind}s, so it cannot be saved")
            changed = {
                f.name: to_config(getattr(value, f.name))
                for f in dataclasses.fields(value)  # type: ignore[arg-type]
                if f.default is dataclasses.MISSING or getattr(value, f.name) != f.default
            }
            return {kind: name, **changed}
    return value.item() if isinstance(value, np.generic) else value


def from_config(kind: str, table: Any, where: str = "", depth: int = 0) -> Any:
    """The object that `table` declares; `where` says in messages where the table stands.

    A name alone stands for a declaration without fields.

    >>> from_config("layer", {"layer": "Affine", "units": 3}).units
    3
    """
    if kind not in _KINDS:
        raise unknown("kind of declaration", kind, _KINDS)
    base, known = _KINDS[kind]
    where = where if where else kind
    if depth > MAX_DEPTH:
        raise ConfigError(f"{where}: declarations may be nested {MAX_DEPTH} deep at most")
    if isinstance(table, base):
        return table
    if isinstance(table, str):
        table = {kind: table}
    if not isinstance(table, Mapping) or not isinstance(table.get(kind), str):
        raise ConfigError(f"{where}: expected a table with {kind} = NAME, got {reprlib.repr(table)}")
    if table[kind] not in known:
        raise ConfigError(f"{where}: {unknown(kind, table[kind], known)}")
    cls = known[table[kind]]
    types = _field_types(cls)
    given = {k: v for k, v in table.items() if k != kind}
    for name in given:
        if name not in types:
            raise ConfigError(f"{where}: {unknown(f'field of {table[kind]}', name, types)}")
    values = {n: _value(types[n], v, f"{where}.{n}", depth + 1) for n, v in given.items()}
    missing = [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values
    ]
    if missing:
        raise ConfigError(f"{where}: {table[kind]} needs {', '.join(missing)}")
    try:
        return cls(**values)
    except ChainruleError as error:
        raise ConfigError(f"{where}: {error}") from None


def layers_from_config(tables: Any, where: str = "layers") -> tuple[Layer, ...]:
    """The list of layers that a list of tables declares."""
    if not isinstance(tables, (list, tuple)):
        raise ConfigError(f"{where}: expected a list of layers, got {reprlib.repr(tables)}")
    _require_few(tables, where)
    return tuple(from_config("layer", t, f"{where}[{i}]") for i, t in enumerate(tables))


def _require_few(tables: Any, where: str) -> None:
    """Raise where a declaration holds more layers than its shapes can be worked out for in a moment."""
    count, depth, level = 0, 1, list(tables)
    while level and depth <= MAX_DEPTH + 1:
        count += depth * len(level)
        if count > MAX_LAYERS:
            raise ConfigError(f"{where}: must hold at most {MAX_LAYERS} layers, each counted once a level, got more")
        inside = [v for t in level if isinstance(t, Mapping) for v in t.values() if isinstance(v, (list, tuple))]
        rows = [e for v in inside for e in v]
        level = [
            e for v in rows for e in (v if isinstance(v, (list, tuple)) else (v,)) if isinstance(e, (Mapping, str))
        ]
        depth += 1


@functools.lru_cache(maxsize=256)
def _field_types(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _value(expected: Any, value: Any, where: str, depth: int) -> Any:
    """`value` as the field type `expected`: nested declarations by kind, everything else strictly by msgspec."""
    if depth > MAX_DEPTH:
        raise ConfigError(f"{where}: declarations may be nested {MAX_DEPTH} deep at most")
    for kind, (base, _) in _KINDS.items():
        if expected is base:
            return from_config(kind, value, where, depth)
    origin, options = typing.get_origin(expected), typing.get_args(expected)
    if origin is tuple and _declares(expected):  # tuple[Layer, ...], or a tuple of such tuples
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {reprlib.repr(value)}")
        return tuple(_value(options[0], v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value))
    if type(None) in options and _declares(expected):  # Schedule | None
        return None if value is None else _value(options[0], value, where, depth)
    if len([o for o in options if typing.get_origin(o) is tuple]) > 1:  # a union that msgspec cannot tell apart
        for option in options:
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.convert(value, option, strict=True)
        raise ConfigError(f"{where}: expected {expected}, got {reprlib.repr(value)}")
    for number in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(number, int) and abs(number) > MAX_INTEGER:
            raise ConfigError(f"{where}: must be at most {MAX_INTEGER}, got an integer of {number.bit_length()} bits")
    try:
        return msgspec.convert(value, expected, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}, in {reprlib.repr(value)}") from None


def _declares(expected: Any) -> bool:
    """Whether a field type holds declarations: Schedule | None, tuple[Layer, ...]."""
    return any(expected is base for base, _ in _KINDS.values()) or any(map(_declares, typing.get_args(expected)))
