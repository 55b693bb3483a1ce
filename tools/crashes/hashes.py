"""The same bits in fresh processes, whatever the hash seed and the number of threads; and what that costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crashes.solvers import ENGINES

#: A wide network, whose products a BLAS cuts by its threads, and a convolutional one with all that draws and sums.
PROGRAM = """
import json, sys
import numpy as np
import chainrule as cr
from chainrule.data.augment import RandomCrop
from chainrule.optim import Chain
from chainrule.recipes.verification import weights_sha256
engines = sys.argv[1].split(",")
rng = np.random.default_rng(0)
data = {}
for part, rows in (("train", 1000), ("val", 200)):
    data[f"X_{part}"] = rng.random((rows, 1, 8, 8), np.float32)
    data[f"y_{part}"] = (10 * data[f"X_{part}"].mean((1, 2, 3))).astype(int)
wide = [cr.Flatten(), cr.Affine(512), cr.ReLU(), cr.Dropout(0.3), cr.Affine(10)]
images = [cr.Conv2D(16, 3, padding=1), cr.BatchNorm(), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Affine(10)]
found = {}
for engine in engines:
    for name, layers, more in (("wide", wide, {}), ("images", images, {"augment": [RandomCrop(1)]})):
        network = cr.Network(layers, input_shape=(1, 8, 8), seed=0)
        rule = Chain(cr.Adam(0.003), clip_norm=1.0, weight_decay=0.01)
        solver = cr.Solver(network, data, update_rule=rule, engine=engine, num_epochs=1, verbose=False, **more)
        solver.train()
        state = solver.engine.state() | {"losses": np.array(solver.loss_history)}
        found[f"{engine}, {name}"] = weights_sha256(state)
print(json.dumps(found))
"""

#: Two ways to run the same steps, in turns: seconds of each round.
COST = """
import json, os, sys, time
import numpy as np
import chainrule as cr
from chainrule.engines.one_thread import VARIABLE
rng = np.random.default_rng(0)
x, y = rng.random((100, 784), np.float32), rng.integers(0, 10, 100)
layers = [cr.Affine(600), cr.ReLU(), cr.Affine(10)]
engine = cr.ReferenceEngine(cr.Network(layers, input_shape=784, seed=0), cr.Adam(1e-3))
seconds = {"1": [], "0": []}
for round in range(int(sys.argv[1])):
    for value in seconds:
        os.environ[VARIABLE] = value
        started = time.perf_counter()
        for _ in range(3):
            engine.step(x, y)
        seconds[value].append((time.perf_counter() - started) / 3)
print(json.dumps(seconds))
"""


@dataclass
class Hashes:
    """How many different sums each network ended in, over all processes."""

    processes: int = 0
    sums: dict[str, Counter[str]] = field(default_factory=dict)
    free: int = 0  # different sums of the reference engine where NumPy keeps its threads


def hashes(count: int, seed: int = 4, tell: Any = None) -> Hashes:
    """Train in `count` fresh processes; then three in which NumPy keeps its threads, to see that it would show."""
    rng, found = np.random.default_rng(seed), Hashes()
    for i in range(count):
        env = {
            "PYTHONHASHSEED": str(int(rng.integers(2**32))),
            "CHAINRULE_THREADS": str((1, 2, 4)[i % 3]),
            "OMP_NUM_THREADS": str((1, 2, 4)[i // 3 % 3]),
            "OPENBLAS_NUM_THREADS": str((1, 2, 4)[i // 3 % 3]),
        }
        for name, digest in run(PROGRAM, ",".join(ENGINES), env).items():
            found.sums.setdefault(name, Counter())[digest] += 1
        found.processes += 1
        if tell is not None and i % 10 == 9:
            tell(f"{i + 1} processes, {max(map(len, found.sums.values()))} sums")
    free = Counter[str]()
    for threads in ("1", "2", "4"):
        env = {"CHAINRULE_DETERMINISTIC": "0", "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        free[run(PROGRAM, "reference", env)["reference, wide"]] += 1
    found.free = len(free)
    return found


def cost(rounds: int) -> dict[str, tuple[float, float]]:
    """threads of NumPy: milliseconds of the fastest steps on one thread, and with all that it has."""
    found = {}
    for threads in ("1", "2"):
        seconds = run(COST, str(rounds), {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads})
        found[threads] = (1e3 * float(np.min(seconds["1"])), 1e3 * float(np.min(seconds["0"])))
    return found


def run(program: str, argument: str, env: dict[str, str]) -> Any:
    """What a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, argument],
        env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)
