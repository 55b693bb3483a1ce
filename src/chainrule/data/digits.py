"""The 1,797 handwritten digits of 8 × 8 pixels that come with scikit-learn; needs no file and no network."""

from __future__ import annotations

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.source import Source


def load_digits() -> Dataset:
    """X float32 (1797, 1, 8, 8) with values 0 to 16, y int64, classes "0" to "9".

    Source: E. Alpaydin & C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998 (its test part).
    """
    from sklearn.datasets import load_digits as bundled

    X, y = bundled(return_X_y=True)
    return Dataset(X.astype(np.float32).reshape(-1, 1, 8, 8), y, tuple("0123456789"), "digits")


def digits_source() -> Source:
    """The digits, which have no test part of their own."""
    return Source("digits", load_digits(), scale=16.0, notes="Ink counts 0 to 16; no separate test set.")
