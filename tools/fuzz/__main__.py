"""Damaged and hostile files by the thousand: every reader must give data or one typed error, whatever it is given.

    python tools/fuzz --cases 20000 --report docs/results/fuzz.md
    python tools/fuzz --group checkpoints --cases 100000 --report docs/results/fuzz.md

Each case takes a good file, changes it, writes it to a scratch folder and reads it in a child process. A case is bad
when the child dies, hangs, warns, raises anything but the package's errors, or trips the audit hook. Cases depend on
(seed, number) only: `--only N` repeats one, with its traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz import report
from fuzz.cases import case
from fuzz.judge import child
from fuzz.running import run, scratch_folder
from fuzz.targets import GROUPS, lay


def repeat_one(group: str, seed: int, index: int) -> None:
    """Read one case here and show what happens."""
    target, done, data = case(group, seed, index)
    with scratch_folder() as scratch:
        path = lay(target, data, Path(scratch))
        print(f"{target.name}: {done}, {len(data)} bytes")
        print(target.read(path))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--group", choices=list(GROUPS), default="data")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--only", type=int)
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        seed, first, last = map(int, options.child[:3])
        child(options.group, seed, first, last, Path(options.child[3]))
        return 0
    if options.only is not None:
        repeat_one(options.group, options.seed, options.only)
        return 0
    start = sum(os.times()[:4])
    result = run(options.cases, options.seed, options.group)
    part = report.part_of(result, options.group, options.seed, sum(os.times()[:4]) - start)
    if options.report is not None:
        report.write(options.report, options.group, part)
    print(part)
    return int(bool(result.bad))


if __name__ == "__main__":
    sys.exit(main())
