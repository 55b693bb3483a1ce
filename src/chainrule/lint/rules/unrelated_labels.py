"""Labels that have nothing to do with their inputs.

Inputs shuffled without their labels, files sorted in another order, labels of another file: the loss stays at chance,
or the network learns every row by heart. No single row shows it, but a permutation test does: see the module
`relation` for the test, its probability of finding shuffled labels (at least 96 %) and its false alarms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.relation import FEWEST_ROWS, as_targets, unrelated
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject


class UnrelatedLabels(Rule):
    """Targets that neither nearest neighbours nor a linear map connect with the inputs."""

    key = "unrelated-labels"
    severity = "error"
    needs = ("data",)
    mend = "shuffle inputs and labels by the same order; look at some rows with their labels (chainrule data show)"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The training rows among themselves; validation and test rows by the training rows."""
        x, y = subject.sample
        labels = subject.has("labels")
        x = flat(x)
        if len(y) < FEWEST_ROWS or np.all(y == y[0]) or np.all(x == x[0]):
            return
        if unrelated(x, as_targets(y, labels)):
            yield self.finding("y_train", "targets have no more to do with the inputs than targets in random order")
            return
        for part in ("val", "test"):
            if part in subject.parts and len(subject.parts[part].y) >= FEWEST_ROWS:
                xs, ys = subject.rows(part, 500)
                t = as_targets(np.concatenate((y, ys)), labels)
                if unrelated(flat(xs), t[len(y) :], (x, t[: len(y)])):
                    yield self.finding(f"y_{part}", "targets do not follow from the inputs as those of training do")

    @classmethod
    def bad(cls) -> Subject:
        """Labels in another order."""
        order = np.random.default_rng(5).permutation(300)
        return with_data(data=parts(y_train=parts()["y_train"][order]))

    @classmethod
    def good(cls) -> Subject:
        """Labels in their own."""
        return with_data()


def flat(x: np.ndarray) -> np.ndarray:
    """Rows as vectors (n, D) of float64."""
    return x.reshape(len(x), -1).astype(np.float64)
