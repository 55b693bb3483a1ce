"""Damaged and hostile files by the thousand: every reader must give data or one typed error, whatever it is given.

    python tools/fuzz --cases 20000 --report docs/results/fuzz.md
    python tools/fuzz --group checkpoints --cases 100000 --report docs/results/fuzz.md
    python tools/fuzz --hostile --report docs/results/fuzz.md
    python tools/fuzz --guided 30 --report docs/results/fuzz.md

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


def hostile(page: Path | None) -> int:
    """Read the checkpoints made to harm."""
    from fuzz.hostile_run import judge_all

    verdicts = judge_all()
    wrong = [f"{v.name}: {v.wrong}" for v in verdicts if v.wrong]
    slowest, most = max(v.seconds for v in verdicts), max(v.grown - v.size for v in verdicts)
    words = (
        f"{len(verdicts)} checkpoints and runs made by hand, each read in a process of its own: {len(wrong)} not "
        f"refused as they should be. Slowest {slowest:.2f} s of processor time; at most {most / 2**20:.0f} MiB of "
        f"memory beyond the size of the files, {report.machine()}."
    )
    rows = [[v.name, v.error, f"{v.size:,}", f"{v.grown / 2**20:.1f}", f"{v.seconds:.2f}", v.wrong] for v in verdicts]
    head = ["checkpoint", "error", "bytes on disk", "memory, MiB", "s", "wrong"]
    part = report.table("Checkpoints made to harm", words, head, rows)
    if page is not None:
        report.write(page, "hostile", part)
    print(words, *wrong, sep="\n")
    return int(bool(wrong))


def guided(seconds: float, name: str | None, engine: str, page: Path | None) -> int:
    """Search each parser, guided by the lines that are reached."""
    from fuzz.guided import by_atheris, search, targets

    chosen = [target for target in targets() if name in (None, target.name)]
    if engine == "atheris":
        by_atheris(chosen[0], seconds)
        return 0
    found = [search(target, seconds) for target in chosen]
    bad = [line for f in found for line in f.bad]
    words = (
        f"Each parser of the package for {seconds:g} s of processor time: an input that reaches a new line is kept and "
        f"changed further. {sum(f.cases for f in found):,} cases, {len(bad)} bad, {report.machine()}."
    )
    head = ["parser", "cases", "refused", "lines by the examples", "lines reached", "inputs kept", "bad"]
    rows = [[f.name, f"{f.cases:,}", f"{f.refused:,}", f.first_lines, f.lines, f.corpus, len(f.bad)] for f in found]
    part = report.table("Guided by coverage", words, head, rows)
    if page is not None:
        report.write(page, "guided", part)
    print(part, *bad[:20], sep="\n")
    return int(bool(bad))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--group", choices=list(GROUPS), default="data")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--only", type=int)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--guided", type=float, metavar="SECONDS")
    parser.add_argument("--target")
    parser.add_argument("--engine", choices=("lines", "atheris"), default="lines")
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        seed, first, last = map(int, options.child[:3])
        child(options.group, seed, first, last, Path(options.child[3]))
        return 0
    if options.hostile:
        return hostile(options.report)
    if options.guided is not None:
        return guided(options.guided, options.target, options.engine, options.report)
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
