"""The two-class data set of the first assignment of EECS 598 (Michigan, 2019): 1,000 rows of 20 features.

The assignment splits it in order into 500 rows for training, 250 for validation and 250 for testing.
"""

from __future__ import annotations

import os

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.npz import read_npz
from chainrule.data.source import Source, as_path, find_file, find_folder
from chainrule.errors import DataError
from chainrule.typed import typed

FILES = ("data.npz",)


@typed
def load_binary20d(folder: str | os.PathLike[str]) -> Dataset:
    """The data set from `data.npz` in `folder`: X float64 (N, 20), y int64 in {0, 1}. Raises `DataError`."""
    file = find_file("load_binary20d", as_path("load_binary20d", folder), FILES)
    arrays = read_npz(file, ("X", "y"))
    X, y = arrays["X"], arrays["y"]
    if X.dtype.kind != "f" or X.ndim != 2 or X.shape[1] != 20:
        raise DataError(f"load_binary20d: X of {file} must hold floats (N, 20), got {X.dtype} {X.shape}")
    if y.dtype.kind not in "iu" or y.shape != X.shape[:1]:
        raise DataError(f"load_binary20d: y of {file} must hold integers ({len(X)},), got {y.dtype} {y.shape}")
    return Dataset(X.astype(np.float64, copy=False), y, ("0", "1"), "binary20d")


def binary20d_source() -> Source:
    """The data set from the folder that `find_folder` finds."""
    data = load_binary20d(find_folder("binary20d", [FILES]))
    return Source("binary20d", data, notes="Customary split: in order, 500 train, 250 validation, 250 test rows.")
