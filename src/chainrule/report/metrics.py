"""How good predictions are, class by class; scikit-learn does the counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ConfigError, DataError, ShapeError, require_number, shown
from chainrule.require import as_numbers
from chainrule.typed import typed


class ClassRow(NamedTuple):
    """Precision TP/(TP + FP), recall TP/(TP + FN), their harmonic mean F1, and the rows that have this label."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@typed
def class_table(y: Array, predicted: Array, class_names: Sequence[str]) -> list[ClassRow]:
    """One row a class, also for one that never occurs (its undefined figures are 0).

    y, predicted: labels (N,) in [0, C), or −1 and +1 for two classes.

    >>> class_table(np.array([0, 0, 1]), np.array([0, 1, 1]), ["cat", "dog"])[0]
    ClassRow(name='cat', precision=1.0, recall=0.5, f1=0.6666666666666666, support=2)
    """
    from sklearn.metrics import precision_recall_fscore_support

    y, predicted = _two_labels("class_table", y, predicted, len(class_names))

    precision, recall, f1, count = precision_recall_fscore_support(
        _labels(y), _labels(predicted), labels=np.arange(len(class_names)), zero_division=0.0
    )  # each (C,)
    return [
        ClassRow(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(class_names, precision, recall, f1, count, strict=True)
    ]


@typed
def confusion_matrix(y: Array, predicted: Array, classes: int) -> Array:
    """How often class i was predicted as class j, (C, C).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    require_number("confusion_matrix", "classes", classes, integer=True, low=1)
    y, predicted = _two_labels("confusion_matrix", y, predicted, classes)
    if classes == 1:  # scikit-learn warns of it
        return np.array([[len(y)]])
    from sklearn.metrics import confusion_matrix as counted

    try:
        matrix: Array = counted(_labels(y), _labels(predicted), labels=np.arange(classes))
    except (MemoryError, ValueError, OverflowError):
        raise ConfigError(f"confusion_matrix: classes squared must fit in memory, got {shown(classes)}") from None
    return matrix


def _two_labels(owner: str, y: Array, predicted: Array, classes: int) -> tuple[Array, Array]:
    """Both as vectors of labels of one length, in [0, C) or −1 and +1; nothing is broadcast or left out."""
    checked = []
    for argument, value in (("y", y), ("predicted", predicted)):
        labels = as_numbers(owner, argument, value, kinds="iub")
        if labels.ndim != 1 or labels.size == 0:
            raise ShapeError(f"{owner}: {argument} must be labels of shape (N,), got shape {labels.shape}")
        low, high = int(labels.min()), int(labels.max())
        if high >= max(classes, 2) or low < (-1 if classes <= 2 else 0):
            wrong = f"got {high if high >= max(classes, 2) else low}"
            raise DataError(
                f"{owner}: {argument} must hold labels from 0 to {classes - 1}, of {classes} classes, {wrong}"
            )
        checked.append(labels)
    if checked[0].shape != checked[1].shape:
        shapes = f"{checked[0].shape} and {checked[1].shape}"
        raise ShapeError(f"{owner}: y and predicted must hold equally many labels, got {shapes}")
    return checked[0], checked[1]


def _labels(y: Array) -> Array:
    return np.where(y > 0, 1, 0) if y.min() < 0 else y
