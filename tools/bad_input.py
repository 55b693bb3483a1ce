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
from hostile.matrix import Case, cases, covered, quiet_in
from hostile.verdict import Slow


def main() -> int:
    """Run the matrix and report; 1 where a case is at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--report", type=Path)
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
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
    print(f"slowest: {[(n, round(s, 1)) for n, s in sorted(seconds.items(), key=lambda p: -p[1])[:12]]}")
    print(
        f"{len(entries)} entry points, {len(failed)} without a valid call, {len(found)} cases: "
        f"{dict(collections.Counter(c.verdict.status for c in found))}"
    )
    return 1 if bad or failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
