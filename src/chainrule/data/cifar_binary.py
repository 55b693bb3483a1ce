"""The batches of CIFAR-10 and CIFAR-100, binary version: rows of label bytes and 3,072 colour values, nothing else.

    CIFAR-10     1 byte label               then 1,024 red, 1,024 green, 1,024 blue, row-major
    CIFAR-100    1 byte coarse, 1 fine      then the same

Class names are one a line in a text file. Source: Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
"""

from __future__ import annotations

import numpy as np

from chainrule.errors import DataError

_PIXELS = 3 * 32 * 32


def parse_cifar_binary(data: bytes, where: str, label_classes: tuple[int, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Images uint8 (N, 3, 32, 32), and for each label byte the labels int64 (N,).

    label_classes: how many classes each label byte counts. where: names the origin in a `DataError`.
    """
    width = len(label_classes) + _PIXELS
    if not data or len(data) % width:
        raise DataError(f"{where} must hold rows of {width} bytes, got {len(data)} bytes")
    rows = np.frombuffer(data, np.uint8).reshape(-1, width)  # (N, labels + 3072)
    columns = []
    for column, classes in enumerate(label_classes):
        labels = rows[:, column].astype(np.int64)  # (N,)
        if labels.max() >= classes:
            row = int(np.argmax(labels >= classes))
            raise DataError(f"{where} must hold labels from 0 to {classes - 1}, got {labels[row]} in row {row}")
        columns.append(labels)
    return np.ascontiguousarray(rows[:, len(label_classes) :]).reshape(-1, 3, 32, 32), columns


def parse_names(data: bytes, where: str, classes: int) -> tuple[str, ...]:
    """The class names, one a line."""
    names = tuple(line.strip().decode("ascii", "replace") for line in data.split(b"\n") if line.strip())
    if len(names) != classes:
        raise DataError(f"{where} must hold {classes} names, one a line, got {len(names)}")
    return names
