"""CIFAR-10: 50,000 training and 10,000 test images of 32×32 in colour, from the python version's folder or archive.

Archives are read member by member: only regular files with the names of the distribution, each capped in size.
Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy as np

from chainrule.data.cifar_pickle import read_cifar_batch, read_cifar_label_names
from chainrule.data.dataset import Dataset
from chainrule.data.source import Source, as_path, find_folder
from chainrule.errors import DataError

TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
META = "batches.meta"
FOLDER = "cifar-10-batches-py"
#: Where the batches may be, inside the data set's folder.
PLACES = (
    f"{FOLDER}/{TRAIN[0]}",
    TRAIN[0],
    "cifar-10-python.tar.gz",
    *(f"{FOLDER}.{ending}" for ending in ("tar.xz", "tar.gz", "tar")),
)
_MOST_BYTES = 40 << 20  # a batch has 31 MB


def load_cifar10(path: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """Training and test images uint8 (N, 3, 32, 32) with their labels, from the folder of batches or its archive.

    Raises `DataError` naming the file that is missing or damaged.
    """
    source = as_path("load_cifar10", path)
    if source.is_dir():
        return _read(source)
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(source, Path(scratch))
        return _read(Path(scratch))


def _read(folder: Path) -> tuple[Dataset, Dataset]:
    for name in (*TRAIN, TEST, META):
        if not (folder / name).is_file():
            raise DataError(f"load_cifar10: the batches must include {name!r}; {folder} lacks it")
    names = read_cifar_label_names(folder / META)
    parts = [read_cifar_batch(folder / name) for name in TRAIN]
    X, y = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    train = Dataset(X, y, class_names=names, name="cifar10 train")
    return train, Dataset(*read_cifar_batch(folder / TEST), class_names=names, name="cifar10 test")


def _unpack(archive: Path, folder: Path) -> None:
    """Copy the distribution's own members into `folder`, under their base names."""
    wanted = {*TRAIN, TEST, META}
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if name not in wanted or not member.isreg():
                    continue
                if member.size > _MOST_BYTES:
                    raise DataError(f"load_cifar10: {name} of {archive} must have at most {_MOST_BYTES} bytes")
                stream = tar.extractfile(member)
                if stream is None:
                    continue
                (folder / name).write_bytes(stream.read())
                wanted.discard(name)
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"load_cifar10: {archive} cannot be read as a tar archive: {error}") from None
    if wanted:
        raise DataError(f"load_cifar10: {archive} must hold {sorted(wanted)}, which it lacks")


def cifar10_source() -> Source:
    """CIFAR-10 from the first of `PLACES` in the folder that `find_folder` finds."""
    folder = find_folder("cifar10", [PLACES])
    place = next(folder / p for p in PLACES if (folder / p).is_file())
    train, test = load_cifar10(place.parent if place.name == TRAIN[0] else place)
    return Source("cifar10", train, test, scale=255.0, notes="Colours 0 to 255; ten classes of 6,000 images.")
