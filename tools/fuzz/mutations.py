"""Changes of bytes: flipped, lost, doubled, replaced by what is likely to break something."""

from __future__ import annotations

import numpy as np

Rng = np.random.Generator


def flip(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    for _ in range(int(rng.geometric(0.5))):
        data[at(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def overwrite(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    for _ in range(int(rng.geometric(0.5))):
        data[at(data, rng)] = int(rng.integers(256))
    return data


def truncate(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    return data[: at(data, rng)]


def insert(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    data[start:start] = rng.bytes(int(rng.integers(1, 65)))
    return data


def delete(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    del data[start : start + int(rng.integers(1, 65))]
    return data


def repeat(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    start = at(data, rng)
    piece = data[start : start + int(rng.integers(1, 600))]
    data[start:start] = piece * int(rng.integers(1, 20))
    return data


def splice(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    return data[: at(data, rng)] + other[at(other, rng) :]


def number(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    """A length or count replaced by one that is likely to break something."""
    start, width = at(data, rng), int(rng.choice([1, 2, 4, 8]))
    top = 1 << 8 * width
    value = int(rng.choice(np.array([0, 1, 2, 7, 64, top // 2 - 1, top // 2, top - 1, top - 8], dtype=object))) % top
    data[start : start + width] = value.to_bytes(width, "big" if rng.random() < 0.5 else "little")
    return data


def digits(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    """A number written in text or octal replaced by another."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        start = places[int(rng.integers(len(places)))]
        data[start : start + int(rng.integers(1, 4))] = bytes(rng.choice(list(b"0123456789-.eE /_"), 3).tolist())
    return data


MUTATIONS = (flip, overwrite, truncate, insert, delete, repeat, splice, number, digits)


def at(data: bytes | bytearray, rng: Rng) -> int:
    """A position, half of the time among the first bytes, where lengths and types are."""
    if len(data) < 2:
        return 0
    return int(rng.integers(min(len(data), 600))) if rng.random() < 0.5 else int(rng.integers(len(data)))
