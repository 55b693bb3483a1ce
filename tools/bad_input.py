"""Bad input for every public entry point, counted: python tools/bad_input.py [--report docs/results/bad-input.md].

python tools/bad_input.py                       all of it, with what is at fault
python tools/bad_input.py layers.Affine 'data.*'  these entry points
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

os.environ.pop("CHAINRULE_DATA", None)  # no real data, and no home
os.environ["MPLBACKEND"] = "agg"
from hostile.calls import in_folder
from hostile.entries import Entry
from hostile.matrix import SLOW_SHARE, Case, cases, covered, is_slow, quiet_in
from hostile.values import KINDS
from hostile.verdict import Slow


def page(entries: list[Entry], found: list[Case], failed: dict[str, str]) -> str:
    """The record, as Markdown."""
    count = collections.Counter(c.verdict.status for c in found)
    fast = {e.name for e in entries if not is_slow(e)}
    kinds = collections.Counter((c.entry, c.argument) for c in found if c.argument and c.entry in fast)
    lines = [
        "# Bad input",
        "",
        "`python tools/bad_input.py --report docs/results/bad-input.md` calls every public entry point with one",
        "argument after the other replaced by every kind of bad value that says something about it. Entry points come",
        "from the package's own lists, parameters from signatures; `tools/hostile/entries.py` says what is left out.",
        "",
        f"- entry points: {len(entries)}, {len(failed)} of them without a valid call. {len(entries) - len(fast)} start "
        f"processes or train: of their cases one in {SLOW_SHARE} is run.",
        f"- kinds of bad value: {len(KINDS) + 3}, at least {min(kinds.values(), default=0)} for each argument",
        f"- cases: {len(found)}",
    ]
    lines += [f"- {words}: {count[status]}" for status, words in WORDS.items()]
    lines += ["", f"| package | entry points | cases | {' | '.join(WORDS)} |", f"|---|{'--:|' * (len(WORDS) + 2)}"]
    for group in sorted({e.name.split(".")[0] for e in entries}):
        own = [c for c in found if c.entry.split(".")[0] == group]
        statuses = collections.Counter(c.verdict.status for c in own)
        names = [e for e in entries if e.name.split(".")[0] == group]
        lines.append(f"| {group} | {len(names)} | {len(own)} | {' | '.join(str(statuses[s]) for s in WORDS)} |")
    faults = [c for c in found if not c.verdict.ok]
    if faults:
        lines += ["", "## At fault", ""]
        lines += [f"- `{c.entry}`, {c.argument} <- {c.kind}: {c.verdict.status}" for c in faults]
    return "\n".join(lines) + "\n"


#: What the verdicts mean, the good ones first.
WORDS = {
    "typed": "typed errors that name the argument (or the thing), and say what came",
    "equal": "other forms of the valid value, accepted with the same result",
    "admitted": "values of the declared type, accepted with a finite result",
    "language": "Python's own errors about the number and names of arguments",
    "own": "exceptions of the caller's own functions, passed on",
    "raw": "raw errors of NumPy or Python",
    "shape": "arrays of another shape, accepted silently",
    "foreign": "values of another type, accepted silently",
    "different": "other forms of the valid value, accepted with another result",
    "not finite": "NaN out of finite input",
    "warning": "warnings",
    "slow": "calls that did not come back",
    "exit": "calls that ended the process",
    "unnamed": "typed errors that do not name the argument",
}


def main() -> int:
    """Run the matrix and report; 1 where a case is at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--report", type=Path)
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    report = Path.cwd() / options.report if options.report else None  # the matrix runs elsewhere
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    found: list[Case] = []
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    entries = [e for e in covered() if any(fnmatch.fnmatchcase(e.name, p) for p in options.patterns)]
    with tempfile.TemporaryDirectory() as folder, quiet_in(Path(folder)):
        os.environ["XDG_CACHE_HOME"] = folder
        in_folder(Path(folder))
        for entry in entries:
            started = time.perf_counter()
            try:
                found += cases(entry, share=options.share)
            except (Exception, Slow) as error:
                failed[entry.name] = f"{type(error).__name__}: {error}"[:200]
            seconds[entry.name] = time.perf_counter() - started
    bad = [c for c in found if not c.verdict.ok]
    by_entry = collections.Counter(c.entry for c in bad)
    if options.dump:
        options.dump.write_text(
            "\n".join(f"{c.entry}|{c.argument}|{c.kind}|{c.verdict.status}|{c.verdict.detail}" for c in found),
            errors="backslashreplace",
        )
    for name, count in by_entry.most_common():
        print(f"== {name}: {count}")
        for case in [c for c in bad if c.entry == name][: options.limit]:
            print(f"   {case.argument} <- {case.kind}: {case.verdict.status}: {case.verdict.detail}")
    for name, why in failed.items():
        print(f"?? {name}: {why}")
    if options.report:
        report.write_text(page(entries, found, failed))
    print(f"slowest: {[(n, round(s, 1)) for n, s in sorted(seconds.items(), key=lambda p: -p[1])[:12]]}")
    print(
        f"{len(entries)} entry points, {len(failed)} without a valid call, {len(found)} cases: "
        f"{dict(collections.Counter(c.verdict.status for c in found))}"
    )
    return 1 if bad or failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
