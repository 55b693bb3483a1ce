"""The batches of CIFAR-10 and CIFAR-100, python version: pickles of protocol 2, read as plain data, never executed.

A batch is a dictionary with `data`, uint8 (N, 3072), each row the red, then green, then blue values of an image in
row-major order, and N integers under `labels` (CIFAR-10) or `fine_labels` and `coarse_labels` (CIFAR-100).
Source: Krizhevsky, "The CIFAR-10 dataset", section "Dataset layout".
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from chainrule.data.plain_pickle import parse_plain_pickle, read_plain_pickle
from chainrule.errors import DataError


def read_cifar_batch(
    path: str | os.PathLike[str], key: str = "labels", classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of one batch file. Raises `DataError` naming the file.

    key: the entry of the labels. classes: how many there are.
    """
    return _batch(_dictionary(path, read_plain_pickle(path)), str(path), key, classes)


def parse_cifar_batch(data: bytes, where: str, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from the content of a batch file; `where` names its origin."""
    return _batch(_dictionary(where, parse_plain_pickle(data, where)), where, key, classes)


def read_cifar_label_names(
    path: str | os.PathLike[str], key: str = "label_names", classes: int = 10
) -> tuple[str, ...]:
    """The names of the classes, from the file batches.meta. Raises `DataError` naming the file."""
    return _names(_dictionary(path, read_plain_pickle(path)), str(path), key, classes)


def parse_cifar_label_names(data: bytes, where: str, key: str, classes: int) -> tuple[str, ...]:
    """The same from the content of that file; `where` names its origin."""
    return _names(_dictionary(where, parse_plain_pickle(data, where)), where, key, classes)


def _batch(batch: dict[Any, Any], path: str, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    data, labels = _entry(path, batch, "data"), _entry(path, batch, key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"read_cifar_batch: 'data' of {path} must be uint8 (N, 3072), got {got}")
    if not isinstance(labels, list) or len(labels) != len(data):
        got = f"{len(labels)} of them" if isinstance(labels, list) else type(labels).__name__
        raise DataError(f"read_cifar_batch: {key!r} of {path} must be {len(data)} integers, got {got}")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < classes:
            raise DataError(
                f"read_cifar_batch: labels of {path} must be from 0 to {classes - 1}, got {label!r:.60} in row {row}"
            )
    return data.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)


def _names(meta: dict[Any, Any], path: str, key: str, classes: int) -> tuple[str, ...]:
    names = _entry(path, meta, key)
    if not isinstance(names, list) or len(names) != classes or not all(isinstance(n, (str, bytes)) for n in names):
        raise DataError(f"read_cifar_label_names: {key!r} of {path} must be {classes} strings, got {names!r:.60}")
    return tuple(n.decode("ascii", "replace") if isinstance(n, bytes) else n for n in names)


def _dictionary(path: Any, batch: Any) -> dict[Any, Any]:
    if not isinstance(batch, dict):
        raise DataError(f"{path} must hold a dictionary, as a CIFAR batch does, got {type(batch).__name__}")
    return batch


def _entry(path: Any, batch: dict[Any, Any], key: str) -> Any:
    for spelled in (key.encode(), key):
        if spelled in batch:
            return batch[spelled]
    raise DataError(f"{path} must hold {key!r}, got only {str(sorted(map(str, batch)))[:200]}")
