"""`chainrule bench`: training steps and layers timed side by side with other frameworks."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.bench import measure
from chainrule.bench.page import LAYER_HEAD, ROW_HEAD, layer_cells, mean_cells, page, row_cells
from chainrule.bench.rows import ROWS, select_rows
from chainrule.cli.options import Integer
from chainrule.errors import ConfigError
from chainrule.files import write_atomically
from chainrule.report.plots import save_figure
from chainrule.report.tables import console, text_table

Flag = Annotated[bool, Parameter(negative="")]

app = App(
    name="bench",
    help_epilogue=f"""Examples:
  chainrule bench
  chainrule bench vgg11 vgg-wide --peers torch --rounds 3
  chainrule bench mlp-200 --peers none --json

Rows: {", ".join(row.key for row in ROWS)}.
Peers: {", ".join(measure.PEERS)}, or none.
Nothing else should run meanwhile; a full run takes half an hour.""",
)


@app.default
def bench(
    *rows: str,
    peers: str = "torch,jax",
    engine: str = "auto",
    threads: Integer = None,
    rounds: Integer = None,
    seconds: float = 1.0,
    layers: Flag = False,
    scaling: Flag = False,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Time training steps side by side with other frameworks.

    Every mode of every framework runs in a process of its own, and they take turns; a framework that is not installed
    is left out. Times are medians.

    Parameters
    ----------
    rows
        The models to time; all of them if not given.
    peers
        The frameworks to compare with, separated by commas.
    engine
        What runs our side: auto, native or reference.
    threads
        Threads, and cores, for each framework; 2 if not given.
    rounds
        How often each takes its turn; 5 if not given.
    seconds
        How long one measurement lasts at least.
    layers
        Time every layer alone, too.
    scaling
        Measure fewer threads, and smaller and larger batches, too.
    out
        A folder for benchmarks.md and benchmarks.json, and a figure of the scaling.
    json
        End with one JSON object, and print all else to standard error.
    """
    settings = measure.Settings(
        rows=select_rows(rows),
        peers=_peers(peers),
        engine=engine,
        threads=2 if threads is None else threads,
        rounds=5 if rounds is None else rounds,
        seconds=seconds,
        layers=layers,
        scaling=scaling,
    )
    found = measure.run(settings, lambda line: print(line, file=sys.stderr, flush=True))
    _show(found, to_stderr=json)
    if out is not None:
        _write(found, settings, out)
    if json:
        print(json_module.dumps({"rows": found["rows"], "geometric_mean": found["geometric_mean"]}))


def _peers(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise ConfigError(f"--peers must name frameworks, such as torch,jax, or be none, got {text!r}")
    return () if words == ("none",) else words


def _show(found: dict[str, Any], *, to_stderr: bool) -> None:
    shown = console(stderr=to_stderr)
    shown.print(
        text_table(ROW_HEAD, [*(row_cells(row, "key") for row in found["rows"]), mean_cells(found["geometric_mean"])])
    )
    if "layers" in found:
        shown.print(text_table(LAYER_HEAD, [layer_cells(result) for result in found["layers"]]))


def _write(found: dict[str, Any], settings: measure.Settings, out: Path) -> None:
    """The page, the numbers, the figure."""
    found = found | {"command": _command(settings), "starts": measure.time_starts(settings)}
    out.mkdir(parents=True, exist_ok=True)
    if "scaling" in found:
        from chainrule.bench.figure import scaling_figure

        save_figure(scaling_figure(found["scaling"]), out / "benchmarks-scaling.png")
    write_atomically(out / "benchmarks.json", (json_module.dumps(found, indent=1) + "\n").encode())
    text = page(found, found["command"], found["starts"])
    write_atomically(out / "benchmarks.md", text.encode())
    print(f"wrote {out / 'benchmarks.md'}", file=sys.stderr)


def _command(settings: measure.Settings) -> str:
    """How to measure the same again."""
    words = ["chainrule bench"]
    if settings.rows != ROWS:
        words += [row.key for row in settings.rows]
    peers = ",".join(settings.peers)
    words.append(f"--peers {peers if peers else 'none'} --engine {settings.engine}")
    words.append(f"--threads {settings.threads} --rounds {settings.rounds}")
    words += [f"--{name}" for name in ("layers", "scaling") if getattr(settings, name)]
    return " ".join(words)
