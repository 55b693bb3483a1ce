"""Looking through a data set once, completely, before anything is trained on it: what `chainrule data check` reports.

Faults are what should be mended or known about: files that hold no usable image, counts that are not the documented
ones, images of the training part that are in the test part too, equal images with different labels, classes without
images, a single class. Equal images with the same label, and classes of different sizes, are reported but are no fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.catalog import CATALOG, load
from chainrule.data.dataset import Dataset, Splits
from chainrule.data.equal_rows import Leak, duplicates, leakage
from chainrule.data.facts import FACTS, Facts
from chainrule.data.image_folder import image_source, read_images
from chainrule.data.readers import kind_of, read
from chainrule.data.source import Skipped, Source, as_path
from chainrule.errors import unknown


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found. Rows are given by their file, or as "train 17" where rows are no files.

    known_bad: damaged files that the documentation of a catalogue set names. duplicates: groups of equal rows with one
    label. conflicts: groups of equal rows with several. leaks: a row, and the equal row of an earlier part. imbalance:
    the size of the largest training class over that of the smallest. faults: one line each; none for a sound set.
    """

    name: str
    shape: tuple[int, ...]
    class_names: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    bad: Sequence[Skipped]
    known_bad: Sequence[Skipped]
    duplicates: Sequence[Sequence[str]]
    conflicts: Sequence[Sequence[str]]
    leaks: Sequence[tuple[str, str]]
    imbalance: float
    notes: str
    faults: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        bad = {name: [entry._asdict() for entry in plain[name]] for name in ("bad", "known_bad")}
        counts = {part: list(counts) for part, counts in self.counts.items()}
        return plain | bad | {"counts": counts, "ok": self.ok}


def audit(name_or_folder: str | Path, *, resize: tuple[int, int] | None = None) -> Audit:
    """Read a named data set, a folder or archive of images by class, or a file, and say what is wrong with it.

    resize: height and width that the images of a folder are brought to; without it another size is a fault.
    Raises `ConfigError` for what is neither, `DataError` for a set that cannot be read at all.
    """
    source, known = open_source(name_or_folder, resize=resize)
    return audit_source(source, known)


def open_source(name_or_folder: str | Path, *, resize: tuple[int, int] | None = None) -> tuple[Source, Facts | None]:
    """The data set of that name with its documentation, or what `read` makes of that path."""
    if isinstance(name_or_folder, str) and not name_or_folder:
        raise unknown("data set or folder", "", CATALOG)
    path = as_path("audit", name_or_folder, "name_or_folder")
    if name_or_folder in CATALOG:
        return load(str(name_or_folder)), FACTS.get(str(name_or_folder))
    if not path.exists():
        raise unknown("data set or folder", str(name_or_folder), CATALOG)
    if kind_of(path) not in (None, "images"):
        return read(path, resize=resize), None
    return image_source(read_images(path, resize=resize, list_sizes=True), path), None


def audit_source(source: Source, known: Facts | None) -> Audit:
    """`audit` of a source; with its documentation where there is one."""
    counts = {part: data.class_counts().tolist() for part, data in source.parts.items() if data.has_labels}
    damaged = () if known is None else known.damaged
    known_bad = [s for s in source.skipped if s.path.endswith(damaged)] if damaged else []
    bad = [s for s in source.skipped if s not in known_bad]
    names = _class_names(source.train)
    same, conflicts = _duplicates(source)
    leaks = [(_row(source, x.part, x.row), _row(source, x.earlier, x.earlier_row)) for x in _leaks(source)]
    present = [n for n in counts.get("train", []) if n]
    faults = [f"{s.path}: {s.reason}" for s in bad]
    if known is not None:
        faults += _undocumented(source, known, counts)
    else:
        faults += [f"there is one class only, {names[0]}"] if len(names) == 1 else []
        faults += [f"class {names[i]} has no usable {part} image" for part, c in counts.items() for i in _empty(c)]
        faults += [f"{row} is in an earlier part too, as {earlier}" for row, earlier in leaks]
        faults += [f"equal images have different labels: {', '.join(group)}" for group in conflicts]
    return Audit(
        source.name,
        source.train.input_shape,
        names,
        counts,
        bad,
        known_bad,
        same,
        conflicts,
        leaks,
        max(present) / min(present) if present else 1.0,
        source.notes,
        faults,
    )


def _undocumented(source: Source, known: Facts, counts: Mapping[str, Sequence[int]]) -> list[str]:
    """Differences from the documentation."""
    faults = []
    if source.train.input_shape != known.shape:
        faults.append(f"rows have shape {source.train.input_shape}, documented is {known.shape}")
    for part, total in known.totals.items():
        if sum(counts.get(part, ())) != total:
            faults.append(f"{part} has {sum(counts.get(part, ())):,} rows, documented are {total:,}")
    for part in {**known.counts, **counts}.keys() - known.totals.keys():
        ours, documented = tuple(counts.get(part, ())), tuple(known.counts.get(part, ()))
        if len(ours) != len(documented):
            faults.append(f"{part} has {len(ours)} classes, documented are {len(documented)}")
            continue
        for label, (got, expected) in enumerate(zip(ours, documented, strict=True)):
            if got != expected:
                faults.append(f"{part} class {label} has {got} rows, documented are {expected}")
    return faults


def _class_names(data: Dataset) -> list[str]:
    if not data.has_labels:
        return []
    return [str(i) for i in range(data.classes)] if data.class_names is None else list(data.class_names)


def _empty(counts: Sequence[int]) -> list[int]:
    return [i for i, count in enumerate(counts) if count == 0]


def _leaks(source: Source) -> list[Leak]:
    return leakage(Splits(source.train, source.val, source.test)) if len(source.parts) > 1 else []


def _duplicates(source: Source) -> tuple[list[list[str]], list[list[str]]]:
    """Groups of equal rows inside of each part: those with one label, and those with several."""
    same: list[list[str]] = []
    conflicts: list[list[str]] = []
    for part, data in source.parts.items():
        for rows in duplicates(data):
            agree = bool((data.y[rows] == data.y[rows[0]]).all())
            (same if agree else conflicts).append([_row(source, part, row) for row in rows])
    return same, conflicts


def _row(source: Source, part: str, row: int) -> str:
    names = source.row_names.get(part)
    return f"{part} {row}" if names is None else names[row]


def moments(data: Dataset, scale: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the inputs over `scale`: by channel for images, of all numbers otherwise."""
    from chainrule.data.rows import row_blocks

    channels = data.X.shape[1] if data.X.ndim == 4 else 1
    shape = (-1, channels, int(np.prod(data.X.shape[2:]))) if data.X.ndim == 4 else (-1, 1, int(data.X[0].size))
    count, total, squares = 0, np.zeros(channels), np.zeros(channels)
    shift = data.X[0].astype(np.float64).mean()  # near the mean, so that the squares lose nothing
    for rows in row_blocks(data.X):
        block = data.X[rows].astype(np.float64).reshape(shape) - shift  # (rows, C, pixels)
        count += block.shape[0] * block.shape[2]
        total += block.sum(axis=(0, 2))
        squares += np.square(block).sum(axis=(0, 2))
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    unit = 1.0 if scale is None else scale
    return (mean + shift) / unit, deviation / unit
