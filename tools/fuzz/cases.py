"""Case number N of a group: which target, what was done to which example, the bytes. Of (seed, number) only."""

from __future__ import annotations

import numpy as np

from fuzz.mutations import MUTATIONS, Rng
from fuzz.targets import GROUPS, Target, examples


def case(group: str, seed: int, index: int) -> tuple[Target, str, bytes]:
    """The target of a case, what was done, the bytes."""
    targets = GROUPS[group]
    rng = np.random.default_rng([seed, index])
    target = targets[index % len(targets)]
    files = examples(target)
    data = files[int(rng.integers(len(files)))]
    if target.change is not None:
        changed, words = target.change(data, rng, mutated)
        return target, words, changed
    inside = target.unpack is not None and rng.random() < 0.6
    other = examples(targets[int(rng.integers(len(targets)))])[0] if rng.random() < 0.5 else data
    if inside:
        assert target.unpack is not None
        data = target.unpack(data)
        other = target.unpack(files[0]) if rng.random() < 0.7 else other
    done: list[str] = []
    data = bytes(mutated(bytearray(data), rng, other, done))
    if inside:
        assert target.pack is not None
        data = target.pack(data)
    return target, " + ".join(done) + (", inside" if inside else ""), data


def mutated(data: bytearray, rng: Rng, other: bytes, done: list[str]) -> bytearray:
    """One change of the bytes, sometimes two or three; their names go to `done`."""
    for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 4))):
        if not data:
            break
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        data = mutation(data, rng, other)
        done.append(mutation.__name__)
    return data
