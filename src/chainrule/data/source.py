"""A named data set as it comes from its files, and where those files are looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.data.dataset import Dataset
from chainrule.data.facts import FACTS
from chainrule.errors import ConfigError, DataError, DTypeError, describe, shown
from chainrule.typed import is_path, typed, typed_fields

#: The environment variable that names the folder with one subfolder a data set.
VARIABLE = "CHAINRULE_DATA"


class Skipped(NamedTuple):
    """A file that holds no usable image: its path inside the folder or archive, and what is wrong with it."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
@typed_fields
class Source:
    """A data set by name.

    train: its rows, or those of its own training part. test: its own test part, where its makers gave one.
    scale: the highest value a raw input can have, so that X / scale lies in [0, 1]; None where inputs are not bounded.
    notes: what a reader should know (units, the customary split). val: its own validation part, where there is one.
    skipped: the files that were left out, each with the reason; a run's record names them. row_names: by part, the
    file that each row came from, where rows are files.

    >>> import numpy as np
    >>> Source("points", Dataset(np.zeros((3, 2)), np.arange(3)))
    Source('points', train (3, 2) float64)
    """

    name: str
    train: Dataset
    test: Dataset | None = None
    scale: float | None = None
    notes: str = ""
    val: Dataset | None = None
    skipped: tuple[Skipped, ...] = ()
    row_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = "".join(f", {part} {data.X.shape} {data.X.dtype}" for part, data in self.parts.items())
        skipped = f", {len(self.skipped):,} file{'s' if len(self.skipped) > 1 else ''} skipped" if self.skipped else ""
        return f"Source({self.name!r}{parts}{skipped})"

    @property
    def parts(self) -> dict[str, Dataset]:
        """The parts that there are: train, val, test."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {part: data for part, data in parts.items() if data is not None}


def as_path(owner: str, path: Any, argument: str = "the path") -> Path:
    """`path` as a `Path`; `DTypeError` for what cannot be one."""
    if not isinstance(path, (str, os.PathLike)):
        raise DTypeError(f"{owner}: {argument} must be a string or path object, got {describe(path)}")
    if not is_path(path):
        raise DTypeError(f"{owner}: {argument} must be a path that can exist, got {describe(path)}")
    return Path(path)


def find_file(owner: str, folder: Path, names: Sequence[str]) -> Path:
    """The first of `names` that is a file in `folder`; `DataError` where none is."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{owner}: folder must hold {_either(names)}, got {str(folder)!r}, which does not")


@typed
def find_folder(name: str, files: Sequence[Sequence[str]], *, folder: str | None = None) -> Path:
    """The folder of data set `name`: the first that holds its `files`, each given as its alternative file names.

    Looks in $CHAINRULE_DATA/<name>, then in the cache, $XDG_CACHE_HOME/chainrule/<name> (~/.cache without it).
    folder: the subfolder's name where it is not the set's own, as for sets that share their files.
    Raises `DataError` saying what was looked for, where, what to set, and how to get the files.
    """
    for argument, given in (("name", name), ("folder", folder)):
        if given is not None and not is_path(given):
            raise ConfigError(f"find_folder: {argument} must be a name that a folder can have, got {shown(given)}")
    reports = []
    below = name if folder is None else folder
    for place in _candidates(below):
        missing = [names for names in files if not any(os.path.isfile(place / n) for n in names)]
        if not missing:
            return place
        state = f"lacks {', '.join(_either(names) for names in missing)}" if os.path.isdir(place) else "is not a folder"
        reports.append(f"{place} {state}")
    wanted = ", ".join(names[0] for names in files)
    if not os.environ.get(VARIABLE):
        reports.insert(0, f"{VARIABLE} is not set")
    raise DataError(
        f"data set {name!r} was not found: looked for {wanted}; {'; '.join(reports)}. "
        f"Set {VARIABLE} to the folder that holds a folder {below!r} with these files."
        f"{_how_to_get(name)}"
    )


def _how_to_get(name: str) -> str:
    known = FACTS.get(name)
    if known is None:
        return ""
    size = f" ({known.download_size / 1e6:,.0f} MB)"
    return f" `chainrule data fetch {name}` downloads them{size}." if known.files else f" {known.manual}"


def _candidates(name: str) -> list[Path]:
    folders = []
    given = os.environ.get(VARIABLE)
    if given:
        folders.append(Path(os.path.expanduser(given)) / name)
    return [*folders, cache_folder() / name]


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: $XDG_CACHE_HOME/chainrule, or ~/.cache/chainrule without it."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path counts as not set.
    root = cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")
    return Path(root) / "chainrule"


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)
