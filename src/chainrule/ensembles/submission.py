"""Predictions as the CSV that competitions take: a line of names, then one row an example, `Id,Category`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError, describe
from chainrule.files import write_atomically
from chainrule.require import require_unmasked
from chainrule.typed import typed

HEADER = ("Id", "Category")


def parse_header(text: str) -> tuple[str, str]:
    """The two names in a text such as "ImageId,Label".

    >>> parse_header("ImageId,Label")
    ('ImageId', 'Label')
    """
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise ConfigError(f"header must be two names with a comma between, such as Id,Category, got {text!r}")
    return names[0], names[1]


@typed
def write_submission(
    path: str | Path, ids: Sequence[Any], predictions: Array, *, header: tuple[str, str] = HEADER
) -> None:
    """Write `ids` and `predictions` (N,), numbers or names, to a CSV file with the given `header`, all or nothing.

    Raises `DataError` for ids that are not distinct, and where the file cannot be written.
    """
    require_unmasked("write_submission", "predictions", predictions)
    try:
        values = np.asarray(predictions)
    except Exception:  # an object's own way to become an array may raise anything
        raise DTypeError(f"write_submission: predictions must be an array, got {describe(predictions)}") from None
    if values.ndim != 1:
        raise ShapeError(f"write_submission: predictions must have shape (N,), one a row, got {values.shape}")
    if values.dtype.kind not in "iufUO":
        raise DTypeError(f"write_submission: predictions must be numbers or names, got {describe(values)}")
    if len(ids) != len(values):
        raise ShapeError(f"write_submission: ids must be as many as predictions, got {len(ids)} and {len(values)}")
    seen: set[Any] = set()
    for one in ids:
        if isinstance(one, (float, np.floating)) and not np.isfinite(one):
            raise DataError(f"write_submission: ids must be names or finite numbers, got {one!r}")
        if one in seen:
            raise DataError(f"write_submission: ids must be distinct, got {one!r} twice")
        seen.add(one)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(ids, values.tolist(), strict=True))
    try:
        write_atomically(path, text.getvalue())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None
