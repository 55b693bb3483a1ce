"""The page of results: a part for each group, each written by the run that measured it."""

from __future__ import annotations

import collections
import json
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.judge import ALARM, CPU, MEMORY
from fuzz.mutations import MUTATIONS
from fuzz.running import Result

HEAD = f"""# Damaged and hostile files

Written by `tools/fuzz` (`make fuzz`); do not edit. Good files and checkpoints are changed and read in a child process
with {MEMORY >> 30} GiB of address space, an alarm of {ALARM} s, at most {CPU:g} s of processor time a case, warnings as
errors, and an audit hook against running, importing by pickle, connecting, linking, and writing elsewhere. “Bad” is
anything but data or one typed error. Bytes are changed by {", ".join(mutation.__name__ for mutation in MUTATIONS)}.
"""

TITLES = {
    "data": (
        "Data files and texts",
        "Changed at random; packed files also inside, with their sums made right again.",
    ),
    "checkpoints": (
        "Checkpoints",
        "The files as they lie there, where any changed byte that a sum covers must be refused; bytes with the sums "
        "made right again; entries of the state and of the weights' header, the same. `CheckpointError` is the one "
        "error allowed, and a solver that refuses must be as it was.",
    ),
    "runs": (
        "Run folders",
        "Checked as `chainrule verify` does it, then loaded: a changed byte of any file must be found. A recipe may be "
        "refused by `ConfigError`, all else by `CheckpointError`.",
    ),
}
ORDER = ("data", "checkpoints", "runs", "hostile", "flips", "guided")


def part_of(result: Result, group: str, seed: int, seconds: float) -> str:
    """The part of the page about one group of targets."""
    title, words = TITLES[group]
    rows = [
        f"| {name} | {sum(counter.values()):,} | {counter['read']:,} | {counter['refused']:,} | {counter['bad']:,} |"
        for name, counter in result.counts.items()
    ]
    kinds = ", ".join(f"{count:,} {name}" for name, count in result.errors.most_common())
    total: collections.Counter[str] = sum(result.counts.values(), collections.Counter())
    lines = [
        f"## {title}",
        "",
        words,
        "",
        f"{result.cases:,} cases with seed {seed}: {total['read']:,} read, {total['refused']:,} refused ({kinds}), "
        f"{total['bad']:,} bad.",
        "",
        "| kind | cases | read | refused | bad |",
        "|---|---:|---:|---:|---:|",
        *rows,
        "",
        f"Largest process {result.peak / 1024:.0f} MiB, slowest case {result.slowest:.2f} s of processor time, all of "
        f"it {seconds:.0f} s {machine()}.",
        "",
        *(f"- {line}" for line in result.bad[:50]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def machine() -> str:
    return f"on Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}"


def table(title: str, words: str, head: list[str], rows: list[list[Any]]) -> str:
    """A part that is one table."""
    lines = [f"## {title}", "", words, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]) + "\n"


def write(page: Path, name: str, part: str) -> None:
    """Put a part into the page, in the place of the one that was there; the others stay."""
    text = page.read_text("utf-8") if page.is_file() else ""
    kept = dict(re.findall(r"<!-- part (\w+) -->\n(.*?)(?=<!-- part |\Z)", text, flags=re.DOTALL))
    parts = {**kept, name: part.rstrip() + "\n\n"}
    body = "".join(f"<!-- part {n} -->\n{parts[n]}" for n in ORDER if n in parts)
    page.write_text(f"{HEAD}\n{body}".rstrip() + "\n", "utf-8")


def lines_of(text: str) -> list[dict[str, Any]]:
    """The JSON objects that a child printed, one a line."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
