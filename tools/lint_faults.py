"""How good the linter is: planted faults that it must find, sound recipes that it must leave alone, shuffled labels.

Every fault is planted in a recipe, a network with data, a solver or a finished run on real data (handwritten digits,
MNIST, two classes of 20 features) or on small made ones, and linted as a user would. A fault counts as found if the
rule that names it is among the findings.

    python tools/lint_faults.py            print the tables
    python tools/lint_faults.py --write    and write them to docs/results/lint.md; with faults, recipes or labels behind
                                           it only that section

CHAINRULE_DATA must name the folder with mnist/, binary20d/, cifar10/ and notmnist/.

The parts: faults, recipes, labels; see `planted/`.
"""

from __future__ import annotations

import sys

from planted import page


def main(words: list[str]) -> int:
    """The sections named, all if none is."""
    chosen = [word for word in words if word in page.SECTIONS]
    return page.run(chosen if chosen else page.SECTIONS, write="--write" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
