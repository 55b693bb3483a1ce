"""Time the loader: images a second on one core, and what it adds to a training step.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/loader.py rates
    OMP_NUM_THREADS=2 python benchmarks/loader.py overhead

Random bytes of the shape of the named sets (contents do not matter, except that neighbouring pixels of photographs are
alike, which is a little faster), batches of 128, single precision out. `rates` counts processor time, of all threads,
and takes the best of some rounds: what else the machine does at the time disturbs it least that way. `overhead` takes
turns between steps on one batch that lies ready and steps on what the loader brings, and compares medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.bench.rows import ROWS
from chainrule.config import layers_from_config
from chainrule.data import Loader, NormalizedRows, Normalizer, ShuffledBatches
from chainrule.data.augment import (
    AlternatingFlip,
    ColorJitter,
    CutMix,
    Cutout,
    HorizontalFlip,
    MixUp,
    RandomCrop,
    Rotation,
    Transform,
    Translation,
)
from chainrule.engines import make_engine
from chainrule.network import Network
from chainrule.solver.solver import make_rule

BATCH, ROUNDS, STEPS = 128, 7, 150
CIFAR, MNIST = (50_000, 3, 32, 32), (60_000, 1, 28, 28)
CROP_AND_FLIP = (RandomCrop(4), HorizontalFlip())
#: What is timed: the shape of the set, how it is normalised, the transforms, and the goal in images a second.
RATES: Sequence[tuple[tuple[int, ...], str, tuple[Transform, ...], int | None]] = (
    (CIFAR, "channel", CROP_AND_FLIP, 60_000),
    (CIFAR, "standard", CROP_AND_FLIP, 60_000),
    (CIFAR, "channel", (RandomCrop(4, "reflect"), AlternatingFlip(), Cutout(8)), None),
    (CIFAR, "channel", (), None),
    (MNIST, "unit", (), 500_000),
    (CIFAR, "channel", (Translation(0.1, 0.1),), None),
    (CIFAR, "channel", (MixUp(),), None),
    (CIFAR, "channel", (CutMix(),), None),
    (CIFAR, "channel", (Rotation(15.0, "nearest"),), None),
    (CIFAR, "channel", (Rotation(15.0),), None),
    (CIFAR, "channel", (ColorJitter(0.4, 0.4, 0.4, 0.1),), None),
)


def make(shape: tuple[int, ...], kind: str, augment: Sequence[Transform], batch: int, workers: int = 1) -> Loader:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, 10, shape[0])
    rows = NormalizedRows(X, Normalizer.fit(kind, X[:2000], 255.0 if kind == "unit" else None))
    return Loader(rows, y, ShuffledBatches(len(y), batch, 0), augment, workers=workers)


def rate(loader: Loader) -> float:
    """Images a second of processor time: the best round."""
    best = 0.0
    for k in range(ROUNDS):
        started, seen = time.process_time(), 0
        with loader.stream(k * STEPS, (k + 1) * STEPS) as stream:
            for x, _ in stream:
                seen += len(x)
        best = max(best, seen / (time.process_time() - started))
    return best


def rates() -> None:
    print(f"| set | normalised | transforms | images/s, 1 thread ahead | none ahead | goal |\n{'|---' * 6}|")
    for shape, kind, augment, goal in RATES:
        measured = [rate(make(shape, kind, augment, BATCH, workers)) for workers in (1, 0)]
        figures = " | ".join(f"{m:,.0f}" for m in measured)
        wanted = "" if goal is None else f"{goal:,}"
        print(f"| {shape[1:]} | {kind} | {', '.join(map(repr, augment))} | {figures} | {wanted} |", flush=True)


def overhead() -> None:
    print(f"| model | engine | step, ms | with the loader, ms | added |\n{'|---' * 5}|")
    for row in ROWS:
        if len(row.input_shape) != 3:
            continue
        shape = (20_000, *row.input_shape)
        loader = make(shape, "channel", CROP_AND_FLIP if shape[1] == 3 else (), row.batch)
        network = Network(layers_from_config(row.layers), input_shape=row.input_shape)
        engine: Any = make_engine(network, make_rule(row.rule, None))
        x, y = loader.batch(0)
        times: dict[str, list[float]] = {"alone": [], "loaded": []}
        for k in range(6):
            for _ in range(20):
                started = time.perf_counter()
                engine.step(x, y)
                times["alone"].append(time.perf_counter() - started)
            with loader.stream(20 * k, 20 * (k + 1)) as stream:
                started = time.perf_counter()
                for batch in stream:
                    engine.step(*batch)
                    times["loaded"].append(time.perf_counter() - started)
                    started = time.perf_counter()
        alone, loaded = (1e3 * statistics.median(times[name]) for name in ("alone", "loaded"))
        name = type(engine).__name__
        print(
            f"| {row.title} | {name} | {alone:.2f} | {loaded:.2f} | {100 * (loaded / alone - 1):+.1f} % |", flush=True
        )


if __name__ == "__main__":
    if sys.argv[1:] not in (["rates"], ["overhead"]):
        sys.exit(__doc__)
    rates() if sys.argv[1] == "rates" else overhead()
