"""Batches of neighbouring rows of sorted data.

Where the rows are sorted by class and taken in order, every batch holds one class; each step unlearns the others. The
accuracy measured afterwards is that of the last class seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, training
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

LOOKED_AT = 20  # batches
SHARE = 0.5  # of the classes that a batch of this size would show if it were drawn at random


class UnshuffledBatches(Rule):
    """Batches that hold far fewer classes than random rows would."""

    key = "unshuffled-batches"
    severity = "error"
    needs = ("plan", "labels")
    mend = 'shuffle the rows once, or use sampling="shuffled", which draws a new order every epoch'

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The classes in up to 20 batches of the first epoch, against their expected number in random batches."""
        training = subject.training
        assert training is not None
        batches = training.batches
        if batches is None or hasattr(
            batches, "rng"
        ):  # drawn anew at random; asking for a batch would move a legacy one
            return
        y = subject.labels("train")
        steps = range(min(LOOKED_AT, batches.steps_per_epoch))
        drawn = [np.asarray(batches.indices(step)) for step in steps]
        shares = np.bincount(y) / len(y)
        seen = np.mean([len(np.unique(y[rows])) for rows in drawn])
        expected = np.mean([(1 - (1 - shares) ** len(rows)).sum() for rows in drawn])
        if len(shares) > 1 and expected > 1.5 and seen < SHARE * expected + 0.5:
            why = f"a batch holds {seen:.1f} classes on average; random rows would show {expected:.1f}"
            yield self.finding("batches", why)

    @classmethod
    def bad(cls) -> Subject:
        """Rows sorted by class, in order."""

        class InOrder:
            steps_per_epoch = 10

            def indices(self, step: int) -> np.ndarray:
                return np.arange(step % 10 * 30, step % 10 * 30 + 30)

        data = parts()
        order = np.argsort(data["y_train"], kind="stable")
        data |= {"X_train": data["X_train"][order], "y_train": data["y_train"][order]}
        return training(data=data, batch_size=30, sampling=InOrder())

    @classmethod
    def good(cls) -> Subject:
        """Shuffled."""
        return training(batch_size=30)
