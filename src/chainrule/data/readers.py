"""One front door for data that has no name in the catalogue: a path or an object in, train and test parts out.

    read("digits.mat")      read("train.csv", target="species")      read(load_iris())      read((X, y))

What kind a source is, is seen from itself; `READERS` is the explicit list of kinds, asked from top to bottom.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.data import csv_table, frame, hugging_face, in_memory, pickled_xy
from chainrule.data.archives import is_archive
from chainrule.data.catalog import CATALOG
from chainrule.data.cifar10 import FILES as CIFAR10_FILES
from chainrule.data.cifar10 import load_cifar10
from chainrule.data.cifar100 import load_cifar100
from chainrule.data.distribution import first_known_file
from chainrule.data.image_folder import load_image_folder
from chainrule.data.keyed import OPTIONS, parts_of_arrays
from chainrule.data.mat import read_mat
from chainrule.data.mnist import EMNIST_CLASSES, MNIST_FILES, emnist_files, load_emnist, load_fashion_mnist, load_mnist
from chainrule.data.npz import read_npz
from chainrule.data.reader import COMMON, Part, Reader, finished
from chainrule.data.source import Source, as_path
from chainrule.errors import ConfigError, DataError, DTypeError, describe, shown, unknown


def read(
    source: Any,
    *,
    kind: str | None = None,
    inputs: str | int | Sequence[str | int] | None = None,
    target: str | int | None = None,
    target_as: str | None = None,
    missing: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    labels: str | None = None,
    part: str | None = None,
    resize: tuple[int, int] | None = None,
    channels: int | None = None,
    on_bad: str | None = None,
    cache: bool | None = None,
    input_shape: Sequence[int] | None = None,
    first_label: int | None = None,
    class_names: Sequence[str] | None = None,
    name: str | None = None,
) -> Source:
    """Inputs and targets of a file, a folder or an object; `.train` always, `.val` and `.test` where it has them.

    source: a path to .csv, .tsv, Parquet, .npz, .mat, .pkl, to a folder or archive of images by class, of idx files, or
    of CIFAR batches; or arrays (X, y), arrays under names, a table (pandas, polars, pyarrow), a scikit-learn bunch, a
    Hugging Face data set, a `Dataset`. kind: one of `KINDS`, in place of looking.
    inputs, target: the names (columns also by index) of X and y where they are not the usual ones.
    target_as ("labels", "numbers"), missing ("raise", "drop"), delimiter, header: for tables.
    labels ("fine", "coarse"): for CIFAR-100. part: for EMNIST. resize, channels, on_bad, cache: for folders of images.
    input_shape: what to make of each input. first_label: the label that becomes 0. class_names, name: for messages.
    Raises `ConfigError` for options that do not fit the source, `DataError` naming what is wrong with the data.

    >>> data = read({"X": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], "y": [1, 2, 2]}, first_label=1).train
    >>> data.X.shape, data.y.tolist()
    ((3, 2), [0, 1, 1])
    """
    given = {key: value for key, value in locals().items() if key not in ("source", "kind") and value is not None}
    if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
        raise unknown("kind of source", kind, KINDS)
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.path.expanduser(as_path("read", source, "source")))
        if not os.path.exists(path):
            hint = f"; for the data set of that name use load({source!r})" if source in CATALOG else ""
            raise DataError(f"read: source must be a path that exists or an object, got {shown(str(source))}{hint}")
        source = path
    elif kind in _OF_PATHS:
        raise ConfigError(f"read: source must be a path for kind {kind!r}, got {describe(source)}")
    if isinstance(source, Path) and kind in _OF_OBJECTS:
        raise ConfigError(f"read: source must be an object for kind {kind!r}, got the path {str(source)!r}")
    reader = _reader(source) if kind is None else KINDS[kind]
    return finished(reader, source, given)


def kind_of(source: Any) -> str | None:
    """Which of `KINDS` a path or object is seen to be; None where it is none of them."""
    found = _matching(source)
    return None if found is None else found.kind


def _matching(source: Any) -> Reader | None:
    return next((reader for reader in READERS if reader.matches(source)), None)


def _reader(source: Any) -> Reader:
    found = _matching(source)
    if found is None and isinstance(source, Path):
        raise DataError(
            f"read: source must be of one of the kinds {', '.join(sorted(_OF_PATHS))}, which cannot be seen from "
            f"{str(source)!r}; say which with kind="
        )
    if found is None:
        kinds = ", ".join(sorted(_OF_OBJECTS))
        raise DTypeError(f"read: source must be a path or an object of kind {kinds}, got {describe(source)}")
    return found


def _ends(*endings: str) -> Any:
    return lambda source: isinstance(source, Path) and source.is_file() and source.name.lower().endswith(endings)


def _is(kind: str) -> Any:
    """Whether the first file that is known from a distribution is one of this kind's."""

    def matches(source: Any) -> bool:
        if not isinstance(source, Path):
            return False
        status = source.stat()
        return _KIND_OF.get(_known_file(source, status.st_mtime_ns, status.st_size)) == kind

    return matches


