"""Time chainrule against its peers and every layer alone; write docs/results/benchmarks.md and .json.

    python benchmarks/run.py [--rounds K] [--only TEXT]

Frameworks take turns (A B A B ...), each round in a process of its own with 2 threads; quoted are medians over the
rounds, and the ratio is taken round by round, so a machine whose speed drifts disturbs both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "results"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
BASELINE = "torch"

sys.path.insert(0, str(HERE))
from rows import ROWS, Row  # noqa: E402


def frameworks_for(row: Row) -> list[str]:
    return ["chainrule", "torch", *(["torch-channels-last"] if len(row.input_shape) == 3 else ["sklearn"])]


def time_row(row: Row, rounds: int) -> dict[str, Any]:
    """Medians and paired ratios of one row."""
    steps = 300 if len(row.input_shape) == 1 else 30
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for framework in frameworks_for(row):
            command = [sys.executable, str(HERE / "worker.py"), framework, row.name, str(steps)]
            out = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
            runs.setdefault(framework, []).append(json.loads(out.splitlines()[-1]))
    base = [r["ms"] for r in runs[BASELINE]]
    result: dict[str, Any] = {"row": row.name, "frameworks": {}}
    for framework, measured in runs.items():
        ratios = [m["ms"] / b for m, b in zip(measured, base, strict=True)]
        result["frameworks"][framework] = {
            "ms": statistics.median(m["ms"] for m in measured),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "peak_mb": statistics.median(m["peak_mb"] for m in measured),
        }
    return result


def time_layers() -> list[dict[str, Any]]:
    """Forward and backward of every layer's first example with 256 rows, in microseconds."""
    from chainrule.layers import LAYERS

    return [time_layer(cls) for cls in LAYERS]


def time_layer(cls: Any) -> dict[str, Any]:
    import numpy as np

    layer, shape = cls.examples()[0]
    shape = (256, *shape[1:])
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    params = {n: v.astype(np.float32) for n, v in layer.init_params(shape, lambda i: rng).items()}
    out, cache = layer.forward(x, params, train=True, key=1)
    dout = rng.normal(size=out.shape).astype(np.float32)
    return {
        "layer": cls.__name__,
        "shape": list(shape),
        "forward_us": _median_us(lambda: layer.forward(x, params, train=True, key=1)),
        "backward_us": _median_us(lambda: layer.backward(dout, cache)),
    }


def time_starts(rounds: int) -> dict[str, float]:
    """Seconds of a whole process: `import numpy`, `import chainrule`, `chainrule --help`; medians of paired runs."""
    commands = {
        "import numpy": [sys.executable, "-c", "import numpy"],
        "import chainrule": [sys.executable, "-c", "import chainrule, numpy"],
        "chainrule --help": [str(Path(sys.executable).parent / "chainrule"), "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(max(rounds, 7)):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(t) for name, t in times.items()}


def _median_us(call: Any, repeats: int = 50) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def report(rows: list[dict[str, Any]], layers: list[dict[str, Any]], starts: dict[str, float]) -> str:
    """The page."""
    import numpy as np

    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {platform.machine()}, {os.cpu_count()} cores, 2 threads, Python "
        f"{platform.python_version()}, NumPy {np.__version__}. A step is forward, backward and update; times are "
        "medians in milliseconds, ratios to PyTorch eager are medians over paired rounds (lowest – highest).",
        "",
        "| row | framework | ms a step | ratio to torch | peak memory, MB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        for name, m in row["frameworks"].items():
            spread = "" if name == BASELINE else f" ({m['ratio_min']:.2f} – {m['ratio_max']:.2f})"
            lines.append(f"| {row['row']} | {name} | {m['ms']:.3f} | {m['ratio']:.2f}{spread} | {m['peak_mb']:.0f} |")
    lines += ["", "## Start-up", "", "| command | seconds | ratio to `import numpy` |", "|---|---|---|"]
    for name, seconds in starts.items():
        lines.append(f"| `{name}` | {seconds:.3f} | {seconds / starts['import numpy']:.2f} |")
    lines += ["", "## Layers on the reference engine", "", "float32, 256 rows of each layer's first example.", ""]
    lines += ["| layer | input | forward, µs | backward, µs |", "|---|---|---|---|"]
    for m in layers:
        shape = "×".join(map(str, m["shape"]))
        lines.append(f"| {m['layer']} | {shape} | {m['forward_us']:.0f} | {m['backward_us']:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only rows whose name contains this text; nothing is written")
    arguments = parser.parse_args()
    rows = []
    for row in ROWS:
        if arguments.only in row.name:
            rows.append(time_row(row, arguments.rounds))
            for framework, m in rows[-1]["frameworks"].items():
                print(f"{row.name}: {framework} {m['ms']:.3f} ms, {m['ratio']:.2f} x torch, {m['peak_mb']:.0f} MB")
    if arguments.only:
        return
    layers, starts = time_layers(), time_starts(arguments.rounds)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "benchmarks.md").write_text(report(rows, layers, starts))
    data = {"rows": rows, "layers": layers, "start": starts}
    (RESULTS / "benchmarks.json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"wrote {RESULTS / 'benchmarks.md'}")


if __name__ == "__main__":
    main()
