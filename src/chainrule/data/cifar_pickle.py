"""The batches of the CIFAR-10 python version: pickles of protocol 2, read as plain data and never executed.

A batch is a dictionary with `data`, uint8 (N, 3072), each row the red, then green, then blue values of an image in
row-major order, and `labels`, N integers from 0 to 9.
Source: Krizhevsky, "The CIFAR-10 dataset", section "Dataset layout".
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from chainrule.data.plain_pickle import read_plain_pickle
from chainrule.errors import DataError

_CLASSES = 10


def read_cifar_batch(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of one batch file. Raises `DataError` naming the file."""
    batch = _dictionary(path)
    data, labels = _entry(path, batch, "data"), _entry(path, batch, "labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"read_cifar_batch: 'data' of {path} must be uint8 (N, 3072), got {got}")
    if not isinstance(labels, list) or len(labels) != len(data):
        got = f"{len(labels)} of them" if isinstance(labels, list) else type(labels).__name__
        raise DataError(f"read_cifar_batch: 'labels' of {path} must be {len(data)} integers, got {got}")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < _CLASSES:
            raise DataError(f"read_cifar_batch: labels of {path} must be from 0 to 9, got {label!r} in row {row}")
    return data.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)


def read_cifar_label_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names of the ten classes, from the file batches.meta. Raises `DataError` naming the file."""
    names = _entry(path, _dictionary(path), "label_names")
    texts = [n.decode("ascii", "replace") if isinstance(n, bytes) else n for n in names if isinstance(n, (str, bytes))]
    if not isinstance(names, list) or len(texts) != _CLASSES or len(names) != _CLASSES:
        raise DataError(
            f"read_cifar_label_names: 'label_names' of {path} must be {_CLASSES} strings, got {names!r:.60}"
        )
    return tuple(texts)


def _dictionary(path: str | os.PathLike[str]) -> dict[Any, Any]:
    batch = read_plain_pickle(path)
    if not isinstance(batch, dict):
        raise DataError(f"{path} must hold a dictionary, as a CIFAR-10 batch does, got {type(batch).__name__}")
    return batch


def _entry(path: Any, batch: dict[Any, Any], key: str) -> Any:
    for spelled in (key.encode(), key):
        if spelled in batch:
            return batch[spelled]
    raise DataError(f"{path} must hold {key!r}, got only {sorted(map(str, batch))}")
