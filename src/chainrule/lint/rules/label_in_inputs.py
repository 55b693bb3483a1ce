"""A feature that is the label.

A column with the answer, or computed from it, was left among the inputs. Figures are perfect, until the rows come for
which nobody knows the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.relation import as_targets
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject

EXPLAINED = 0.999
FEWEST_ROWS = 30


class LabelInInputs(Rule):
    """A feature that the target determines, or that determines it, almost completely."""

    key = "label-in-inputs"
    severity = "error"
    needs = ("data",)
    mend = "leave the feature out"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The share of each feature's variance that the targets explain, over the sample."""
        x, y = subject.sample
        x = x.reshape(len(x), -1).astype(np.float64)
        t = as_targets(y, subject.has("labels"))  # (n, C)
        if len(x) < FEWEST_ROWS or t.shape[1] == 0 or t.shape[1] > len(x) // 5:
            return
        x, t = x - x.mean(axis=0), t - t.mean(axis=0)
        total = np.square(x).sum(axis=0)  # (D,)
        fitted = t @ (np.linalg.pinv(t) @ x)  # (n, D)
        varies = total > 1e-12 * max(total.max(), 1e-300)
        share = np.where(varies, np.square(fitted).sum(axis=0) / np.where(varies, total, 1), 0)
        if share.max() > EXPLAINED:
            yield self.finding("X_train", f"feature {int(share.argmax())} is the target itself or made from it")

    @classmethod
    def bad(cls) -> Subject:
        """The label as the last feature."""
        data = parts()
        for part in ("train", "val", "test"):
            label = data[f"y_{part}"][:, None].astype(np.float32)
            data[f"X_{part}"] = np.concatenate((data[f"X_{part}"], label), axis=1)
        return with_data(data=data)

    @classmethod
    def good(cls) -> Subject:
        """Features only."""
        return with_data()
