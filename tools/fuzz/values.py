"""Changes of plain data (what JSON and TOML hold): entries lost, doubled, moved, and replaced by absurd ones."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np

Rng = np.random.Generator

NUMBERS: list[Any] = [
    0,
    -1,
    1,
    2,
    7,
    0.5,
    -0.0,
    1e-300,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    10**12,
    2**31,
    2**63,
    2**64,
]
NUMBERS += [-(2**63), 10**19, 10**40]
OTHERS: list[Any] = [None, True, False, "", "x", "é\0\n", "../../etc/passwd", "/dev/zero", "W1", "Affine", "float64"]
OTHERS += [
    "a" * 3000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [0] * 40,
    {"layer": "ReLU"},
    {"layer": "Dropout", "rate": math.nan},
]
OTHERS += [
    {"layer": "Affine", "units": 10**12},
    {"tensor": "list.0"},
    {"columns": {}},
    {"columns": {"a": [1]}},
    "os.system",
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in `value`."""
    found, todo = [], [value]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            todo.append(node[key])
    return found


def changed(value: Any, rng: Rng) -> tuple[Any, str]:
    """A copy of a table with one to three changes, and what they are."""
    value, done = copy.deepcopy(value), []
    for _ in range(1 if rng.random() < 0.7 else 3):
        known = places(value)
        if not known:
            break
        node, key = known[int(rng.integers(len(known)))]
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        change(node, key, rng, known)
        done.append(change.__name__)
    return value, " + ".join(done)


def replace(node: Any, key: Any, rng: Rng, known: Any) -> None:
    pool = NUMBERS if rng.random() < 0.5 else OTHERS
    node[key] = copy.deepcopy(pool[int(rng.integers(len(pool)))])


def nudge(node: Any, key: Any, rng: Rng, known: Any) -> None:
    """A number by a little, a text by a letter."""
    old = node[key]
    if isinstance(old, bool) or old is None:
        node[key] = not old
    elif isinstance(old, (int, float)):
        node[key] = old + int(rng.integers(-2, 3)) if rng.random() < 0.5 else old * 2
    elif isinstance(old, str):
        at = int(rng.integers(len(old) + 1))
        node[key] = old[:at] + chr(int(rng.integers(1, 300))) + old[at + int(rng.integers(2)) :]


def drop(node: Any, key: Any, rng: Rng, known: Any) -> None:
    del node[key]


def double(node: Any, key: Any, rng: Rng, known: Any) -> None:
    if isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    else:
        node[f"{key}{int(rng.integers(10))}"] = copy.deepcopy(node[key])


def move(node: Any, key: Any, rng: Rng, known: Any) -> None:
    """What stands elsewhere."""
    other, at = known[int(rng.integers(len(known)))]
    node[key] = copy.deepcopy(other[at])


def nest(node: Any, key: Any, rng: Rng, known: Any) -> None:
    for _ in range(int(rng.choice([1, 3, 40, 200]))):
        node[key] = [node[key]] if rng.random() < 0.5 else {str(key): node[key]}


def lengthen(node: Any, key: Any, rng: Rng, known: Any) -> None:
    if isinstance(node[key], list) and len(node[key]) < 1000:
        node[key] = node[key] * int(rng.choice([2, 20, 100]))


CHANGES = (replace, replace, nudge, nudge, drop, double, move, nest, lengthen)


def dumps(value: Any) -> bytes:
    """JSON with the NaN and Infinity that Python reads."""
    return json.dumps(value).encode()
