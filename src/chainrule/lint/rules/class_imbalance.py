"""Classes of very different sizes, all weighted alike.

The loss is a mean over rows: a class of 2 % of them counts 2 %, and a network that never predicts it looks good. (Where
accuracy over such rows is what is wanted, that is right; say so under [lint].)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.lint.examples import parts, with_data
from chainrule.lint.finding import Finding
from chainrule.lint.rule import Rule
from chainrule.lint.subject import Subject
from chainrule.losses import SoftmaxCrossEntropy

RATIO = 10.0


class ClassImbalance(Rule):
    """A class with less than a tenth of the rows of the largest, and no class weights."""

    key = "class-imbalance"
    needs = ("labels",)
    mend = "set class_weights of the loss (rows / (classes · rows of the class)), and look at the recall of every class"

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The largest class over the smallest."""
        counts = subject.counts("train")
        weighted = isinstance(subject.loss, SoftmaxCrossEntropy) and subject.loss.class_weights is not None
        if weighted or len(counts) < 2 or counts.min() == 0:
            return
        least, most = int(counts.argmin()), int(counts.argmax())
        if counts[most] > RATIO * counts[least]:
            ratio = counts[most] / counts[least]
            small, large = subject.class_name(least), subject.class_name(most)
            why = f"class {large} has {ratio:.0f} times as many rows as class {small}, and classes are not weighted"
            yield self.finding("y_train", why)

    @classmethod
    def bad(cls) -> Subject:
        """A few rows of class 2."""
        return cls._thinned(5, None)

    @classmethod
    def good(cls) -> Subject:
        """The same, with weights."""
        return cls._thinned(5, SoftmaxCrossEntropy(class_weights=(0.5, 0.5, 14.0)))

    @classmethod
    def _thinned(cls, kept: int, loss: SoftmaxCrossEntropy | None) -> Subject:
        data = parts()
        for part in ("train", "val", "test"):
            rare = np.flatnonzero(data[f"y_{part}"] == 2)
            rows = np.delete(np.arange(len(data[f"y_{part}"])), rare[kept * len(data[f"y_{part}"]) // 300 + 1 :])
            data |= {f"{n}_{part}": data[f"{n}_{part}"][rows] for n in "Xy"}
        return with_data(data=data, loss=loss)
