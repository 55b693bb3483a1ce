"""Labels that have nothing to do with their inputs: how often the test of that is wrong."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from chainrule.data import Dataset, load
from chainrule.errors import ChainruleError
from chainrule.lint.relation import as_targets, unrelated


class Related(NamedTuple):
    """How often the test of labels against inputs spoke up, for samples of `rows` rows of a data set."""

    data: str
    rows: int
    samples: int
    false_alarms: int
    found: int


def relation_table() -> list[Related]:
    """Random samples of every data set, with their true labels and with shuffled ones."""
    table = []
    for name in ("digits", "mnist", "notmnist", "cifar10", "binary20d"):
        try:
            data: Dataset = load(name).train
        except ChainruleError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        for count, samples in ((100, 100), (300, 100), (1000, 20)):
            false, found = 0, 0
            for draw in range(samples):
                rng = np.random.default_rng((draw, count))
                at = rng.choice(len(data), min(count, len(data)), replace=False)
                x = data.X[at].reshape(len(at), -1).astype(np.float64)
                t = as_targets(data.y[at], labels=True)
                false += unrelated(x, t)
                found += unrelated(x, rng.permutation(t))
            table.append(Related(name, count, samples, false, found))
            print(table[-1], file=sys.stderr)
    return table


def relation_section() -> tuple[list[str], bool]:
    """How often the test of labels is wrong, and whether that is as seldom as it says."""
    table = relation_table()
    lines = ["Alarms on random samples of each training set, with the true labels and with shuffled ones.\n"]
    lines += ["| data set | rows | samples | false alarms | shuffled labels found |", "|---|---|---|---|---|"]
    lines += [f"| {r.data} | {r.rows:,} | {r.samples} | {r.false_alarms} | {r.found} |" for r in table]
    samples, wrong, right = (sum(r[i] for r in table) for i in (2, 3, 4))
    lines.append(f"\nFalse alarms: {wrong} of {samples:,}. Found: {right} of {samples:,}.")
    return lines, wrong < 0.01 * samples and right > 0.94 * samples