@functools.lru_cache(maxsize=1)  # asked once a kind; looking into an archive takes time
def _known_file(path: Path, _changed: int, _size: int) -> str | None:
    return first_known_file(path, _KIND_OF)


def _npz(path: Path, options: Mapping[str, Any]) -> dict[str, Part]:
    return parts_of_arrays(str(path), read_npz(path), options)


def _mat(path: Path, options: Mapping[str, Any]) -> dict[str, Part]:
    return parts_of_arrays(str(path), read_mat(path), options)


def _cifar10(path: Path, _: Mapping[str, Any]) -> Source:
    train, test = load_cifar10(path)
    return Source("cifar10", train, test, scale=255.0)


def _cifar100(path: Path, options: Mapping[str, Any]) -> Source:
    train, test = load_cifar100(path, options.get("labels", "fine"))
    return Source("cifar100", train, test, scale=255.0)


def _mnist(path: Path, _: Mapping[str, Any]) -> Source:
    train, test = load_mnist(path)
    return Source("mnist", train, test, scale=255.0)


def _fashion_mnist(path: Path, _: Mapping[str, Any]) -> Source:
    train, test = load_fashion_mnist(path)
    return Source("fashion-mnist", train, test, scale=255.0)


def _emnist(path: Path, options: Mapping[str, Any]) -> Source:
    there = [part for part in EMNIST_CLASSES if path.is_dir() and first_known_file(path, emnist_files(part)[0])]
    part = options.get("part", there[0] if len(there) == 1 else None)
    if part is None:
        raise ConfigError(f"read: part must be given for EMNIST: one of {', '.join(there or EMNIST_CLASSES)}")
    train, test = load_emnist(path, part)
    return Source(f"emnist-{part}", train, test, scale=255.0)


def _images(path: Path, options: Mapping[str, Any]) -> Source:
    chosen = {key: value for key, value in options.items() if key not in COMMON - {"name"}}
    return load_image_folder(path, **chosen)


#: Which distribution a file belongs to, by its name.
_KIND_OF: Mapping[str | None, str] = {
    **{name: "mnist" for names in MNIST_FILES.values() for name in names},
    **{name: "emnist" for part in EMNIST_CLASSES for names in emnist_files(part) for name in names},
    **{name: "cifar10" for names in CIFAR10_FILES for name in names},
    **dict.fromkeys(("meta", "train.bin", "fine_label_names.txt", "coarse_label_names.txt"), "cifar100"),
}

#: Every kind of source; the first that matches reads it.
READERS: tuple[Reader, ...] = (
    in_memory.OWN,
    hugging_face.READER,
    frame.FRAME,
    in_memory.BUNCH,
    in_memory.ARRAYS,
    Reader("npz", _ends(".npz"), _npz, OPTIONS),
    Reader("mat", _ends(".mat"), _mat, OPTIONS),
    frame.PARQUET,
    csv_table.READER,
    pickled_xy.READER,
    Reader("mnist", _is("mnist"), _mnist),
    Reader("fashion-mnist", lambda _: False, _fashion_mnist),  # its files are called like MNIST's: only by kind
    Reader("emnist", _is("emnist"), _emnist, ("part",)),
    Reader("cifar10", _is("cifar10"), _cifar10),
    Reader("cifar100", _is("cifar100"), _cifar100, ("labels",)),
    Reader(
        "images",
        lambda source: isinstance(source, Path) and (source.is_dir() or is_archive(source)),
        _images,
        ("resize", "channels", "on_bad", "cache"),
    ),
)
KINDS: Mapping[str, Reader] = {reader.kind: reader for reader in READERS}
_OF_OBJECTS = frozenset({"dataset", "hugging-face", "table", "bunch", "arrays"})
_OF_PATHS = frozenset(KINDS) - _OF_OBJECTS
