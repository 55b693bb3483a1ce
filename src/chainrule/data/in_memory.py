"""Data that are in memory already: pairs of arrays, arrays under names, scikit-learn bunches, this package's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, Splits
from chainrule.data.keyed import OPTIONS, part_of
from chainrule.data.pickled_xy import parts_of_object
from chainrule.data.reader import Part, Reader
from chainrule.data.source import Source


def read_own(source: Any, options: Mapping[str, Any]) -> Source:
    """A `Source`, `Dataset` or `Splits`, as a `Source`."""
    if isinstance(source, Source):
        return source
    if isinstance(source, Dataset):
        return Source(source.name, source)
    return Source(source.train.name, source.train, source.test, val=source.val)


def read_bunch(bunch: Any, options: Mapping[str, Any]) -> dict[str, Part]:
    """A scikit-learn bunch: data and target, named by target_names where the target is a class.

    `load_digits()` and the like also hold images, which are the inputs where inputs="images" asks for them.
    """
    X, y = bunch[options.get("inputs", "data")], bunch[options.get("target", "target")]
    names = bunch.get("target_names")
    y = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if y.dtype == object and all(isinstance(value, str) for value in y.tolist()):
        y = y.astype(str)
    is_named = names is not None and y.dtype.kind in "iu" and y.ndim == 1 and y.size and y.min() >= 0
    fits = is_named and len(names) > int(y.max())
    X = X.toarray() if hasattr(X, "toarray") else X
    return {"train": part_of("the bunch", X, y, tuple(map(str, names)) if fits else None)}


def read_arrays(source: Any, options: Mapping[str, Any]) -> dict[str, Part]:
    """(X, y), pairs of such, or arrays under names."""
    return parts_of_object("the source", source, options)


def _is_bunch(source: Any) -> bool:
    return isinstance(source, Mapping) and "data" in source and "target" in source


def _is_arrays(source: Any) -> bool:
    return isinstance(source, (tuple, list)) or (isinstance(source, Mapping) and not _holds_tables(source))


def _holds_tables(source: Mapping[Any, Any]) -> bool:
    return any(hasattr(value, "features") and hasattr(value, "column_names") for value in source.values())


OWN = Reader("dataset", lambda source: isinstance(source, (Source, Dataset, Splits)), read_own)
BUNCH = Reader("bunch", _is_bunch, read_bunch, OPTIONS)
ARRAYS = Reader("arrays", _is_arrays, read_arrays, OPTIONS)
