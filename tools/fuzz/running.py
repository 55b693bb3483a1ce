"""All cases, a thousand a child; a child that dies is started again behind the case that killed it."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fuzz.judge import ALARM
from fuzz.targets import GROUPS

CHUNK = 5000  # cases a child
PROGRAM = str(Path(__file__).parent)


@dataclasses.dataclass
class Result:
    """What came of all cases."""

    counts: dict[str, collections.Counter[str]]
    errors: collections.Counter[str]
    bad: list[str]
    slowest: float = 0.0
    peak: int = 0

    @property
    def cases(self) -> int:
        return sum(sum(counter.values()) for counter in self.counts.values())


def run(cases: int, seed: int = 0, group: str = "data", chunk: int = CHUNK) -> Result:
    """Judge `cases` cases in child processes; one that dies is started again behind the case that killed it."""
    result = Result({target.name: collections.Counter() for target in GROUPS[group]}, collections.Counter(), [])
    first = 0
    while first < cases:
        first = _chunk(result, group, seed, first, min(first + chunk, cases))
    return result


def scratch_folder() -> Any:
    """A temporary folder, in memory where there is such a place."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def _chunk(result: Result, group: str, seed: int, first: int, last: int) -> int:
    with scratch_folder() as scratch:
        command = [sys.executable, PROGRAM, "--group", group, "--child", *map(str, (seed, first, last)), scratch]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=ALARM * 60, check=False)
    begun = judged = first - 1
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if "begin" in record:
            begun = record["begin"]
        elif "peak" in record:
            result.peak = max(result.peak, record["peak"])
        else:
            judged = record["index"]
            result.counts[record["target"]][record["kind"]] += 1
            result.slowest = max(result.slowest, record["seconds"])
            if record["kind"] == "refused":
                result.errors[record["detail"]] += 1
            if record["kind"] == "bad":
                result.bad.append(f"case {judged} ({record['target']}, {record['done']}): {record['detail']}")
    if judged == last - 1:
        return last
    if begun < first:
        raise RuntimeError(f"the child did not start: {done.stderr}")
    name = GROUPS[group][begun % len(GROUPS[group])].name
    result.counts[name]["bad"] += 1
    result.bad.append(f"case {begun} ({name}): the process died with {done.returncode}: {done.stderr[-500:]}")
    return begun + 1
