"""Training runs broken on purpose, thousands of times, and what was lost: nothing, or it says so.

    python tools/torture.py                       all of it, into docs/results/torture.md (about half an hour)
    python tools/torture.py --quick               a few cases of each kind, on the screen only
    python tools/torture.py kills signals         these parts only; their sections of the page are written anew

The parts: kills, commands, matrix, signals, hashes, cost, faults; see `crashes/`.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # no thread may run in a process that forks


def main() -> int:
    from crashes import page

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *page.PARTS], help="all of them if none is given")
    parser.add_argument("--quick", action="store_true", help="a few cases of each, nothing written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no new case of a part after so long")
    options = parser.parse_args()
    # Ignored under nohup and in the background, which the runs would inherit.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return page.run(options.parts or list(page.PARTS), quick=options.quick, seed=options.seed, minutes=options.minutes)


if __name__ == "__main__":
    sys.exit(main())
