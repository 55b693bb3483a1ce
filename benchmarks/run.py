"""Time chainrule against its peers, every layer alone, threads and batches; write docs/results/benchmarks.md and more.

python benchmarks/run.py [other options of chainrule bench]
"""

from __future__ import annotations

import sys
from pathlib import Path

from chainrule.cli import main

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"

if __name__ == "__main__":
    sys.exit(main(["bench", "--layers", "--scaling", "--out", str(RESULTS), *sys.argv[1:]]))
